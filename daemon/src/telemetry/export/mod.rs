//! Telemetry that is sent away: metrics and traces to an OpenTelemetry collector (contract 8.2), traces to a Datadog agent.
//!
//! ```text
//! Telemetry --every interval--> metrics: families under OpenTelemetry's names --+
//!                                                                               +--> collector (OTLP over gRPC)
//! Measure --a span per request--> tracing layer --> batches --------------------+
//!                                                           +--> datadog: the agent's own protocol
//! ```
//!
//! Nothing here is on a request's way but the span, and that only where traces are sent. A collector that is slow or away
//! costs telemetry, never answers: batches are bounded and what does not fit is dropped.

mod collector;
#[cfg(feature = "datadog")]
mod datadog;
mod metrics;
mod names;
mod traces;

pub use collector::Collector;
pub use metrics::push as push_metrics;
pub use traces::{Tracing, continue_trace};
