//! `sync.v1`, the first form, which flagd-proxy served.

use proto::sync::v1::{
    FetchAllFlagsRequest, FetchAllFlagsResponse, SyncFlagsRequest, SyncFlagsResponse,
    flag_sync_service_server::FlagSyncService,
};
use tonic::{Request, Response, Status};

use super::follow::Messages;
use super::{Handler, convert};

/// The service.
pub(super) struct Service(pub(super) Handler);

#[tonic::async_trait]
impl FlagSyncService for Service {
    type SyncFlagsStream = Messages<SyncFlagsResponse>;

    async fn sync_flags(
        &self,
        request: Request<SyncFlagsRequest>,
    ) -> Result<Response<Self::SyncFlagsStream>, Status> {
        let (metadata, _, request) = request.into_parts();
        let follower =
            self.0.follow(&metadata.into_headers(), &request.selector, &request.provider_id).await?;
        Ok(Response::new(follower.messages(convert::legacy_version)))
    }

    async fn fetch_all_flags(
        &self,
        request: Request<FetchAllFlagsRequest>,
    ) -> Result<Response<FetchAllFlagsResponse>, Status> {
        let (metadata, _, request) = request.into_parts();
        let document = self.0.fetch(&metadata.into_headers(), &request.selector).await?;
        Ok(Response::new(FetchAllFlagsResponse { flag_configuration: document.text }))
    }
}
