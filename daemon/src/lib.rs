//! The daemon as a library: what `hoistd` is made of.

pub mod telemetry;
