//! How fast versions of a document may follow one another.

use std::time::{Duration, Instant};

/// Versions that may come at once.
const BURST: u32 = 10;
/// The time that each version beyond them costs.
const EACH: Duration = Duration::from_millis(50);

/// Slows a source down to 20 versions per second, bursts of 10 apart: a generator gone wild costs a bounded part of a core.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    /// When the versions so far will be paid for.
    paid: Option<Instant>,
}

impl Pace {
    /// Counts a version; gives how long to rest after it.
    pub(crate) fn rest(&mut self) -> Duration {
        self.rest_at(Instant::now())
    }

    fn rest_at(&mut self, now: Instant) -> Duration {
        let paid = self.paid.map_or(now, |paid| paid.max(now)) + EACH;
        self.paid = Some(paid);
        (paid - now).saturating_sub(EACH * BURST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bursts_are_free_and_storms_are_not() {
        let (mut pace, start) = (Pace::default(), Instant::now());
        let rests: Vec<Duration> = (0..12).map(|_| pace.rest_at(start)).collect();
        assert_eq!(rests[..10], [Duration::ZERO; 10]);
        assert_eq!(rests[10..], [EACH, EACH * 2]);
        let mut now = start + Duration::from_secs(1);
        assert_eq!(pace.rest_at(now), Duration::ZERO);
        let before = now;
        for _ in 0..1_000 {
            now += pace.rest_at(now);
        }
        assert!(now - before > Duration::from_secs(48), "{:?}", now - before);
    }
}
