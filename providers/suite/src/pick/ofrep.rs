//! `ofrep`: the `OFREP_*` variables.

use super::Build;

#[cfg(feature = "ofrep")]
pub(super) const BUILD: Option<Build> =
    Some(|get| Ok(ofrep::provider(ofrep::Options::from_variables(get)?)?.erase()));
#[cfg(not(feature = "ofrep"))]
pub(super) const BUILD: Option<Build> = None;
