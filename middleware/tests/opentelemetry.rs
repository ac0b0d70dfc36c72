//! The OpenTelemetry hook, seen through exporters that keep what they are given.

#![allow(clippy::expect_used, clippy::panic)]

mod echo;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use hoist_middleware::hooks::{EventOptions, OpenTelemetryHook};
use open_feature::{Client, EvaluationContext};
use opentelemetry::logs::AnyValue;
use opentelemetry::trace::{TraceContextExt, Tracer, TracerProvider};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::logs::{InMemoryLogExporter, SdkLoggerProvider};
use opentelemetry_sdk::metrics::data::{AggregatedMetrics, MetricData, ResourceMetrics};
use opentelemetry_sdk::metrics::{InMemoryMetricExporter, PeriodicReader, SdkMeterProvider};
use opentelemetry_sdk::trace::{InMemorySpanExporter, SdkTracerProvider};
use tracing_subscriber::prelude::*;

type Event = (String, BTreeMap<String, String>);
type Sum = (i64, BTreeMap<String, String>);

fn logs() -> (SdkLoggerProvider, InMemoryLogExporter) {
    let exporter = InMemoryLogExporter::default();
    (SdkLoggerProvider::builder().with_simple_exporter(exporter.clone()).build(), exporter)
}

fn spans() -> (SdkTracerProvider, InMemorySpanExporter) {
    let exporter = InMemorySpanExporter::default();
    (SdkTracerProvider::builder().with_simple_exporter(exporter.clone()).build(), exporter)
}

fn events(exporter: &InMemoryLogExporter) -> Vec<Event> {
    let told = exporter.get_emitted_logs().expect("logs").into_iter().map(|log| {
        let attributes = log.record.attributes_iter().map(|(key, value)| {
            let value = match value {
                AnyValue::String(text) => text.to_string(),
                other => format!("{other:?}"),
            };
            (key.to_string(), value)
        });
        (log.record.event_name().expect("a name").to_owned(), attributes.collect())
    });
    told.collect()
}

fn expected(name: &str, attributes: &[(&str, &str)]) -> Event {
    (
        name.to_owned(),
        attributes.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect(),
    )
}

async fn client(name: &str, hook: OpenTelemetryHook) -> Client {
    echo::client(name).await.with_hook(hook)
}

#[tokio::test]
async fn every_evaluation_is_one_event() {
    let (provider, exporter) = logs();
    let client = client("otel-logs", OpenTelemetryHook::new().with_logs(&provider)).await;
    let user = EvaluationContext::default().with_targeting_key("someone");
    assert!(client.get_bool_value("on", Some(&user), None).await.expect("a value"));
    client.get_bool_value("off", Some(&user), None).await.expect_err("no flag");
    let told = events(&exporter);
    let success = expected(
        "feature_flag.evaluation",
        &[
            ("feature_flag.key", "on"),
            ("feature_flag.provider.name", "echo"),
            ("feature_flag.result.reason", "targeting_match"),
            ("feature_flag.result.variant", "yes"),
            ("feature_flag.set.id", "s"),
            ("feature_flag.version", "3"),
        ],
    );
    let exception = expected(
        "exception",
        &[
            ("exception.message", "no such flag"),
            ("exception.type", "flag_not_found"),
            ("feature_flag.key", "off"),
        ],
    );
    let failure = expected(
        "feature_flag.evaluation",
        &[
            ("error.type", "flag_not_found"),
            ("feature_flag.error.message", "no such flag"),
            ("feature_flag.key", "off"),
            ("feature_flag.provider.name", "echo"),
            ("feature_flag.result.reason", "error"),
        ],
    );
    assert_eq!(told, [success, exception, failure]);
}

#[tokio::test]
async fn a_disabled_flag_is_no_failure() {
    let (provider, exporter) = logs();
    let client = client("otel-disabled", OpenTelemetryHook::new().with_logs(&provider)).await;
    client.get_bool_value("disabled", None, None).await.expect_err("the caller's default stands");
    let event = expected(
        "feature_flag.evaluation",
        &[
            ("feature_flag.key", "disabled"),
            ("feature_flag.provider.name", "echo"),
            ("feature_flag.result.reason", "disabled"),
        ],
    );
    assert_eq!(events(&exporter), [event]);
}

