//! What a test stands in. Each part is small and independent of the others.

mod daemon;
mod example;
pub mod flipt;
mod forbidding;
pub mod http;
mod origin;
mod place;
pub mod unleash;

pub use daemon::{Daemon, DaemonOptions, Ports, another_daemon, peer_flagd, resident};
pub use example::Example;
pub use forbidding::Forbidding;
pub use origin::HttpOrigin;
pub use place::{cargo_target, free_ports, shared, workspace};
