//! `flagd`: the `FLAGD_*` variables, which choose between rpc, in-process and file.

use super::Build;

#[cfg(feature = "flagd")]
pub(super) const BUILD: Option<Build> =
    Some(|get| Ok(flagd::provider(flagd::Options::from_variables(get, None)?)?.erase()));
#[cfg(not(feature = "flagd"))]
pub(super) const BUILD: Option<Build> = None;