#[tokio::test]
async fn options_say_what_is_told() {
    let (provider, exporter) = logs();
    let options = EventOptions::default()
        .include_value(true)
        .include_context_id(true)
        .max_value_length(20)
        .should_redact(|key, _| key == "secret")
        .attribute_mapper(|metadata| {
            let owner = metadata.values.contains_key("owner");
            vec![KeyValue::new("app.owned", owner), KeyValue::new("feature_flag.set.id", "mapped")]
        })
        .exclude_attributes(["feature_flag.provider.name", "feature_flag.version"])
        .error_message_alias(true)
        .exclude_exceptions(true)
        .event_mutator(|event| {
            event.attributes.retain(|attribute| attribute.key.as_str() != "feature_flag.set.id")
        });
    let client =
        client("otel-options", OpenTelemetryHook::new().with_logs(&provider).with_options(options)).await;
    let user = EvaluationContext::default().with_targeting_key("u");
    for key in ["on", "off"] {
        drop(client.get_bool_value(key, Some(&user), None).await);
    }
    for (key, user) in [("short", "u"), ("secret", "u"), ("long", "someone-with-a-long-name")] {
        let user = EvaluationContext::default().with_targeting_key(user);
        client.get_string_value(key, Some(&user), None).await.expect("a value");
    }
    let told: Vec<_> = events(&exporter).into_iter().map(|(_, attributes)| attributes).collect();
    let get = |at: usize, name: &str| told.get(at).and_then(|event| event.get(name)).map(String::as_str);
    assert_eq!(told.len(), 5, "no exception among {told:?}");
    assert_eq!(get(0, "feature_flag.result.value"), Some("Boolean(true)"));
    assert_eq!(get(0, "feature_flag.context.id"), Some("u"));
    assert_eq!(get(0, "app.owned"), Some("Boolean(true)"));
    for absent in ["feature_flag.provider.name", "feature_flag.version", "feature_flag.set.id"] {
        assert_eq!(get(0, absent), None);
    }
    assert_eq!(get(1, "error.message"), Some("no such flag"));
    assert_eq!(get(1, "feature_flag.error.message"), Some("no such flag"));
    assert_eq!(get(2, "feature_flag.result.value"), Some("u/"));
    assert_eq!(get(3, "feature_flag.result.value"), Some("<redacted>"));
    assert_eq!(get(4, "feature_flag.result.value"), Some("<redacted>"));
}

#[tokio::test]
async fn a_function_that_panics_fails_no_evaluation() {
    let (provider, exporter) = logs();
    let options = EventOptions::default()
        .include_value(true)
        .should_redact(|_, _| panic!("redact"))
        .attribute_mapper(|_| panic!("mapper"))
        .event_mutator(|_| panic!("mutator"));
    let client =
        client("otel-panic", OpenTelemetryHook::new().with_logs(&provider).with_options(options)).await;
    assert!(client.get_bool_value("on", None, None).await.expect("a value"));
    let told = events(&exporter);
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].1["feature_flag.key"], "on");
    assert_eq!(told[0].1["feature_flag.result.value"], "<redacted>");
}

#[tokio::test]
async fn span_events_go_to_the_current_span() {
    let (provider, exporter) = spans();
    let (log_provider, log_exporter) = logs();
    let hook = OpenTelemetryHook::new().with_span_events().with_logs(&log_provider);
    let client = client("otel-spans", hook).await;
    client.get_bool_value("on", None, None).await.expect("without a span nothing is lost");
    let span = provider.tracer("test").start("request");
    let context = Context::new().with_span(span);
    let id = context.span().span_context().span_id();
    let guard = context.attach();
    client.get_bool_value("on", None, None).await.expect("a value");
    client.get_bool_value("off", None, None).await.expect_err("no flag");
    drop(guard);
    let told = exporter.get_finished_spans().expect("spans");
    let names: Vec<_> = told[0].events.iter().map(|event| event.name.to_string()).collect();
    assert_eq!(names, ["feature_flag.evaluation", "exception", "feature_flag.evaluation"]);
    assert!(told[0].events[0].attributes.contains(&KeyValue::new("feature_flag.result.variant", "yes")));
    let logs = log_exporter.get_emitted_logs().expect("logs");
    assert!(logs[0].record.trace_context().is_none());
    assert_eq!(logs[1].record.trace_context().expect("a span").span_id, id);
}

