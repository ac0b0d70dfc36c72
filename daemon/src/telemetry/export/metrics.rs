//! Metrics in OTLP: the families that `/metrics` shows, under OpenTelemetry's names, pushed at an interval.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_client::MetricsServiceClient;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value};
use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality, Gauge, Histogram, HistogramDataPoint, Metric, NumberDataPoint, ResourceMetrics,
    ScopeMetrics, Sum, metric, number_data_point,
};
use opentelemetry_proto::tonic::resource::v1::Resource;

use super::{Collector, names};
use crate::telemetry::exposition::{Exposition, Family, Kind, Measured, Sample};

/// How long one push may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// The metric that Prometheus has in place of a resource.
const TARGET: &str = "target_info";

/// Pushes what `collect` gives, every `interval` and once more when `last` is over. Failures are logged, the first of a row
/// as a warning.
pub async fn push(
    collector: Collector,
    resource: Vec<(String, String)>,
    interval: Duration,
    clock: fn() -> SystemTime,
    collect: impl Fn() -> Exposition,
    last: impl Future<Output = ()>,
) {
    let began = clock();
    let mut failing = false;
    let mut last = std::pin::pin!(last);
    loop {
        let is_over = tokio::select! {
            () = &mut last => true,
            () = tokio::time::sleep(interval) => false,
        };
        let request = request(collect().families(), &resource, began, clock());
        match tokio::time::timeout(PATIENCE, send(&collector, request)).await {
            Ok(Ok(())) => failing = false,
            outcome => {
                let error = outcome
                    .map_or_else(|_| "no answer in time".to_owned(), |sent| sent.err().unwrap_or_default());
                if std::mem::replace(&mut failing, true) {
                    tracing::debug!(error, "metrics do not reach the collector");
                } else {
                    tracing::warn!(error, "metrics do not reach the collector; trying again every interval");
                }
            }
        }
        if is_over {
            return;
        }
    }
}

async fn send(collector: &Collector, request: ExportMetricsServiceRequest) -> Result<(), String> {
    let mut client = MetricsServiceClient::new(collector.channel()?);
    client.export(collector.request(request)?).await.map(drop).map_err(|status| status.to_string())
}

fn request(
    families: &[Family],
    resource: &[(String, String)],
    began: SystemTime,
    now: SystemTime,
) -> ExportMetricsServiceRequest {
    let span = (nanos(began), nanos(now));
    let metrics = families.iter().filter(|family| family.name != TARGET && !family.samples.is_empty());
    let scope = InstrumentationScope {
        name: env!("CARGO_PKG_NAME").to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        ..Default::default()
    };
    let scope_metrics = ScopeMetrics {
        scope: Some(scope),
        metrics: metrics.map(|family| metric(family, span)).collect(),
        ..Default::default()
    };
    let attributes = resource.iter().map(|(name, value)| key_value(name, value)).collect();
    let resource = Resource { attributes, ..Default::default() };
    ExportMetricsServiceRequest {
        resource_metrics: vec![ResourceMetrics {
            resource: Some(resource),
            scope_metrics: vec![scope_metrics],
            ..Default::default()
        }],
    }
}

fn metric(family: &Family, span: (u64, u64)) -> Metric {
    let (name, unit) = names::metric(family.name);
    let numbers = || family.samples.iter().filter_map(|sample| number(sample, span)).collect();
    let cumulative = AggregationTemporality::Cumulative.into();
    let data = match family.kind {
        Kind::Counter => metric::Data::Sum(Sum {
            data_points: numbers(),
            aggregation_temporality: cumulative,
            is_monotonic: true,
        }),
        Kind::Gauge => metric::Data::Gauge(Gauge { data_points: numbers() }),
        Kind::Histogram => metric::Data::Histogram(Histogram {
            data_points: family.samples.iter().filter_map(|sample| histogram(sample, span)).collect(),
            aggregation_temporality: cumulative,
        }),
    };
    Metric {
        name: name.to_owned(),
        description: family.help.clone(),
        unit: unit.to_owned(),
        data: Some(data),
        ..Default::default()
    }
}

