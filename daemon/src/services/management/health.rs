//! gRPC health: alive as long as it answers. Readiness is what `/readyz` tells (contract 8).

use std::pin::Pin;

use futures_util::Stream;
use tokio::sync::watch;
use tonic::{Request, Response, Status};
use tonic_health::ServingStatus;
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse, health_server};

/// Knows one service, the daemon as a whole: the empty name.
#[derive(Clone, Debug)]
pub(super) struct Health {
    closing: watch::Receiver<bool>,
}

impl Health {
    pub(super) fn new(closing: watch::Receiver<bool>) -> Self {
        Self { closing }
    }
}

type Answers = Pin<Box<dyn Stream<Item = Result<HealthCheckResponse, Status>> + Send>>;

#[tonic::async_trait]
impl health_server::Health for Health {
    type WatchStream = Answers;

    async fn check(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<HealthCheckResponse>, Status> {
        known(&request)?;
        Ok(Response::new(serving(true)))
    }

    async fn watch(&self, request: Request<HealthCheckRequest>) -> Result<Response<Answers>, Status> {
        known(&request)?;
        // Serving now, not serving at the end, and nothing in between.
        let answers =
            futures_util::stream::unfold((self.closing.clone(), 0u8), |(mut closing, told)| async move {
                match told {
                    0 => Some((Ok(serving(true)), (closing, 1))),
                    1 => {
                        let _ = closing.wait_for(|closing| *closing).await;
                        Some((Ok(serving(false)), (closing, 2)))
                    }
                    _ => None,
                }
            });
        Ok(Response::new(Box::pin(answers)))
    }
}

fn known(request: &Request<HealthCheckRequest>) -> Result<(), Status> {
    if request.get_ref().service.is_empty() { Ok(()) } else { Err(Status::not_found("unknown service")) }
}

fn serving(yes: bool) -> HealthCheckResponse {
    let status = if yes { ServingStatus::Serving } else { ServingStatus::NotServing };
    HealthCheckResponse {
        status: tonic_health::pb::health_check_response::ServingStatus::from(status).into(),
    }
}
