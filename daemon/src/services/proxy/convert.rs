//! Documents as messages, byte by byte as they came.

use bytes::Bytes;
use proto::flagd::sync::v1 as current;
use proto::sync::v1 as legacy;

use crate::services::grpc;

/// `SyncFlagsResponse` of `flagd.sync.v1`; a proxy has no context of its own.
pub(super) fn version(document: Bytes) -> Bytes {
    grpc::frame(&current::SyncFlagsResponse { flag_configuration: document, sync_context: None })
}

/// `SyncFlagsResponse` of `sync.v1`, always the whole.
pub(super) fn legacy_version(document: Bytes) -> Bytes {
    grpc::frame(&legacy::SyncFlagsResponse {
        flag_configuration: document,
        state: legacy::SyncState::All.into(),
    })
}

/// `FetchAllFlagsResponse`, the same in both.
pub(super) fn fetched(document: Bytes) -> Bytes {
    grpc::frame(&current::FetchAllFlagsResponse { flag_configuration: document })
}
