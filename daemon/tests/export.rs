//! Telemetry that is sent away, received by collectors and agents of our own.
#![cfg(feature = "otel")]
#![allow(clippy::expect_used, clippy::panic)]

mod process;

use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_server::{
    MetricsService, MetricsServiceServer,
};
use opentelemetry_proto::tonic::collector::metrics::v1::{
    ExportMetricsServiceRequest, ExportMetricsServiceResponse,
};
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value};
use opentelemetry_proto::tonic::metrics::v1::{metric, number_data_point};
use opentelemetry_proto::tonic::trace::v1::Span;
use process::Daemon;
use serde_json::json;
use tokio::net::TcpListener;
use tonic::{Request, Response, Status};

const PATIENCE: Duration = Duration::from_secs(60);

/// What reached the collector: metadata `api-key`, and the message.
struct Collector {
    port: u16,
    metrics: Receiver<(String, ExportMetricsServiceRequest)>,
    traces: Receiver<(String, ExportTraceServiceRequest)>,
    _runtime: tokio::runtime::Runtime,
}

struct Inbox<T>(Sender<(String, T)>);

impl<T> Inbox<T> {
    fn take(&self, request: Request<T>) {
        let key = request.metadata().get("api-key").and_then(|value| value.to_str().ok()).unwrap_or_default();
        // The test may be over.
        let _ = self.0.send((key.to_owned(), request.into_inner()));
    }
}

#[tonic::async_trait]
impl MetricsService for Inbox<ExportMetricsServiceRequest> {
    async fn export(
        &self,
        request: Request<ExportMetricsServiceRequest>,
    ) -> Result<Response<ExportMetricsServiceResponse>, Status> {
        self.take(request);
        Ok(Response::new(Default::default()))
    }
}

#[tonic::async_trait]
impl TraceService for Inbox<ExportTraceServiceRequest> {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        self.take(request);
        Ok(Response::new(Default::default()))
    }
}

fn collector() -> Collector {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let runtime = runtime.expect("a runtime");
    let (to_metrics, metrics) = channel();
    let (to_traces, traces) = channel();
    let listener = runtime.block_on(TcpListener::bind(("127.0.0.1", 0))).expect("a port");
    let port = listener.local_addr().expect("an address").port();
    runtime.spawn(
        tonic::transport::Server::builder()
            .add_service(MetricsServiceServer::new(Inbox(to_metrics)))
            .add_service(TraceServiceServer::new(Inbox(to_traces)))
            .serve_with_incoming(tokio_stream::wrappers::TcpListenerStream::new(listener)),
    );
    Collector { port, metrics, traces, _runtime: runtime }
}

/// A daemon with one flag, `f`.
fn daemon(directory: &tempfile::TempDir, environment: &[(&str, &str)]) -> Daemon {
    let path = directory.path().join("flags.json");
    let flag = json!({"state": "ENABLED", "defaultVariant": "on", "variants": {"on": true}});
    std::fs::write(&path, json!({"flags": {"f": flag}}).to_string()).expect("written");
    let uri = format!("file:{}", path.display());
    let words =
        ["start", "-p", "0", "-m", "0", "-g", "0", "-r", "0", "--log-format", "json", "-f", uri.as_str()];
    Daemon::launch(&words, environment, "ready")
}

fn evaluate(daemon: &Daemon, key: &str) {
    let path = "/flagd.evaluation.v1.Service/ResolveBoolean";
    daemon.client("evaluation").post(path, &json!({"flagKey": key}));
}

fn text(attributes: &[KeyValue], name: &str) -> Option<String> {
    let value = attributes.iter().find(|pair| pair.key == name)?.value.clone()?.value?;
    match value {
        any_value::Value::StringValue(text) => Some(text),
        any_value::Value::IntValue(number) => Some(number.to_string()),
        _ => None,
    }
}

