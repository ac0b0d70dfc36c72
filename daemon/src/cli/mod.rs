//! One file per command of the command line.

pub mod completion;
pub mod healthcheck;
pub mod version;
