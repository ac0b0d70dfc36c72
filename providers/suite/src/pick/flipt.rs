//! `flipt`: the `FLIPT_*` variables, which choose between in-process, remote and file.

use super::Build;

#[cfg(feature = "flipt")]
pub(super) const BUILD: Option<Build> =
    Some(|get| Ok(flipt::provider(&flipt::Options::from_variables(get)?)?));
#[cfg(not(feature = "flipt"))]
pub(super) const BUILD: Option<Build> = None;
