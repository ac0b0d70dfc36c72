//! What the daemon counts, and how Prometheus reads it: the series of flagd (contract 8.1) and our own `hoistd_` ones.
//!
//! Labels never come from what clients ask for unless they are bounded: flags by those that exist, routes and methods by
//! fixed sets, followers of the sync service by a limit.

mod evaluations;
#[cfg(feature = "otel")]
pub mod export;
mod exposition;
mod measure;
mod process;
mod requests;
mod shards;
mod streams;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

pub(crate) use evaluations::Places;
pub use evaluations::{Evaluations, Failure};
pub use exposition::{CONTENT_TYPE, Exposition, Family, Kind, Labels, Measured as Value, Sample};
pub use measure::{Answering, Measure, Measured};
pub use requests::Requests;
pub use streams::{End, OpenStream, Streams};

/// The target of the spans of requests: where traces are sent, one is made for each request, and nowhere else.
pub const SPANS: &str = "hoistd::request";

/// Everything that is counted in one daemon. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Telemetry {
    /// Evaluations by flag, variant and reason.
    pub evaluations: Arc<Evaluations>,
    /// Requests of all ports; [`Measure`] counts them.
    pub requests: Arc<Requests>,
    /// Streams of the sync service.
    pub streams: Arc<Streams>,
    rejected: Arc<AtomicU64>,
}

impl Telemetry {
    /// Counts a configuration (certificate, option file) that was refused while the daemon ran.
    pub fn config_rejected(&self) {
        self.rejected.fetch_add(1, Ordering::Relaxed);
    }

    /// Writes every family that is not about sources and flags; those belong to whoever holds the store.
    pub fn render(&self, out: &mut Exposition) {
        self.evaluations.render(out);
        self.requests.render(out);
        self.streams.render(out);
        let help = "Configurations refused while running.";
        out.family("hoistd_config_rejected_total", Kind::Counter, help)
            .sample(&[], self.rejected.load(Ordering::Relaxed));
        let version = [("version", env!("CARGO_PKG_VERSION"))];
        out.family("hoistd_build_info", Kind::Gauge, "The running build.").sample(&version, 1);
        let resource = [("service_name", "flagd"), ("service_version", env!("CARGO_PKG_VERSION"))];
        out.family("target_info", Kind::Gauge, "Target metadata").sample(&resource, 1);
        process::render(out);
    }
}
