//! One file per command of the command line.

pub mod completion;
pub mod demo;
pub mod diff;
pub mod doctor;
mod document;
pub mod eval;
pub mod explain;
pub mod healthcheck;
pub mod import;
pub mod operate;
pub mod proxy;
mod question;
pub mod start;
pub mod validate;
pub mod version;
