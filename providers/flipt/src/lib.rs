//! Flags of [Flipt](https://www.flipt.io): segments, rules and rollouts, evaluated here as its server (v2) evaluates them, bucket
//! for bucket.
//!
//! ```text
//! model      a namespace's flags, as the snapshot API gives them
//! features   the same, as features.yaml has them
//! rules      who gets what, and why: pure
//! mapping    what that is to an OpenFeature client
//! native     the same as flags of the engine;  translate: in flagd's form, with a label how true that is
//! reader     documents -> flags                                   (from here on: feature `source`)
//! client     the server's API
//! source     the server as an origin of a store;   stream   what it says of its own accord
//! provider   the OpenFeature provider: in process, of a file, or by the evaluation API   (feature `provider`)
//! ```
//!
//! ```no_run
//! # #[cfg(feature = "provider")]
//! # async fn start() -> Result<(), Box<dyn std::error::Error>> {
//! use hoist_provider_flipt::{Options, in_process};
//! use open_feature::OpenFeature;
//!
//! let options = Options {
//!     url: "https://flipt.example.com".to_owned(),
//!     token: Some("secret".to_owned()),
//!     ..Options::default()
//! };
//! OpenFeature::singleton_mut().await.set_provider(in_process(&options)?).await;
//! let client = OpenFeature::singleton().await.create_client();
//! let on = client.get_bool_value("new-shop", None, None).await.unwrap_or(false);
//! # Ok(())
//! # }
//! ```

pub mod features;
mod mapping;
pub mod model;
mod native;
pub mod rules;
mod translate;

#[cfg(feature = "source")]
pub mod client;
#[cfg(feature = "source")]
mod options;
#[cfg(feature = "source")]
pub mod reader;
#[cfg(feature = "source")]
pub mod source;
#[cfg(feature = "source")]
mod stream;

#[cfg(feature = "provider")]
mod provider;

pub use mapping::{Mapping, Values};
pub use native::flags;
#[cfg(feature = "source")]
pub use options::{FileOptions, SourceOptions};
#[cfg(feature = "provider")]
pub use options::{Mode, Options, OptionsError};
#[cfg(feature = "provider")]
pub use provider::{InProcess, NAME, Remote, in_process, provider, remote};
