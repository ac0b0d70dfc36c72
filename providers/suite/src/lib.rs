//! Every OpenFeature provider of hoist, chosen by configuration: swapping the backend is an operator's change.
//!
//! `HOIST_PROVIDER` names the provider, and each provider's own variables say the rest. [`PROVIDERS`] lists them.
//!
//! | variable | meaning | unset |
//! |---|---|---|
//! | `HOIST_PROVIDER` | a provider; several, with commas between them, are asked in turn | `file` |
//! | `HOIST_SHADOW_PROVIDER` | another one, whose answers are compared behind the first's back; differences are logged | none |
//! | `HOIST_FLAGS_PATH` | of `file`: a flagd document, JSON or YAML | `flags.json` |
//! | `HOIST_IN_MEMORY_FLAGS` | of `in-memory`: a JSON object of keys and values | no flags |
//! | `HOIST_ENV_VAR_PREFIX`, `HOIST_ENV_VAR_NAMING` | of `env-var`, see [`env_var::Options`] | none, `upper-snake` |
//! | `FLAGD_RESOLVER`, `FLAGD_HOST` and the rest | of `flagd`, see [`flagd::Options`] | rpc at `localhost:8013` |
//! | `FLAGSMITH_ENVIRONMENT_KEY`, `FLAGSMITH_API_URL` and the rest | of `flagsmith`, see [`flagsmith::Options`] | no key, Flagsmith's own |
//! | `FLIPT_URL`, `FLIPT_TOKEN`, `FLIPT_MODE` and the rest | of `flipt`, see [`flipt::Options`] | in process, of `http://localhost:8080` |
//! | `OFREP_ENDPOINT`, `OFREP_HEADERS`, `OFREP_TIMEOUT_MS` | of `ofrep`, see [`ofrep::Options`] | `http://localhost:8016`, none, 10 s |
//! | `UNLEASH_URL`, `UNLEASH_API_TOKEN` and the rest | of `unleash`, see [`unleash::Options::from_env`] | `http://localhost:4242/api`, no token |
//!
//! ```no_run
//! use std::time::Duration;
//!
//! use open_feature::OpenFeature;
//!
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let provider = hoist::from_env()?;
//! let flags = provider.handle();
//! OpenFeature::singleton_mut().await.set_provider(provider).await;
//! if let Err(why) = flags.ready(Duration::from_secs(2)).await {
//!     eprintln!("starting with the defaults: {why}");
//! }
//! # Ok(())
//! # }
//! ```
//!
//! The same from a section of a configuration file, under the same names (`provider` and `shadow` for the first two):
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let section = serde_json::json!({"provider": "in-memory", "HOIST_IN_MEMORY_FLAGS": {"new-shop": true}});
//! let provider = hoist::from_config(&section)?;
//! let answer = provider.resolve("new-shop", hoist::kit::Type::Bool, &Default::default()).await;
//! assert_eq!(answer.expect("an answer").value, Some(true.into()));
//! # Ok(())
//! # }
//! ```
//!
//! Each provider is a cargo feature of its name. Their own faces are re-exported, for those who build one in code.

mod config;
mod from_env;
mod pick;

pub use config::{ConfigError, Provider, from_config, from_variables};
#[cfg(feature = "env-var")]
pub use env_var;
#[cfg(feature = "flagd")]
pub use flagd;
#[cfg(feature = "flagsmith")]
pub use flagsmith;
#[cfg(feature = "flipt")]
pub use flipt;
pub use from_env::from_env;
#[cfg(feature = "in-memory")]
pub use in_memory;
pub use kit;
pub use multi;
#[cfg(feature = "ofrep")]
pub use ofrep;
#[cfg(feature = "file")]
pub use pick::file;
pub use pick::{Choice, PROVIDERS};
#[cfg(feature = "unleash")]
pub use unleash;
