//! `sync.v1`, the first form.

use proto::sync::v1::{
    FetchAllFlagsRequest, FetchAllFlagsResponse, SyncFlagsRequest, SyncFlagsResponse,
    flag_sync_service_server::FlagSyncService,
};
use tonic::{Request, Response, Status};

use super::follow::Messages;
use super::{Proxy, convert};

/// The service.
pub(super) struct Service(pub(super) Proxy);

#[tonic::async_trait]
impl FlagSyncService for Service {
    type SyncFlagsStream = Messages<SyncFlagsResponse>;

    async fn sync_flags(
        &self,
        request: Request<SyncFlagsRequest>,
    ) -> Result<Response<Self::SyncFlagsStream>, Status> {
        let request = request.into_inner();
        let follower = self.0.follow(&request.selector, &request.provider_id).await?;
        Ok(Response::new(follower.messages(convert::legacy_version)))
    }

    async fn fetch_all_flags(
        &self,
        request: Request<FetchAllFlagsRequest>,
    ) -> Result<Response<FetchAllFlagsResponse>, Status> {
        let flag_configuration = self.0.fetch(&request.into_inner().selector).await?;
        Ok(Response::new(FetchAllFlagsResponse { flag_configuration }))
    }
}
