//! Flags of [Unleash](https://www.getunleash.io), and of GitLab, which speaks its API: evaluated as Unleash does, bucket for
//! bucket.
//!
//! ```text
//! rules      Unleash's engine (yggdrasil) asked strategy by strategy; a flag is an engine::Native. Pure.
//! model      the document as the server writes it, and the events that change one
//! reader     document -> flags                                          (from here on: feature `source`)
//! client     the server's API       report, ledger   usage, told to the server
//! source     the server as an origin of a store
//! door       the server's own API, served from a snapshot, for its SDKs
//! provider   the OpenFeature provider, in process or by the frontend API  (feature `provider`)
//! ```
//!
//! ```no_run
//! # #[cfg(feature = "provider")]
//! # async fn start() -> Result<(), Box<dyn std::error::Error>> {
//! use hoist_provider_unleash::{Options, provider};
//! use open_feature::OpenFeature;
//!
//! let options = Options {
//!     url: "https://unleash.example.com/api".to_owned(),
//!     token: Some("default:production.secret".to_owned()),
//!     ..Options::default()
//! };
//! OpenFeature::singleton_mut().await.set_provider(provider(&options)?).await;
//! let client = OpenFeature::singleton().await.create_client();
//! let on = client.get_bool_value("new-shop", None, None).await.unwrap_or(false);
//! # Ok(())
//! # }
//! ```

pub mod model;
pub mod rules;

#[cfg(feature = "source")]
pub mod client;
#[cfg(feature = "source")]
pub mod door;
#[cfg(feature = "source")]
mod ledger;
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

#[cfg(feature = "source")]
pub use options::SourceOptions;
#[cfg(feature = "provider")]
pub use options::{Options, OptionsError};
#[cfg(feature = "provider")]
pub use provider::{InProcess, NAME, Remote, provider, remote};
#[cfg(feature = "source")]
pub use report::stamp;
