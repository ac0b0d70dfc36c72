//! `flagd.sync.v1`.

use std::sync::Arc;

use proto::Struct;
use proto::flagd::sync::v1::{
    FetchAllFlagsRequest, FetchAllFlagsResponse, GetMetadataRequest, GetMetadataResponse, SyncFlagsRequest,
    SyncFlagsResponse, flag_sync_service_server::FlagSyncService,
};
use tonic::{Request, Response, Status};

use super::follow::Messages;
use super::{Handler, convert};

/// The service.
pub(super) struct Service {
    handler: Handler,
    context: Arc<Struct>,
}

impl Service {
    pub(super) fn new(handler: Handler) -> Self {
        let context = Arc::new(convert::context(&handler.parts.context));
        Self { handler, context }
    }
}

#[tonic::async_trait]
#[allow(deprecated, reason = "clients still send the selector in the message")]
impl FlagSyncService for Service {
    type SyncFlagsStream = Messages<SyncFlagsResponse>;

    async fn sync_flags(
        &self,
        request: Request<SyncFlagsRequest>,
    ) -> Result<Response<Self::SyncFlagsStream>, Status> {
        let (metadata, _, request) = request.into_parts();
        let headers = metadata.into_headers();
        let follower = self.handler.follow(&headers, &request.selector, &request.provider_id).await?;
        let context = Arc::clone(&self.context);
        Ok(Response::new(follower.messages(move |document| convert::version(document, &context))))
    }

    async fn fetch_all_flags(
        &self,
        request: Request<FetchAllFlagsRequest>,
    ) -> Result<Response<FetchAllFlagsResponse>, Status> {
        let (metadata, _, request) = request.into_parts();
        let document = self.handler.fetch(&metadata.into_headers(), &request.selector).await?;
        Ok(Response::new(FetchAllFlagsResponse { flag_configuration: document.text }))
    }

    async fn get_metadata(
        &self,
        _: Request<GetMetadataRequest>,
    ) -> Result<Response<GetMetadataResponse>, Status> {
        if self.handler.parts.disable_metadata {
            return Err(Status::unimplemented("metadata endpoint disabled"));
        }
        self.handler.opened().await?;
        Ok(Response::new(GetMetadataResponse { metadata: Some(Struct::clone(&self.context)) }))
    }
}
