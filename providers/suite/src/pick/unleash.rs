//! `unleash`: the `UNLEASH_*` variables. Flags are evaluated here, as Unleash's own SDKs do it.

use super::Build;

#[cfg(feature = "unleash")]
pub(super) const BUILD: Option<Build> =
    Some(|get| Ok(unleash::provider(&unleash::Options::from_variables(get)?)?.erase()));
#[cfg(not(feature = "unleash"))]
pub(super) const BUILD: Option<Build> = None;
