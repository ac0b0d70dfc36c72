//! The methods of both services, by their paths.

use bytes::Bytes;
use http::{Request, Response};
use proto::flagd::sync::v1 as current;
use proto::sync::v1 as legacy;
use tonic::Status;
use tonic::body::Body;

use super::{Proxy, convert};
use crate::services::grpc::{self, Methods, asked};
use crate::services::sync::METHODS;

#[allow(deprecated, reason = "the target is what clients send in the message's selector")]
impl Methods for Proxy {
    async fn answer(&self, path: &str, request: Request<Body>) -> Result<Response<Body>, Status> {
        let [sync, fetch, metadata, legacy_sync, legacy_fetch] = METHODS;
        if path == sync {
            let (_, asked): (_, current::SyncFlagsRequest) = asked(request).await?;
            self.sync_flags(&asked.selector, &asked.provider_id, convert::version).await
        } else if path == legacy_sync {
            let (_, asked): (_, legacy::SyncFlagsRequest) = asked(request).await?;
            self.sync_flags(&asked.selector, &asked.provider_id, convert::legacy_version).await
        } else if path == fetch {
            let (_, asked): (_, current::FetchAllFlagsRequest) = asked(request).await?;
            self.fetch_all_flags(&asked.selector).await
        } else if path == legacy_fetch {
            let (_, asked): (_, legacy::FetchAllFlagsRequest) = asked(request).await?;
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
    ) -> Result<Response<Body>, Status> {
        Ok(grpc::many(self.follow(target, provider).await?.frames(shape)))
    }

    async fn fetch_all_flags(&self, target: &str) -> Result<Response<Body>, Status> {
        Ok(grpc::one(convert::fetched(self.fetch(target).await?)))
    }
}