#[test]
fn a_collector_gets_metrics_and_one_span_per_request() {
    let collector = collector();
    let directory = tempfile::tempdir().expect("a directory");
    let endpoint = format!("http://127.0.0.1:{}", collector.port);
    let daemon = daemon(
        &directory,
        &[
            ("FLAGD_METRICS_EXPORTER", "otel"),
            ("FLAGD_OTEL_COLLECTOR_URI", &endpoint),
            ("OTEL_METRIC_EXPORT_INTERVAL", "100"),
            ("OTEL_BSP_SCHEDULE_DELAY", "100"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "api-key=k1"),
            ("OTEL_RESOURCE_ATTRIBUTES", "team=checkout"),
        ],
    );
    let mut client = daemon.client("evaluation");
    client.post("/flagd.evaluation.v1.Service/ResolveBoolean", &json!({"flagKey": "f"}));
    evaluate(&daemon, "none");

    let mut impressions = None;
    while impressions.is_none() {
        let (key, request) = collector.metrics.recv_timeout(PATIENCE).expect("metrics come");
        assert_eq!(key, "k1");
        let resource = &request.resource_metrics[0];
        let attributes = &resource.resource.as_ref().expect("a resource").attributes;
        assert_eq!(text(attributes, "service.name").as_deref(), Some("flagd"));
        assert_eq!(text(attributes, "team").as_deref(), Some("checkout"));
        let metrics = &resource.scope_metrics[0].metrics;
        impressions = metrics.iter().find(|metric| metric.name == "feature_flag.flagd.impression").cloned();
    }
    let Some(metric::Data::Sum(sum)) = impressions.and_then(|metric| metric.data) else { panic!("a sum") };
    assert_eq!(sum.data_points[0].value, Some(number_data_point::Value::AsInt(1)));
    assert_eq!(text(&sum.data_points[0].attributes, "feature_flag.key").as_deref(), Some("f"));

    let mut spans: Vec<Span> = Vec::new();
    while spans.len() < 2 {
        let (key, request) = collector.traces.recv_timeout(PATIENCE).expect("spans come");
        assert_eq!(key, "k1");
        spans.extend(request.resource_spans.into_iter().flat_map(|r| r.scope_spans).flat_map(|s| s.spans));
    }
    let [found, missing] = &spans[..] else { panic!("two requests, {} spans", spans.len()) };
    assert_eq!(found.name, "resolveBoolean");
    let said = |span: &Span, name: &str| text(&span.attributes, name);
    assert_eq!(said(found, "feature_flag.key").as_deref(), Some("f"));
    assert_eq!(said(found, "feature_flag.result.variant").as_deref(), Some("on"));
    assert_eq!(said(found, "feature_flag.result.reason").as_deref(), Some("static"));
    assert_eq!(said(found, "http.response.status_code").as_deref(), Some("200"));
    assert_eq!(said(missing, "error.type").as_deref(), Some("flag_not_found"));
}

#[test]
fn a_collector_that_is_away_costs_no_answer_and_no_shutdown() {
    let directory = tempfile::tempdir().expect("a directory");
    let endpoint = [("FLAGD_OTEL_COLLECTOR_URI", "127.0.0.1:1"), ("OTEL_METRICS_EXPORTER", "otlp")];
    let daemon = daemon(&directory, &[&endpoint[..], &[("OTEL_METRIC_EXPORT_INTERVAL", "50")]].concat());
    let (status, _) = daemon
        .client("evaluation")
        .post("/flagd.evaluation.v1.Service/ResolveBoolean", &json!({"flagKey": "f"}));
    assert_eq!(status, 200);
    daemon.signal("TERM");
    assert_eq!(daemon.end().0.code(), Some(0));
}

#[cfg(feature = "datadog")]
#[test]
fn a_datadog_agent_gets_spans_in_its_own_protocol() {
    use std::io::{Read, Write};

    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let directory = tempfile::tempdir().expect("a directory");
    let daemon = daemon(
        &directory,
        &[
            ("DD_TRACE_AGENT_URL", &url),
            ("DD_SERVICE", "flags"),
            ("DD_ENV", "prod"),
            ("OTEL_BSP_SCHEDULE_DELAY", "100"),
        ],
    );
    evaluate(&daemon, "f");
    let (mut stream, _) = listener.accept().expect("the daemon calls");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    let mut got = Vec::new();
    let mut chunk = [0; 4096];
    let holds = |got: &[u8], text: &str| got.windows(text.len()).any(|window| window == text.as_bytes());
    while !holds(&got, "resolveBoolean") || !holds(&got, "prod") {
        let read = stream.read(&mut chunk).expect("spans come");
        assert!(read > 0, "the request ended early: {}", String::from_utf8_lossy(&got));
        got.extend_from_slice(&chunk[..read]);
    }
    stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}").expect("answered");
    let head = String::from_utf8_lossy(&got).to_lowercase();
    assert!(head.contains(" /v0.5/traces http/1.1"), "{head}");
    assert!(holds(&got, "flags"));
}
