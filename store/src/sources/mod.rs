//! The sources, one file each.

#[cfg(feature = "blob")]
pub(crate) mod blob;
pub(crate) mod file;
#[cfg(feature = "git")]
pub(crate) mod git;
pub(crate) mod grpc;
pub(crate) mod http;
#[cfg(feature = "kubernetes")]
pub(crate) mod kubernetes;
pub(crate) mod memory;
mod tls;
#[cfg(any(feature = "blob", feature = "kubernetes"))]
mod variables;
