//! The Datadog hook, seen through exporters that keep what they are given.

#![allow(clippy::expect_used, clippy::panic)]

mod echo;

use hoist_middleware::hooks::DatadogHook;
use opentelemetry::trace::{TraceContextExt, Tracer, TracerProvider};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::metrics::data::{AggregatedMetrics, MetricData};
use opentelemetry_sdk::metrics::{InMemoryMetricExporter, PeriodicReader, SdkMeterProvider};
use opentelemetry_sdk::trace::{InMemorySpanExporter, SdkTracerProvider};

#[tokio::test]
async fn spans_are_tagged_with_variants() {
    let exporter = InMemorySpanExporter::default();
    let provider = SdkTracerProvider::builder().with_simple_exporter(exporter.clone()).build();
    let client = echo::client("dd-spans").await.with_hook(DatadogHook::new());
    let guard = Context::new().with_span(provider.tracer("test").start("request")).attach();
    client.get_bool_value("on", None, None).await.expect("a value");
    client.get_string_value("text", None, None).await.expect("a value");
    client.get_bool_value("off", None, None).await.expect_err("no flag");
    drop(guard);
    let told = exporter.get_finished_spans().expect("spans");
    let tags = [KeyValue::new("feature_flags.on", "yes"), KeyValue::new("feature_flags.text", "true")];
    assert_eq!(told[0].attributes, tags);
}

#[tokio::test]
async fn no_more_flags_are_tagged_than_datadog_takes() {
    let exporter = InMemorySpanExporter::default();
    let provider = SdkTracerProvider::builder()
        .with_max_attributes_per_span(1000)
        .with_simple_exporter(exporter.clone())
        .build();
    let client = echo::client("dd-many").await.with_hook(DatadogHook::new());
    let guard = Context::new().with_span(provider.tracer("test").start("request")).attach();
    for flag in 0..310 {
        client.get_string_value(&format!("f{flag}"), None, None).await.expect("a value");
    }
    drop(guard);
    assert_eq!(exporter.get_finished_spans().expect("spans")[0].attributes.len(), 300);
}

#[tokio::test]
async fn evaluations_are_counted_as_datadogs_graphs_read_them() {
    let exporter = InMemoryMetricExporter::default();
    let provider =
        SdkMeterProvider::builder().with_reader(PeriodicReader::builder(exporter.clone()).build()).build();
    let hook = DatadogHook::new().without_tags().with_metrics(&provider);
    let client = echo::client("dd-metrics").await.with_hook(hook);
    client.get_bool_value("on", None, None).await.expect("a value");
    client.get_bool_value("off", None, None).await.expect_err("no flag");
    provider.force_flush().expect("a collection");
    let told = exporter.get_finished_metrics().expect("metrics");
    let metric = told[0].scope_metrics().flat_map(|scope| scope.metrics()).next().expect("a metric");
    assert_eq!(metric.name(), "feature_flag.evaluations");
    let AggregatedMetrics::U64(MetricData::Sum(sum)) = metric.data() else { panic!("{metric:?}") };
    let mut points: Vec<(u64, Vec<String>)> = sum
        .data_points()
        .map(|point| {
            let mut attributes: Vec<_> = point
                .attributes()
                .map(|attribute| format!("{}={}", attribute.key, attribute.value))
                .collect();
            attributes.sort();
            (point.value(), attributes)
        })
        .collect();
    points.sort();
    let success = [
        "feature_flag.key=on",
        "feature_flag.result.allocation_key=a1",
        "feature_flag.result.reason=targeting_match",
        "feature_flag.result.variant=yes",
    ];
    let failure = ["error.type=flag_not_found", "feature_flag.key=off", "feature_flag.result.reason=error"];
    let expected = [failure.map(str::to_owned).to_vec(), success.map(str::to_owned).to_vec()];
    assert_eq!(points, expected.map(|attributes| (1, attributes)));
}
