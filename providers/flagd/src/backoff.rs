//! How long to wait before a lost stream is opened again.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Duration;

/// Nobody is asked more often than this, whatever was configured.
const LEAST: Duration = Duration::from_millis(10);

/// Waits that double from a first one to a longest one, each cut by up to a half so that many clients do not come back in
/// step.
#[derive(Clone, Debug)]
pub(crate) struct Backoff {
    first: Duration,
    longest: Duration,
    failures: u32,
}

impl Backoff {
    pub(crate) fn new(first: Duration, longest: Duration) -> Self {
        let first = first.max(LEAST);
        Self { first, longest: longest.max(first), failures: 0 }
    }

    /// The next wait.
    pub(crate) fn next(&mut self) -> Duration {
        let bound = self.first.saturating_mul(1 << self.failures.min(16)).min(self.longest);
        self.failures = self.failures.saturating_add(1);
        bound.mul_f64(0.5 + 0.5 * jitter())
    }

    /// All is well again.
    pub(crate) fn reset(&mut self) {
        self.failures = 0;
    }
}

/// A random number from 0 up to 1, good enough to keep clients out of step.
fn jitter() -> f64 {
    let random = RandomState::new().build_hasher().finish();
    (random >> 11) as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_within_bounds_and_begin_anew() {
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(1));
        for bound in [100, 200, 400, 800, 1000, 1000, 1000] {
            let (wait, bound) = (backoff.next(), Duration::from_millis(bound));
            assert!(wait >= bound / 2 && wait <= bound, "{wait:?} of {bound:?}");
        }
        backoff.reset();
        assert!(backoff.next() <= Duration::from_millis(100));
    }
}
