//! `env-var`: `HOIST_ENV_VAR_PREFIX`, `HOIST_ENV_VAR_NAMING`, and the variables themselves.

use super::Build;

#[cfg(feature = "env-var")]
pub(super) const BUILD: Option<Build> =
    Some(|get| Ok(env_var::provider(env_var::Options::from_variables(get)?).erase()));
#[cfg(not(feature = "env-var"))]
pub(super) const BUILD: Option<Build> = None;
