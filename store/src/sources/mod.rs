//! The sources, one file each.

pub(crate) mod file;
#[cfg(feature = "git")]
pub(crate) mod git;
pub(crate) mod grpc;
pub(crate) mod http;
pub(crate) mod memory;
mod tls;
