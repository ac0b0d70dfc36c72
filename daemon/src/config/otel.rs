//! Where telemetry is sent: flagd's own settings, and the variables of OpenTelemetry and Datadog (contract 8.2).

use std::path::PathBuf;
use std::time::Duration;

use super::given::Places;
use super::{ConfigError, Secret, TlsPair, tls_pair};
use crate::args::Environment;

/// Where a collector is when nothing says so.
const COLLECTOR: &str = "http://localhost:4317";
/// How often metrics are pushed when nothing says so.
const INTERVAL: Duration = Duration::from_secs(60);
/// What the daemon calls itself, as flagd does: dashboards look for it.
const SERVICE: &str = "flagd";

/// Where telemetry goes beside Prometheus.
#[derive(Debug, Clone)]
pub struct Otel {
    /// Whether `metrics-exporter` asks for a collector.
    pub export_metrics: bool,
    /// `otel-collector-uri`: OTLP over gRPC.
    pub collector_uri: Option<String>,
    /// The collector that gets metrics, if one does.
    pub metrics: Option<String>,
    /// Who gets traces.
    pub traces: Traces,
    /// Certificate shown to the collector, and its key.
    pub client: Option<TlsPair>,
    /// Certificate authority of the collector.
    pub ca_path: Option<PathBuf>,
    /// How often these files are read again.
    pub reload_interval: Duration,
    /// How often metrics are pushed.
    pub interval: Duration,
    /// Sent with every request to a collector: often a key.
    pub headers: Vec<(String, Secret)>,
    /// What is said of this process: `service.name`, `service.version` and whatever the variables add.
    pub resource: Vec<(String, String)>,
    /// What was asked for and is not done, for the log.
    pub warnings: Vec<String>,
}

/// Who gets traces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Traces {
    /// Nobody.
    Off,
    /// The collector at this place.
    Collector(String),
    /// A Datadog agent.
    Datadog(Datadog),
}

/// A Datadog agent, and the unified tags of this service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Datadog {
    /// The agent's URL.
    pub url: String,
    /// `service`.
    pub service: String,
    /// `version`.
    pub version: String,
    /// `env`.
    pub env: Option<String>,
}

impl Otel {
    pub(super) fn read(places: &Places<'_>) -> Result<Self, ConfigError> {
        let environment = places.environment;
        let collector_uri = Some(places.get("otel-collector-uri").text()?).filter(|uri| !uri.is_empty());
        let export_metrics =
            places.get("metrics-exporter").choice(&[("otel", true), ("prometheus", false), ("", false)])?;
        let mut warnings = Vec::new();
        let mut metrics = None;
        let mut traces = Traces::Off;
        if environment.get("OTEL_SDK_DISABLED") != Some("true") {
            let collector = |signal: &str| {
                let own = environment.get(&format!("OTEL_EXPORTER_OTLP_{signal}_ENDPOINT"));
                let given = own.or_else(|| environment.get("OTEL_EXPORTER_OTLP_ENDPOINT"));
                given.or(collector_uri.as_deref()).unwrap_or(COLLECTOR).to_owned()
            };
            let mut wanted = |variable: &str, otherwise: bool| match environment.get(variable) {
                None => otherwise,
                Some("otlp") => true,
                Some("none" | "prometheus") => false,
                Some(other) => {
                    warnings.push(format!(
                        "ignoring {variable}={other}: this build knows otlp, and none; Prometheus is always at /metrics"
                    ));
                    false
                }
            };
            metrics = wanted("OTEL_METRICS_EXPORTER", export_metrics).then(|| collector("METRICS"));
            let otlp = wanted("OTEL_TRACES_EXPORTER", collector_uri.is_some());
            traces = match Datadog::read(environment) {
                Some(agent) => Traces::Datadog(agent),
                None if otlp => Traces::Collector(collector("TRACES")),
                None => Traces::Off,
            };
            if let Some(protocol) =
                environment.get("OTEL_EXPORTER_OTLP_PROTOCOL").filter(|name| *name != "grpc")
            {
                warnings.push(format!(
                    "ignoring OTEL_EXPORTER_OTLP_PROTOCOL={protocol}: telemetry goes over gRPC"
                ));
            }
        }
        Ok(Self {
            export_metrics,
            collector_uri,
            metrics,
            traces,
            client: tls_pair(places, "otel-cert-path", "otel-key-path")?,
            ca_path: places.get("otel-ca-path").path()?,
            reload_interval: places.get("otel-reload-interval").duration()?,
            interval: environment
                .get("OTEL_METRIC_EXPORT_INTERVAL")
                .and_then(|text| text.parse().ok())
                .filter(|millis| *millis > 0)
                .map_or(INTERVAL, Duration::from_millis),
            headers: pairs(environment.get("OTEL_EXPORTER_OTLP_HEADERS"))
                .map(|(name, value)| (name.to_ascii_lowercase(), Secret::from(value)))
                .collect(),
            resource: resource(environment),
            warnings,
        })
    }
}

impl Datadog {
    /// The agent that the variables name, unless they switch tracing off.
    fn read(environment: &Environment) -> Option<Self> {
        if environment.get("DD_TRACE_ENABLED") == Some("false") {
            return None;
        }
        let url = match (environment.get("DD_TRACE_AGENT_URL"), environment.get("DD_AGENT_HOST")) {
            (Some(url), _) => url.to_owned(),
            (None, Some(host)) => {
                format!("http://{host}:{}", environment.get("DD_TRACE_AGENT_PORT").unwrap_or("8126"))
            }
            (None, None) => return None,
        };
        let text = |name, otherwise: &str| environment.get(name).unwrap_or(otherwise).to_owned();
        Some(Self {
            url,
            service: text("DD_SERVICE", SERVICE),
            version: text("DD_VERSION", env!("CARGO_PKG_VERSION")),
            env: environment.get("DD_ENV").map(str::to_owned),
        })
    }
}

/// `service.name` and `service.version` with the variables' attributes over them.
fn resource(environment: &Environment) -> Vec<(String, String)> {
    let mut resource = vec![
        ("service.name".to_owned(), SERVICE.to_owned()),
        ("service.version".to_owned(), env!("CARGO_PKG_VERSION").to_owned()),
    ];
    let service =
        environment.get("OTEL_SERVICE_NAME").map(|name| ("service.name".to_owned(), name.to_owned()));
    for (name, value) in pairs(environment.get("OTEL_RESOURCE_ATTRIBUTES")).chain(service) {
        match resource.iter_mut().find(|(known, _)| *known == name) {
            Some((_, old)) => *old = value,
            None => resource.push((name, value)),
        }
    }
    resource
}

/// `a=1,b=2`, with values percent-encoded as W3C baggage has them.
fn pairs(text: Option<&str>) -> impl Iterator<Item = (String, String)> {
    let entries = text.unwrap_or_default().split(',');
    entries.filter_map(|entry| entry.split_once('=')).map(|(name, value)| {
        let value = percent_encoding::percent_decode_str(value.trim()).decode_utf8_lossy().into_owned();
        (name.trim().to_owned(), value)
    })
}
