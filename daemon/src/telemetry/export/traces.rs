//! Traces: the spans of requests, gathered into batches and sent by one exporter.

use std::fmt;
use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry::propagation::TextMapPropagator;
use opentelemetry::trace::TracerProvider;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_client::TraceServiceClient;
use opentelemetry_proto::transform::common::tonic::ResourceAttributesWithSchema;
use opentelemetry_proto::transform::trace::tonic::group_spans_by_resource_and_scope;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{SdkTracerProvider, SpanData, SpanExporter};
use tokio::runtime::Handle;
use tracing::{Metadata, Span, Subscriber};
use tracing_opentelemetry::{OpenTelemetryLayer, OpenTelemetrySpanExt};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::registry::LookupSpan;

use super::Collector;
use crate::config::{Otel, Traces};
use crate::telemetry::SPANS;

/// How long one batch may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Traces under way: where spans go, and how to send the last of them.
pub struct Tracing {
    provider: SdkTracerProvider,
}

impl fmt::Debug for Tracing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tracing").finish_non_exhaustive()
    }
}

impl Tracing {
    /// Sends traces as `otel` has it; `None` if they are sent nowhere. Call it within the runtime.
    ///
    /// # Errors
    /// The collector or the agent cannot be used as configured.
    pub fn start(otel: &Otel) -> Result<Option<Self>, String> {
        let resource = Resource::builder_empty()
            .with_attributes(
                otel.resource.iter().map(|(name, value)| KeyValue::new(name.clone(), value.clone())),
            )
            .build();
        let provider = SdkTracerProvider::builder().with_resource(resource);
        let provider = match &otel.traces {
            Traces::Off => return Ok(None),
            Traces::Collector(at) => {
                let collector = Collector::new(at, otel)?;
                provider.with_batch_exporter(Exporter {
                    collector,
                    runtime: Handle::current(),
                    resource: Default::default(),
                })
            }
            #[cfg(feature = "datadog")]
            Traces::Datadog(agent) => {
                provider.with_batch_exporter(super::datadog::exporter(agent, Handle::current())?)
            }
            #[cfg(not(feature = "datadog"))]
            Traces::Datadog(_) => {
                return Err("this build has no Datadog exporter (feature datadog)".to_owned());
            }
        };
        Ok(Some(Self { provider: provider.build() }))
    }

    /// The layer that makes traces of request spans, and of nothing else.
    pub fn layer<S>(&self) -> impl Layer<S> + use<S>
    where
        S: Subscriber + for<'span> LookupSpan<'span>,
    {
        let tracer = self.provider.tracer(env!("CARGO_PKG_NAME"));
        let layer: OpenTelemetryLayer<S, _> = tracing_opentelemetry::layer()
            .with_tracer(tracer)
            .with_location(false)
            .with_threads(false)
            .with_tracked_inactivity(false);
        layer.with_filter(filter_fn(|metadata: &Metadata<'_>| metadata.target() == SPANS))
    }

    /// Sends what has been gathered. Blocks for up to ten seconds.
    pub fn stop(&self) {
        if let Err(error) = self.provider.shutdown_with_timeout(PATIENCE) {
            tracing::warn!(%error, "the last traces were not sent");
        }
    }
}

/// Lets `span` continue the trace that the request's headers name: W3C trace context, or Datadog's own where traces go
/// there.
pub fn continue_trace(span: &Span, headers: &http::HeaderMap) {
    let extractor = Headers(headers);
    let mut context = TraceContextPropagator::new().extract(&extractor);
    #[cfg(feature = "datadog")]
    if !opentelemetry::trace::TraceContextExt::has_active_span(&context) {
        context = super::datadog::extract(&extractor);
    }
    // A span that nobody follows has no parent to set.
    let _ = span.set_parent(context);
}

struct Headers<'h>(&'h http::HeaderMap);

impl opentelemetry::propagation::Extractor for Headers<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key)?.to_str().ok()
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(http::HeaderName::as_str).collect()
    }
}

/// Sends batches to a collector from the runtime, whatever thread asks for it.
#[derive(Debug)]
struct Exporter {
    collector: Collector,
    runtime: Handle,
    resource: ResourceAttributesWithSchema,
}

impl SpanExporter for Exporter {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let resource_spans = group_spans_by_resource_and_scope(batch, &self.resource);
        let collector = self.collector.clone();
        let sent = self.runtime.spawn(async move {
            let send = async {
                let mut client = TraceServiceClient::new(collector.channel()?);
                let request = collector.request(ExportTraceServiceRequest { resource_spans })?;
                client.export(request).await.map(drop).map_err(|status| status.to_string())
            };
            tokio::time::timeout(PATIENCE, send).await.unwrap_or_else(|_| Err("no answer in time".to_owned()))
        });
        match sent.await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(OTelSdkError::InternalFailure(error)),
            Err(_) => Err(OTelSdkError::AlreadyShutdown),
        }
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.resource = resource.into();
    }
}
