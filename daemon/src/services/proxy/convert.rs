//! Documents as messages, byte by byte as they came.

use bytes::Bytes;
use proto::flagd::sync::v1 as current;
use proto::sync::v1 as legacy;

/// A message of `flagd.sync.v1`; a proxy has no context of its own.
pub(super) fn version(document: Bytes) -> current::SyncFlagsResponse {
    current::SyncFlagsResponse { flag_configuration: document, sync_context: None }
}

/// A message of `sync.v1`, always the whole.
pub(super) fn legacy_version(document: Bytes) -> legacy::SyncFlagsResponse {
    legacy::SyncFlagsResponse { flag_configuration: document, state: legacy::SyncState::All.into() }
}
