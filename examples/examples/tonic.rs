//! Flags in a tonic service: the health service of gRPC, which a flag can switch to not serving, user by user.
//!
//! ```sh
//! cargo run -p hoistd -- demo                    # flags, OFREP on 8016
//! cargo run -p examples --example tonic
//! grpcurl -plaintext -H 'x-user: user-1' -d '{"service":"new-checkout"}' localhost:50051 grpc.health.v1.Health/Check
//! ```

use std::error::Error;
use std::pin::Pin;
use std::sync::Arc;

use futures_util::{Stream, StreamExt};
use middleware::Mapping;
use middleware::hooks::RequestContextHook;
use middleware::layers::{Carrier, ContextLayer};
use open_feature::OpenFeature;
use tonic::transport::Server;
use tonic::{Request, Response, Status};
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_server::{Health, HealthServer};
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};

/// Says of a "service" whether the flag of that name is on.
struct Flagged(Arc<open_feature::Client>);

fn answer(on: bool) -> HealthCheckResponse {
    let status = if on { ServingStatus::Serving } else { ServingStatus::NotServing };
    HealthCheckResponse { status: status.into() }
}

#[tonic::async_trait]
impl Health for Flagged {
    /// A unary call reads the context from its request.
    async fn check(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<HealthCheckResponse>, Status> {
        let key = &request.get_ref().service;
        let on = self.0.get_bool_value(key, request.evaluation_context(), None).await.unwrap_or(false);
        Ok(Response::new(answer(on)))
    }

    type WatchStream = Pin<Box<dyn Stream<Item = Result<HealthCheckResponse, Status>> + Send>>;

    /// A stream is polled long after the handler has returned; it is still part of its request.
    async fn watch(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        let (flags, key) = (Arc::clone(&self.0), request.into_inner().service);
        let ticks = futures_util::stream::unfold((), |()| async {
            tokio::time::sleep(std::time::Duration::from_secs(1)).await;
            Some(((), ()))
        });
        let answers = ticks.then(move |()| {
            let (flags, key) = (Arc::clone(&flags), key.clone());
            async move { Ok(answer(flags.get_bool_value(&key, None, None).await.unwrap_or(false))) }
        });
        Ok(Response::new(Box::pin(answers)))
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let provider = ofrep::provider(ofrep::Options::from_env()?)?;
    OpenFeature::singleton_mut().await.set_provider(provider).await;
    let client = OpenFeature::singleton().await.create_client().with_hook(RequestContextHook::new());

    let mapping = Mapping::new()
        .targeting_key(middleware::header("x-user"))
        .attribute("email", middleware::header("x-email"))
        .attribute("method", middleware::path());

    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:50051".to_owned());
    // A layer or interceptor that verifies tokens goes before this one.
    Server::builder()
        .layer(ContextLayer::new(mapping)?)
        .add_service(HealthServer::new(Flagged(Arc::new(client))))
        .serve(address.parse()?)
        .await?;
    Ok(())
}
