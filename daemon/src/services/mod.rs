//! The protocols that the daemon speaks, one folder each.
//!
//! A protocol turns its requests into questions for [`ask`](crate::ask) and outcomes into its answers; `convert.rs` is the
//! only place where wire types meet the engine's. They know nothing of each other. [`connect`] and [`cors`] stand round them; `grpc` is
//! what those share whose messages many clients get, `replies` what those share whose answers come again.

pub mod connect;
pub mod control;
pub mod cors;
pub mod evaluation;
mod grpc;
pub mod management;
pub mod ofrep;
pub mod proxy;
pub(crate) mod replies;
pub mod sync;
pub mod unleash;
