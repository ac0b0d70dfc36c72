//! Documents and the static context as messages.

use bytes::Bytes;
use proto::flagd::sync::v1 as current;
use proto::sync::v1 as legacy;
use proto::{Kind, Struct, Value};

use crate::services::grpc;

/// The static attributes as clients are told them.
pub(super) fn context(attributes: &[(String, String)]) -> Struct {
    let text = |text: &String| Value { kind: Some(Kind::StringValue(text.clone())) };
    Struct { fields: attributes.iter().map(|(key, value)| (key.clone(), text(value))).collect() }
}

/// How a document is put into a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// `SyncFlagsResponse` of `flagd.sync.v1`, which carries the static context each time.
    Current,
    /// `SyncFlagsResponse` of `sync.v1`, always the whole.
    Legacy,
    /// `FetchAllFlagsResponse`, the same in both.
    Fetched,
}

impl Shape {
    /// How many there are.
    pub(super) const COUNT: usize = 3;

    /// The message in its frame.
    pub(super) fn frame(self, text: Bytes, context: &Struct) -> Bytes {
        match self {
            Self::Current => grpc::frame(&current::SyncFlagsResponse {
                flag_configuration: text,
                sync_context: Some(context.clone()),
            }),
            Self::Legacy => grpc::frame(&legacy::SyncFlagsResponse {
                flag_configuration: text,
                state: legacy::SyncState::All.into(),
            }),
            Self::Fetched => grpc::frame(&current::FetchAllFlagsResponse { flag_configuration: text }),
        }
    }
}

/// The answer of `GetMetadata`.
#[allow(deprecated, reason = "clients still ask")]
pub(super) fn metadata(context: &Struct) -> Bytes {
    grpc::frame(&current::GetMetadataResponse { metadata: Some(context.clone()) })
}
