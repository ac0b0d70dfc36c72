//! Flags from environment variables: `new-shop` is `NEW_SHOP=true`.
//!
//! The variables are read once, when the provider is built: a process's environment does not change under it, and an
//! evaluation takes no lock. A flag has the type that it is asked for, and a variable that cannot be read so is a
//! `PARSE_ERROR`. There is no targeting; every answer's reason is `STATIC`.
//!
//! ```
//! use hoist_provider_env_var::{Options, provider};
//! use kit::Evaluate;
//! use open_feature::EvaluationContext;
//!
//! // Options::from_env() takes the process's own environment.
//! let options = Options::new([("SHOP_NEW_CART", "true"), ("SHOP_LIMITS", r#"{"items": 3}"#)]).prefix("SHOP_");
//! let provider = provider(options);
//! let nobody = EvaluationContext::default();
//! assert!(provider.bool("new-cart", false, &nobody));
//! assert_eq!(provider.object("limits", &nobody).unwrap().fields["items"].as_i64(), Some(3));
//! ```

mod from_env;
mod naming;
mod options;
mod resolver;

pub use from_env::VariableError;
pub use naming::Naming;
pub use options::Options;
pub use resolver::{EnvVar, Variables, provider};
