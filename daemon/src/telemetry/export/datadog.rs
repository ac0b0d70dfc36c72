//! Traces in the protocol of a Datadog agent (its port 8126).

#![allow(
    deprecated,
    reason = "upstream has ended the crate in favour of OTLP; agents without an OTLP receiver need it"
)]

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use opentelemetry::Context;
use opentelemetry::propagation::{Extractor, TextMapPropagator};
use opentelemetry_datadog::{ApiVersion, DatadogExporter, DatadogPropagator, new_pipeline};
use opentelemetry_http::{HttpClient, HttpError};
use tokio::runtime::Handle;

use crate::config::Datadog;

/// How long the agent may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// The largest answer that is read: sampling rates by service.
const ANSWER: usize = 1 << 20;

/// The exporter to `agent`, sending from `runtime`.
///
/// # Errors
/// The agent's address is none.
pub(super) fn exporter(agent: &Datadog, runtime: Handle) -> Result<DatadogExporter, String> {
    let client = Agent { client: Client::builder(TokioExecutor::new()).build_http(), runtime };
    let mut pipeline = new_pipeline()
        .with_http_client(client)
        .with_agent_endpoint(&agent.url)
        .with_api_version(ApiVersion::Version05)
        .with_service_name(&agent.service)
        .with_version(&agent.version);
    if let Some(env) = &agent.env {
        pipeline = pipeline.with_env(env);
    }
    pipeline.build_exporter().map_err(|error| format!("the Datadog agent at {}: {error}", agent.url))
}

/// The trace that Datadog's own headers name.
pub(super) fn extract(headers: &dyn Extractor) -> Context {
    DatadogPropagator::default().extract(headers)
}

/// Sends requests from the runtime, whatever thread asks for it.
struct Agent {
    client: Client<HttpConnector, Full<Bytes>>,
    runtime: Handle,
}

impl fmt::Debug for Agent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Agent").finish_non_exhaustive()
    }
}

#[async_trait]
impl HttpClient for Agent {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let client = self.client.clone();
        let sent = self.runtime.spawn(async move {
            let exchange = async {
                let (head, body) = client.request(request.map(Full::new)).await?.into_parts();
                let body = Limited::new(body, ANSWER).collect().await?;
                Ok::<_, HttpError>(Response::from_parts(head, body.to_bytes()))
            };
            tokio::time::timeout(PATIENCE, exchange).await.map_err(HttpError::from)?
        });
        sent.await?
    }
}
