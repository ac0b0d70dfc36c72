//! [Flagsmith](https://www.flagsmith.com): flags, segments, identities and multivariate values, evaluated here as its server
//! evaluates them.
//!
//! ```text
//! model    the environment document
//! rules    who gets what, and why: pure, checked decision by decision against a real server
//! mapping  what that is to an OpenFeature client
//! native   the same as flags of the engine;  translate: in flagd's form, with a label how true that is
//! usage    how often each feature was asked for
//! reader   document -> flags                                            (from here on: feature `source`)
//! client   the server's API       report   usage, told to the server
//! source   the server as an origin of a store
//! provider the OpenFeature provider, in process or by the server        (feature `provider`)
//! ```
//!
//! ```no_run
//! # #[cfg(feature = "provider")]
//! # async fn start() -> Result<(), Box<dyn std::error::Error>> {
//! use hoist_provider_flagsmith::{Options, provider};
//! use open_feature::OpenFeature;
//!
//! let options = Options {
//!     url: "https://flagsmith.example.com/api/v1/".to_owned(),
//!     environment_key: Some("ser.secret".to_owned()),
//!     ..Options::default()
//! };
//! OpenFeature::singleton_mut().await.set_provider(provider(&options)?).await;
//! let client = OpenFeature::singleton().await.create_client();
//! let on = client.get_bool_value("new-shop", None, None).await.unwrap_or(false);
//! # Ok(())
//! # }
//! ```

mod mapping;
pub mod model;
mod native;
pub mod rules;
mod translate;
mod usage;

#[cfg(feature = "source")]
mod client;
#[cfg(feature = "source")]
mod options;
#[cfg(feature = "source")]
pub mod reader;
#[cfg(feature = "source")]
mod report;
#[cfg(feature = "source")]
pub mod source;

#[cfg(feature = "provider")]
mod provider;

pub use mapping::{Booleans, Mapping};
pub use native::flags;
#[cfg(feature = "source")]
pub use options::SourceOptions;
#[cfg(feature = "provider")]
pub use options::{Mode, Options, OptionsError};
#[cfg(feature = "provider")]
pub use provider::{InProcess, NAME, Remote, in_process, provider, remote};
pub use usage::Usage;
