//! The methods of both services, by their paths.

use bytes::Bytes;
use http::HeaderMap;
use proto::flagd::sync::v1 as current;
use proto::sync::v1 as legacy;
use tonic::Status;

use super::convert::{self, Shape};
use super::{Handler, METHODS};
use crate::services::grpc::{self, Frames, Methods, read};

#[allow(deprecated, reason = "clients still send the selector in the message")]
impl Methods for Handler {
    async fn answer(&self, path: &str, headers: &HeaderMap, message: Bytes) -> Result<Frames, Status> {
        let [sync, fetch, metadata, legacy_sync, legacy_fetch] = METHODS;
        if path == sync {
            let asked: current::SyncFlagsRequest = read(message)?;
            self.sync_flags(Shape::Current, headers, &asked.selector, &asked.provider_id).await
        } else if path == legacy_sync {
            let asked: legacy::SyncFlagsRequest = read(message)?;
            self.sync_flags(Shape::Legacy, headers, &asked.selector, &asked.provider_id).await
        } else if path == fetch {
            let asked: current::FetchAllFlagsRequest = read(message)?;
            self.fetch_all_flags(headers, &asked.selector).await
        } else if path == legacy_fetch {
            let asked: legacy::FetchAllFlagsRequest = read(message)?;
            self.fetch_all_flags(headers, &asked.selector).await
        } else if path == metadata {
            self.get_metadata().await
        } else {
            Err(grpc::unknown())
        }
    }
}

impl Handler {
    async fn sync_flags(
        &self,
        shape: Shape,
        headers: &HeaderMap,
        selector: &str,
        provider: &str,
    ) -> Result<Frames, Status> {
        let follower = self.follow(shape, headers, selector, provider).await?;
        Ok(Frames::many(follower.frames()))
    }

    async fn fetch_all_flags(&self, headers: &HeaderMap, selector: &str) -> Result<Frames, Status> {
        let document = self.fetch(headers, selector).await?;
        Ok(Frames::One(document.frame(Shape::Fetched, &self.context)))
    }

    async fn get_metadata(&self) -> Result<Frames, Status> {
        if self.parts.disable_metadata {
            return Err(Status::unimplemented("metadata endpoint disabled"));
        }
        self.opened().await?;
        Ok(Frames::One(convert::metadata(&self.context)))
    }
}
