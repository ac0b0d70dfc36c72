//! Flipt: flags, segments, rules and rollouts, evaluated here as its server (v2) evaluates them.
//!
//! ```text
//! model      a namespace's flags, as the snapshot API gives them
//! features   the same, as features.yaml has them
//! rules      who gets what, and why: pure
//! mapping    what that is to an OpenFeature client
//! native     the same as flags of the engine;  translate: in flagd's form, with a label how true that is
//! ```

pub mod features;
mod mapping;
pub mod model;
mod native;
pub mod rules;
mod translate;

pub use mapping::{Mapping, Values};
pub use native::flags;
