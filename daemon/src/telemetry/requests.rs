//! Requests by route, method and true status: how many are running, how long they take, how big they are (contract 8.1).

use std::collections::{BTreeMap, HashMap};
use std::sync::Mutex;

use foldhash::fast::RandomState;

use super::exposition::{Exposition, Kind};
use super::shards::{Shards, lock};

/// Upper bounds of durations, in seconds.
const SECONDS: [f64; 11] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
/// Upper bounds of body sizes, in bytes.
const BYTES: [f64; 8] = [1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9];

/// The status under which a request is counted that its client gave up before it had an answer.
pub(super) const GIVEN_UP: u16 = 499;

/// Counts requests. Every label is one of a fixed set of words, so the series are bounded whatever clients send.
#[derive(Debug, Default)]
pub struct Requests {
    tables: Shards<Mutex<Table>>,
}

/// Where a request goes: words from fixed sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Target {
    pub(super) route: &'static str,
    pub(super) method: &'static str,
    pub(super) scheme: &'static str,
}

#[derive(Debug, Default)]
struct Table {
    running: HashMap<Target, i64, RandomState>,
    done: HashMap<(Target, u16), Figures, RandomState>,
}

#[derive(Clone, Debug, Default)]
struct Figures {
    duration: Histogram<{ SECONDS.len() + 1 }>,
    request: Histogram<{ BYTES.len() + 1 }>,
    response: Histogram<{ BYTES.len() + 1 }>,
}

#[derive(Clone, Debug)]
struct Histogram<const N: usize> {
    counts: [u64; N],
    sum: f64,
}

/// What is known of a request when it is over. Sizes are bytes on the wire without headers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Done {
    pub(super) status: u16,
    pub(super) seconds: f64,
    /// `None` when the request did not say and was not counted.
    pub(super) request_bytes: Option<u64>,
    pub(super) response_bytes: u64,
}

impl<const N: usize> Default for Histogram<N> {
    fn default() -> Self {
        Self { counts: [0; N], sum: 0.0 }
    }
}

impl<const N: usize> Histogram<N> {
    fn record(&mut self, bounds: &[f64], value: f64) {
        let at = bounds.partition_point(|bound| *bound < value);
        if let Some(count) = self.counts.get_mut(at) {
            *count += 1;
        }
        self.sum += value;
    }

    fn add(&mut self, other: &Self) {
        for (count, more) in self.counts.iter_mut().zip(&other.counts) {
            *count += more;
        }
        self.sum += other.sum;
    }

    fn is_empty(&self) -> bool {
        self.counts.iter().all(|count| *count == 0)
    }
}

impl Requests {
    pub(super) fn began(&self, target: Target) {
        *lock(self.tables.mine()).running.entry(target).or_default() += 1;
    }

    pub(super) fn ended(&self, target: Target, done: Done) {
        let mut table = lock(self.tables.mine());
        // The beginning may have been counted by another thread; only the sum over all of them means something.
        *table.running.entry(target).or_default() -= 1;
        let figures = table.done.entry((target, done.status)).or_default();
        figures.duration.record(&SECONDS, done.seconds);
        figures.response.record(&BYTES, done.response_bytes as f64);
        if let Some(bytes) = done.request_bytes {
            figures.request.record(&BYTES, bytes as f64);
        }
    }

    pub(super) fn render(&self, out: &mut Exposition) {
        let mut running: BTreeMap<Target, i64> = BTreeMap::new();
        let mut done: BTreeMap<(Target, u16), Figures> = BTreeMap::new();
        self.tables.each(|table| {
            let table = lock(table);
            for (target, count) in &table.running {
                *running.entry(*target).or_default() += count;
            }
            for (key, figures) in &table.done {
                let total = done.entry(*key).or_default();
                total.duration.add(&figures.duration);
                total.request.add(&figures.request);
                total.response.add(&figures.response);
            }
        });
        let help = "Measures the number of concurrent HTTP requests that are currently in-flight.";
        out.family("http_server_active_requests", Kind::Gauge, help);
        for (target, count) in &running {
            // A request that ended between two copies' turns must not make the sum negative.
            out.sample(&target.labels(None), (*count).max(0));
        }
        durations(out, &done);
        sizes(out, &done);
        rpcs(out, &done);
    }
}

impl Target {
    fn labels<'l>(&self, status: Option<&'l str>) -> Vec<(&'static str, &'l str)> {
        let mut labels = vec![("http_request_method", self.method)];
        labels.extend(status.map(|status| ("http_response_status_code", status)));
        labels.extend([("http_route", self.route), ("service_name", "flagd"), ("url_scheme", self.scheme)]);
        labels
    }

    /// Service and method, when the route is that of a remote procedure.
    fn rpc(&self) -> Option<(&'static str, &'static str)> {
        let (service, method) = self.route.strip_prefix('/')?.split_once('/')?;
        (service.contains('.') && !method.contains('/')).then_some((service, method))
    }
}