#[tokio::test]
async fn spans_of_tracing_are_found_whether_current_or_not() {
    for activation in [true, false] {
        let (provider, exporter) = spans();
        let layer = tracing_opentelemetry::layer()
            .with_tracer(provider.tracer("test"))
            .with_context_activation(activation);
        let guard = tracing::subscriber::set_default(tracing_subscriber::registry().with(layer));
        let client = client("otel-tracing", OpenTelemetryHook::new().with_span_events()).await;
        let span = tracing::info_span!("request");
        let evaluation = async { client.get_bool_value("on", None, None).await };
        tracing::Instrument::instrument(evaluation, span.clone()).await.expect("a value");
        drop((span, guard));
        let told = exporter.get_finished_spans().expect("spans");
        assert_eq!(told.len(), 1, "activation {activation}");
        assert_eq!(told[0].events.len(), 1, "activation {activation}");
    }
}

#[tokio::test]
async fn tracing_events_carry_the_attributes_as_fields() {
    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);
    impl std::io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().expect("a lock").extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let lines = Lines::default();
    let writer = lines.clone();
    let subscriber = tracing_subscriber::fmt().json().with_writer(move || writer.clone()).finish();
    let guard = tracing::subscriber::set_default(subscriber);
    let client = client("otel-events", OpenTelemetryHook::new().with_tracing_events()).await;
    client.get_bool_value("on", None, None).await.expect("a value");
    drop(guard);
    let bytes = lines.0.lock().expect("a lock").clone();
    let line: serde_json::Value = serde_json::from_slice(&bytes).expect("one line");
    assert_eq!(line["target"], "feature_flag");
    assert_eq!(line["fields"]["feature_flag.key"], "on");
    assert_eq!(line["fields"]["feature_flag.result.variant"], "yes");
    assert_eq!(line["fields"].get("error.type"), None);
}

fn sums(metrics: &[ResourceMetrics]) -> BTreeMap<String, Vec<Sum>> {
    let points = |attributes: &mut dyn Iterator<Item = &KeyValue>| {
        attributes.map(|attribute| (attribute.key.to_string(), attribute.value.to_string())).collect()
    };
    let mut sums = BTreeMap::new();
    let last = metrics.last().expect("a collection");
    for metric in last.scope_metrics().flat_map(|scope| scope.metrics()) {
        let mut data: Vec<Sum> = match metric.data() {
            AggregatedMetrics::U64(MetricData::Sum(sum)) => {
                let value = |value: u64| i64::try_from(value).expect("small");
                sum.data_points()
                    .map(|point| (value(point.value()), points(&mut point.attributes())))
                    .collect()
            }
            AggregatedMetrics::I64(MetricData::Sum(sum)) => {
                sum.data_points().map(|point| (point.value(), points(&mut point.attributes()))).collect()
            }
            other => panic!("{other:?}"),
        };
        data.sort();
        sums.insert(metric.name().to_owned(), data);
    }
    sums
}

#[tokio::test]
async fn evaluations_are_counted() {
    let exporter = InMemoryMetricExporter::default();
    let provider =
        SdkMeterProvider::builder().with_reader(PeriodicReader::builder(exporter.clone()).build()).build();
    let client = client("otel-metrics", OpenTelemetryHook::new().with_metrics(&provider)).await;
    for key in ["on", "on", "off"] {
        drop(client.get_bool_value(key, None, None).await);
    }
    provider.force_flush().expect("a collection");
    let sums = sums(&exporter.get_finished_metrics().expect("metrics"));
    let counts = |name: &str| -> Vec<i64> { sums[name].iter().map(|(count, _)| *count).collect() };
    assert_eq!(counts("feature_flag.evaluation_requests_total"), [1, 2]);
    assert_eq!(counts("feature_flag.evaluation_active_count"), [0, 0]);
    let (count, attributes) = &sums["feature_flag.evaluation_success_total"][0];
    assert_eq!((*count, &*attributes["feature_flag.result.variant"]), (2, "yes"));
    assert_eq!(attributes["feature_flag.result.reason"], "targeting_match");
    let (count, attributes) = &sums["feature_flag.evaluation_error_total"][0];
    assert_eq!((*count, &*attributes["error.type"]), (1, "flag_not_found"));
}
