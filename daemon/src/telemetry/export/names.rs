//! What Prometheus and OpenTelemetry call the same thing. Series of our own keep their name.

/// Metrics by their Prometheus name: OpenTelemetry's name and unit (contract 8.1).
const METRICS: &[(&str, &str, &str)] = &[
    ("feature_flag_flagd_impression_total", "feature_flag.flagd.impression", "{count}"),
    ("feature_flag_flagd_result_reason_total", "feature_flag.flagd.result.reason", "{count}"),
    ("feature_flag_flagd_sync_active_streams", "feature_flag.flagd.sync.active_streams", "{stream}"),
    ("feature_flag_flagd_sync_stream_duration_seconds", "feature_flag.flagd.sync.stream.duration", "s"),
    ("http_server_active_requests", "http.server.active_requests", "{request}"),
    ("http_server_request_duration_seconds", "http.server.request.duration", "s"),
    ("http_server_request_body_size_bytes", "http.server.request.body.size", "By"),
    ("http_server_response_body_size_bytes", "http.server.response.body.size", "By"),
    ("rpc_server_duration_milliseconds", "rpc.server.duration", "ms"),
];

/// Attributes by their Prometheus label.
const ATTRIBUTES: &[(&str, &str)] = &[
    ("error_type", "error.type"),
    ("feature_flag_key", "feature_flag.key"),
    ("feature_flag_provider_name", "feature_flag.provider.name"),
    ("feature_flag_reason", "feature_flag.reason"),
    ("feature_flag_result_variant", "feature_flag.result.variant"),
    ("http_request_method", "http.request.method"),
    ("http_response_status_code", "http.response.status_code"),
    ("http_route", "http.route"),
    ("rpc_method", "rpc.method"),
    ("rpc_service", "rpc.service"),
    ("rpc_system", "rpc.system"),
    ("url_scheme", "url.scheme"),
];

/// OpenTelemetry's name and unit of a metric.
pub(super) fn metric(name: &str) -> (&str, &str) {
    let known = METRICS.iter().find(|(prometheus, ..)| *prometheus == name);
    known.map_or((name.strip_suffix("_total").unwrap_or(name), ""), |(_, name, unit)| (name, unit))
}

/// OpenTelemetry's name of an attribute; `None` for what the resource says already.
pub(super) fn attribute(label: &str) -> Option<&str> {
    if label == "service_name" {
        return None;
    }
    let known = ATTRIBUTES.iter().find(|(prometheus, _)| *prometheus == label);
    Some(known.map_or(label, |(_, name)| name))
}
