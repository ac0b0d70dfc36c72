//! Documents and the static context as messages.

use proto::flagd::sync::v1 as current;
use proto::sync::v1 as legacy;
use proto::{Kind, Struct, Value};

use super::document::Document;

/// The static attributes as clients are told them.
pub(super) fn context(attributes: &[(String, String)]) -> Struct {
    let text = |text: &String| Value { kind: Some(Kind::StringValue(text.clone())) };
    Struct { fields: attributes.iter().map(|(key, value)| (key.clone(), text(value))).collect() }
}

/// A message of `flagd.sync.v1`, which carries the static context each time.
pub(super) fn version(document: Document, context: &Struct) -> current::SyncFlagsResponse {
    current::SyncFlagsResponse { flag_configuration: document.text, sync_context: Some(context.clone()) }
}

/// A message of `sync.v1`, always the whole.
pub(super) fn legacy_version(document: Document) -> legacy::SyncFlagsResponse {
    legacy::SyncFlagsResponse { flag_configuration: document.text, state: legacy::SyncState::All.into() }
}