/// A number's data point; nothing for what is no finite number.
fn number(sample: &Sample, (began, now): (u64, u64)) -> Option<NumberDataPoint> {
    let Measured::Number(text) = &sample.value else { return None };
    let value = match text.parse::<i64>() {
        Ok(whole) => number_data_point::Value::AsInt(whole),
        Err(_) => number_data_point::Value::AsDouble(text.parse().ok().filter(|n: &f64| n.is_finite())?),
    };
    Some(NumberDataPoint {
        attributes: attributes(sample),
        start_time_unix_nano: began,
        time_unix_nano: now,
        value: Some(value),
        ..Default::default()
    })
}

fn histogram(sample: &Sample, (began, now): (u64, u64)) -> Option<HistogramDataPoint> {
    let Measured::Histogram { bounds, counts, sum } = &sample.value else { return None };
    Some(HistogramDataPoint {
        attributes: attributes(sample),
        start_time_unix_nano: began,
        time_unix_nano: now,
        count: counts.iter().sum(),
        sum: Some(*sum),
        bucket_counts: counts.clone(),
        explicit_bounds: bounds.clone(),
        ..Default::default()
    })
}

fn attributes(sample: &Sample) -> Vec<KeyValue> {
    let named = sample.labels.iter().filter_map(|(label, value)| Some((names::attribute(label)?, value)));
    named.map(|(name, value)| key_value(name, value)).collect()
}

fn key_value(name: &str, value: &str) -> KeyValue {
    let value = AnyValue { value: Some(any_value::Value::StringValue(value.to_owned())) };
    KeyValue { key: name.to_owned(), value: Some(value), ..Default::default() }
}

fn nanos(at: SystemTime) -> u64 {
    at.duration_since(UNIX_EPOCH).map_or(0, |since| u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_become_metrics_under_the_names_of_opentelemetry() {
        let mut out = Exposition::default();
        out.family("feature_flag_flagd_impression_total", Kind::Counter, "Help.")
            .sample(&[("feature_flag_key", "a"), ("service_name", "flagd")], 7);
        out.family("hoistd_ready", Kind::Gauge, "Help.").sample(&[], 0.5);
        out.family("http_server_request_duration_seconds", Kind::Histogram, "Help.").histogram(
            &[("http_route", "/x")],
            &[0.5, 1.0],
            &[1, 2, 3],
            4.5,
        );
        out.family("target_info", Kind::Gauge, "Help.").sample(&[], 1);
        let now = UNIX_EPOCH + Duration::from_secs(2);
        let resource = [("service.name".to_owned(), "flagd".to_owned())];
        let request = request(out.families(), &resource, UNIX_EPOCH + Duration::from_secs(1), now);
        let metrics = &request.resource_metrics[0].scope_metrics[0].metrics;
        let names: Vec<_> = metrics.iter().map(|metric| (&*metric.name, &*metric.unit)).collect();
        assert_eq!(
            names,
            [
                ("feature_flag.flagd.impression", "{count}"),
                ("hoistd_ready", ""),
                ("http.server.request.duration", "s")
            ]
        );
        let Some(metric::Data::Sum(sum)) = &metrics[0].data else { panic!("a counter is a sum") };
        let point = &sum.data_points[0];
        assert_eq!(point.value, Some(number_data_point::Value::AsInt(7)));
        assert_eq!(point.attributes, [key_value("feature_flag.key", "a")]);
        assert_eq!((point.start_time_unix_nano, point.time_unix_nano), (1_000_000_000, 2_000_000_000));
        let Some(metric::Data::Histogram(histogram)) = &metrics[2].data else { panic!("a histogram") };
        assert_eq!((histogram.data_points[0].count, histogram.data_points[0].sum), (6, Some(4.5)));
        assert_eq!(histogram.data_points[0].bucket_counts, [1, 2, 3]);
    }
}
