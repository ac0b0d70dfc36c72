//! The environment, read here and nowhere else.

use crate::config::{ConfigError, Provider, from_variables};

/// The provider that `HOIST_PROVIDER` and the providers' own variables name. Must be called on a tokio runtime.
///
/// # Errors
/// As [`from_variables`].
pub fn from_env() -> Result<Provider, ConfigError> {
    from_variables(|name| std::env::var(name).ok())
}
