//! Flagsmith: flags, segments, identities and multivariate values, evaluated here as its server evaluates them.
//!
//! ```text
//! model    the environment document
//! rules    who gets what, and why: pure, checked decision by decision against a real server
//! mapping  what that is to an OpenFeature client
//! native   the same as flags of the engine;  translate: in flagd's form, with a label how true that is
//! usage    how often each feature was asked for
//! ```

mod mapping;
pub mod model;
mod native;
pub mod rules;
mod translate;
mod usage;

pub use mapping::{Booleans, Mapping};
pub use native::flags;
pub use usage::Usage;
