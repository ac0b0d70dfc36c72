//! `flagd.sync.v1`.

use proto::flagd::sync::v1::{
    FetchAllFlagsRequest, FetchAllFlagsResponse, GetMetadataRequest, GetMetadataResponse, SyncFlagsRequest,
    SyncFlagsResponse, flag_sync_service_server::FlagSyncService,
};
use tonic::{Request, Response, Status};

use super::follow::Messages;
use super::{Proxy, convert};

/// The service.
pub(super) struct Service(pub(super) Proxy);

#[tonic::async_trait]
#[allow(deprecated, reason = "the target is what clients send in the message's selector")]
impl FlagSyncService for Service {
    type SyncFlagsStream = Messages<SyncFlagsResponse>;

    async fn sync_flags(
        &self,
        request: Request<SyncFlagsRequest>,
    ) -> Result<Response<Self::SyncFlagsStream>, Status> {
        let request = request.into_inner();
        let follower = self.0.follow(&request.selector, &request.provider_id).await?;
        Ok(Response::new(follower.messages(convert::version)))
    }

    async fn fetch_all_flags(
        &self,
        request: Request<FetchAllFlagsRequest>,
    ) -> Result<Response<FetchAllFlagsResponse>, Status> {
        let flag_configuration = self.0.fetch(&request.into_inner().selector).await?;
        Ok(Response::new(FetchAllFlagsResponse { flag_configuration }))
    }

    async fn get_metadata(
        &self,
        _: Request<GetMetadataRequest>,
    ) -> Result<Response<GetMetadataResponse>, Status> {
        Err(Status::unimplemented("a proxy has no metadata of its own"))
    }
}
