//! The methods of both services, by their paths.

use bytes::Bytes;
use http::HeaderMap;
use proto::flagd::sync::v1 as current;
use proto::sync::v1 as legacy;
use tonic::Status;

use super::{Proxy, convert};
use crate::services::grpc::{self, Frames, Methods, read};
use crate::services::sync::METHODS;

#[allow(deprecated, reason = "the target is what clients send in the message's selector")]
impl Methods for Proxy {
    async fn answer(&self, path: &str, _: &HeaderMap, message: Bytes) -> Result<Frames, Status> {
        let [sync, fetch, metadata, legacy_sync, legacy_fetch] = METHODS;
        if path == sync {
            let asked: current::SyncFlagsRequest = read(message)?;
            self.sync_flags(&asked.selector, &asked.provider_id, convert::version).await
        } else if path == legacy_sync {
            let asked: legacy::SyncFlagsRequest = read(message)?;
            self.sync_flags(&asked.selector, &asked.provider_id, convert::legacy_version).await
        } else if path == fetch {
            let asked: current::FetchAllFlagsRequest = read(message)?;
            self.fetch_all_flags(&asked.selector).await
        } else if path == legacy_fetch {
            let asked: legacy::FetchAllFlagsRequest = read(message)?;
            self.fetch_all_flags(&asked.selector).await
        } else if path == metadata {
            Err(Status::unimplemented("a proxy has no metadata of its own"))
        } else {
            Err(grpc::unknown())
        }
    }
}

impl Proxy {
    async fn sync_flags(
        &self,
        target: &str,
        provider: &str,
        shape: fn(Bytes) -> Bytes,
    ) -> Result<Frames, Status> {
        Ok(Frames::many(self.follow(target, provider).await?.frames(shape)))
    }

    async fn fetch_all_flags(&self, target: &str) -> Result<Frames, Status> {
        Ok(Frames::One(convert::fetched(self.fetch(target).await?)))
    }
}
