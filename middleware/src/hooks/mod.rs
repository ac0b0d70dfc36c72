//! Hooks for the OpenFeature SDK: what runs before and after every evaluation.
//!
//! [`RequestContextHook`] brings in the request's context. `OpenTelemetryHook` and `DatadogHook`, features of their own, tell
//! of the answer; both take from the SDK what the specification's Appendix D names, never fail, and never change an
//! evaluation.

#[cfg(feature = "datadog")]
mod datadog;
#[cfg(feature = "opentelemetry")]
mod event;
#[cfg(feature = "opentelemetry")]
mod otel;
mod request;

#[cfg(feature = "datadog")]
pub use datadog::DatadogHook;
#[cfg(feature = "opentelemetry")]
pub use event::{EvaluationEvent, EventOptions};
#[cfg(feature = "opentelemetry")]
pub use otel::OpenTelemetryHook;
pub use request::RequestContextHook;
