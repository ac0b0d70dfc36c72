//! `flagsmith`: the `FLAGSMITH_*` variables, whose key decides who evaluates.

use super::Build;

#[cfg(feature = "flagsmith")]
pub(super) const BUILD: Option<Build> =
    Some(|get| Ok(flagsmith::provider(&flagsmith::Options::from_variables(get)?)?));
#[cfg(not(feature = "flagsmith"))]
pub(super) const BUILD: Option<Build> = None;