type All = BTreeMap<(Target, u16), Figures>;

fn durations(out: &mut Exposition, done: &All) {
    let help = "Measures the duration of inbound HTTP requests.";
    out.family("http_server_request_duration_seconds", Kind::Histogram, help);
    for ((target, status), Figures { duration, .. }) in done {
        out.histogram(&target.labels(Some(&status.to_string())), &SECONDS, &duration.counts, duration.sum);
    }
}

fn sizes(out: &mut Exposition, done: &All) {
    let help = "Measures the size of HTTP request bodies on the wire.";
    out.family("http_server_request_body_size_bytes", Kind::Histogram, help);
    for ((target, status), Figures { request, .. }) in done {
        if !request.is_empty() {
            out.histogram(&target.labels(Some(&status.to_string())), &BYTES, &request.counts, request.sum);
        }
    }
    let help = "Measures the size of HTTP response bodies on the wire.";
    out.family("http_server_response_body_size_bytes", Kind::Histogram, help);
    for ((target, status), Figures { response, .. }) in done {
        out.histogram(&target.labels(Some(&status.to_string())), &BYTES, &response.counts, response.sum);
    }
}

/// The same durations by remote procedure, in milliseconds: nothing is measured twice.
fn rpcs(out: &mut Exposition, done: &All) {
    let mut calls: BTreeMap<(&str, &str), Histogram<{ SECONDS.len() + 1 }>> = BTreeMap::new();
    for ((target, _), figures) in done {
        if let Some(rpc) = target.rpc() {
            calls.entry(rpc).or_default().add(&figures.duration);
        }
    }
    if calls.is_empty() {
        return;
    }
    let bounds = SECONDS.map(|seconds| seconds * 1000.0);
    let help = "Measures the duration of inbound remote procedure calls.";
    out.family("rpc_server_duration_milliseconds", Kind::Histogram, help);
    for ((service, method), calls) in calls {
        let system =
            if service.contains(".sync.") || service.starts_with("sync.") || service.starts_with("grpc.") {
                "grpc"
            } else {
                "connect_rpc"
            };
        let labels = [("rpc_method", method), ("rpc_service", service), ("rpc_system", system)];
        out.histogram(&labels, &bounds, &calls.counts, calls.sum * 1000.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TARGET: Target = Target { route: "/a.b.Service/Do", method: "POST", scheme: "http" };

    fn text(requests: &Requests) -> String {
        let mut out = Exposition::default();
        requests.render(&mut out);
        out.finish()
    }

    #[test]
    fn a_request_is_active_then_counted_under_its_status() {
        let requests = Requests::default();
        requests.began(TARGET);
        requests.began(TARGET);
        let done = Done { status: 404, seconds: 0.02, request_bytes: Some(2), response_bytes: 150 };
        std::thread::scope(|scope| scope.spawn(|| requests.ended(TARGET, done)).join().expect("no panic"));
        let text = text(&requests);
        let labels = r#"http_request_method="POST",http_response_status_code="404",http_route="/a.b.Service/Do",service_name="flagd",url_scheme="http""#;
        for line in [
            r#"http_server_active_requests{http_request_method="POST",http_route="/a.b.Service/Do",service_name="flagd",url_scheme="http"} 1"#.to_owned(),
            format!(r#"http_server_request_duration_seconds_bucket{{{labels},le="0.01"}} 0"#),
            format!(r#"http_server_request_duration_seconds_bucket{{{labels},le="0.025"}} 1"#),
            format!(r#"http_server_request_body_size_bytes_sum{{{labels}}} 2"#),
            format!(r#"http_server_response_body_size_bytes_bucket{{{labels},le="100"}} 0"#),
            format!(r#"http_server_response_body_size_bytes_bucket{{{labels},le="1000"}} 1"#),
            r#"rpc_server_duration_milliseconds_bucket{rpc_method="Do",rpc_service="a.b.Service",rpc_system="connect_rpc",le="25"} 1"#.to_owned(),
        ] {
            assert!(text.lines().any(|found| found == line), "missing {line} in\n{text}");
        }
    }

    #[test]
    fn only_procedures_are_procedures() {
        let target = |route| Target { route, ..TARGET };
        assert_eq!(target("/ofrep/v1/sse").rpc(), None);
        assert_eq!(target("other").rpc(), None);
        assert_eq!(target("/sync.v1.X/Y").rpc(), Some(("sync.v1.X", "Y")));
    }
}
