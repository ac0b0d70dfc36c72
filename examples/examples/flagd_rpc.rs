//! A tonic service whose answers depend on flags that a daemon evaluates, and whose health is that of its flags.
//!
//! ```sh
//! cargo run -p hoistd -- demo                    # its evaluation service is on 8013
//! cargo run -p examples --example flagd_rpc
//! grpcurl -plaintext -H 'x-user: user-1' -d '{"service":"new-checkout"}' localhost:50051 grpc.health.v1.Health/Check
//! ```

use std::error::Error;
use std::pin::Pin;

use flagd::{Flagd, Options, provider};
use kit::{Handle, State};
use open_feature::{Client, EvaluationContext, OpenFeature};
use tokio_stream::{Stream, StreamExt};
use tonic::transport::Server;
use tonic::{Request, Response, Status};
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_server::{Health, HealthServer};
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};

/// Says of a "service" whether the flag of that name is on, and of none whether flags are current.
struct Flagged {
    client: Client,
    flags: Handle<Flagd>,
}

#[tonic::async_trait]
impl Health for Flagged {
    async fn check(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<HealthCheckResponse>, Status> {
        let user = request.metadata().get("x-user").and_then(|user| user.to_str().ok()).unwrap_or("nobody");
        let context = EvaluationContext::default().with_targeting_key(user);
        let on = match request.get_ref().service.as_str() {
            "" => self.flags.state() == State::Ready,
            // With the daemon gone this answers within FLAGD_DEADLINE_MS: from the cache, or with the default.
            key => self.client.get_bool_value(key, Some(&context), None).await.unwrap_or(false),
        };
        Ok(Response::new(answer(on)))
    }

    type WatchStream = Pin<Box<dyn Stream<Item = Result<HealthCheckResponse, Status>> + Send>>;

    /// Tells every change of the provider's state.
    async fn watch(&self, _: Request<HealthCheckRequest>) -> Result<Response<Self::WatchStream>, Status> {
        let answers = self.flags.events().map(|event| Ok(answer(event.state == State::Ready)));
        Ok(Response::new(Box::pin(answers)))
    }
}

fn answer(on: bool) -> HealthCheckResponse {
    let status = if on { ServingStatus::Serving } else { ServingStatus::NotServing };
    HealthCheckResponse { status: status.into() }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    // FLAGD_RESOLVER=in-process would make the same program evaluate by itself.
    let provider = provider(Options::from_env()?)?;
    let flags = provider.handle();
    OpenFeature::singleton_mut().await.set_provider(provider).await;
    let client = OpenFeature::singleton().await.create_client();
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:50051".to_owned());
    Server::builder()
        .add_service(HealthServer::new(Flagged { client, flags }))
        .serve(address.parse()?)
        .await?;
    Ok(())
}
