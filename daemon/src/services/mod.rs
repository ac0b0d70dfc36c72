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

use engine::Flag;

use crate::ask::Outcome;

/// Writes the replies of a flag that gives everybody the same answer, before anybody asks for them.
pub(crate) fn foresee(flag: &Flag) {
    let Some(answer) = flag.fixed() else { return };
    let outcome = Outcome { key: flag.key(), flag: Some(flag), result: Ok(answer) };
    evaluation::foresee(outcome);
    ofrep::foresee(&outcome);
}
