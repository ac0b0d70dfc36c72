//! OpenFeature for flagd, hoistd and whatever else speaks their protocols.
//!
//! ```text
//!              rpc         the server evaluates        flagd.evaluation.v2   static answers kept until an event
//!  Options --> in-process  its flags are sent here     flagd.sync.v1         evaluated here by hoist's engine
//!              file        flags come from a file      JSON or YAML          the same without a server
//! ```
//!
//! ```no_run
//! use std::time::Duration;
//!
//! use hoist_provider_flagd::{Mode, Options, provider};
//! use open_feature::OpenFeature;
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let options = Options { resolver: Mode::InProcess, ..Options::from_env()? };
//! let flagd = provider(options)?;
//! let handle = flagd.handle();
//! OpenFeature::singleton_mut().await.set_provider(flagd).await;
//! handle.ready(Duration::from_secs(2)).await?;
//!
//! let client = OpenFeature::singleton().await.create_client();
//! let dark = client.get_bool_value("dark-mode", None, None).await.unwrap_or(false);
//! # let _ = dark;
//! # Ok(())
//! # }
//! ```
//!
//! Where flags are here, they can be asked without `await`, and several at one moment:
//!
//! ```
//! use std::time::Duration;
//!
//! use hoist_provider_flagd::{Mode, Options, in_process};
//! use kit::Evaluate;
//! use open_feature::EvaluationContext;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let folder = tempfile::tempdir()?;
//! let path = folder.path().join("flags.yaml");
//! std::fs::write(&path, "flags: {limit: {state: ENABLED, variants: {low: 10, high: 99}, defaultVariant: low}}")?;
//! let options = Options { resolver: Mode::File, offline_flag_source_path: Some(path), ..Options::default() };
//! let flags = in_process(options)?;
//! flags.ready(Duration::from_secs(2)).await?;
//! assert_eq!(flags.int("limit", 5, &EvaluationContext::default()), 10);
//! # Ok(())
//! # }
//! ```
//!
//! A lost server makes the provider STALE at once and ERROR after a grace period (contract 11.2). Meanwhile in-process
//! flags answer as they were; by rpc what is cached answers until ERROR, and the rest is an error within the deadline.
//! A stream that ends by its own deadline is opened again without an event.
//!
//! What is not here: `xds` targets, and `offlineFlagSourcePath` for rpc.

mod backoff;
mod flagd;
mod from_env;
mod in_process;
mod link;
mod options;
mod rpc;
mod server;

pub use engine::Bucketing;
pub use flagd::{Flagd, in_process, provider};
pub use in_process::{Flags, InProcess};
pub use options::{Cache, ContextEnricher, Mode, Options, OptionsError};
pub use rpc::Rpc;

/// The provider's name, as metadata and events say it.
pub const NAME: &str = "flagd";

/// Refuses to start where nothing could run in the background.
fn runtime() -> Result<(), OptionsError> {
    let missing = |_| OptionsError::new("runtime", "there is no Tokio runtime here; call it in one");
    tokio::runtime::Handle::try_current().map(drop).map_err(missing)
}
