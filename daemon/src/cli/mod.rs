//! One file per command of the command line.

pub mod completion;
mod document;
pub mod healthcheck;
pub mod start;
pub mod validate;
pub mod version;
