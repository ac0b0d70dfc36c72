//! The wall clock, read here and nowhere else in a provider.

use std::time::{SystemTime, UNIX_EPOCH};

/// The time in Unix seconds, as rules see it.
pub(crate) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// The time, for a store.
#[cfg(feature = "store")]
pub(crate) fn wall() -> SystemTime {
    SystemTime::now()
}
