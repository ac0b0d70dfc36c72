//! The sources, one file each.

pub(crate) mod file;
pub(crate) mod grpc;
pub(crate) mod http;
pub(crate) mod memory;
mod tls;
