//! The methods of both services, by their paths.

use http::{Request, Response};
use proto::flagd::sync::v1 as current;
use proto::sync::v1 as legacy;
use tonic::Status;
use tonic::body::Body;

use super::convert::{self, Shape};
use super::{Handler, METHODS};
use crate::services::grpc::{self, Methods, asked};

#[allow(deprecated, reason = "clients still send the selector in the message")]
impl Methods for Handler {
    async fn answer(&self, path: &str, request: Request<Body>) -> Result<Response<Body>, Status> {
        let [sync, fetch, metadata, legacy_sync, legacy_fetch] = METHODS;
        if path == sync {
            let (headers, asked): (_, current::SyncFlagsRequest) = asked(request).await?;
            self.sync_flags(Shape::Current, &headers, &asked.selector, &asked.provider_id).await
        } else if path == legacy_sync {
            let (headers, asked): (_, legacy::SyncFlagsRequest) = asked(request).await?;
            self.sync_flags(Shape::Legacy, &headers, &asked.selector, &asked.provider_id).await
        } else if path == fetch {
            let (headers, asked): (_, current::FetchAllFlagsRequest) = asked(request).await?;
            self.fetch_all_flags(&headers, &asked.selector).await
        } else if path == legacy_fetch {
            let (headers, asked): (_, legacy::FetchAllFlagsRequest) = asked(request).await?;
            self.fetch_all_flags(&headers, &asked.selector).await
        } else if path == metadata {
            let (_, current::GetMetadataRequest {}) = asked(request).await?;
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
        headers: &http::HeaderMap,
        selector: &str,
        provider: &str,
    ) -> Result<Response<Body>, Status> {
        let follower = self.follow(shape, headers, selector, provider).await?;
        Ok(grpc::many(follower.frames()))
    }

    async fn fetch_all_flags(
        &self,
        headers: &http::HeaderMap,
        selector: &str,
    ) -> Result<Response<Body>, Status> {
        let document = self.fetch(headers, selector).await?;
        Ok(grpc::one(document.frame(Shape::Fetched, &self.context)))
    }

    async fn get_metadata(&self) -> Result<Response<Body>, Status> {
        if self.parts.disable_metadata {
            return Err(Status::unimplemented("metadata endpoint disabled"));
        }
        self.opened().await?;
        Ok(grpc::one(convert::metadata(&self.context)))
    }
}
