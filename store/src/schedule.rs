//! When an origin that has to be asked is asked again.

use std::time::{Duration, SystemTime};

use crate::supervise::jitter;

/// The rhythm of a poll.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Schedule {
    interval: Duration,
    phase: Option<Duration>,
}

impl Schedule {
    /// Every `interval`, give or take a tenth so that many daemons do not ask in step.
    pub fn every(interval: Duration) -> Self {
        Self { interval, phase: None }
    }

    /// Every `interval`, at the moments that `seed` stands for if there is one.
    pub(crate) fn of(interval: Duration, seed: Option<&str>) -> Self {
        match seed.filter(|seed| !seed.is_empty()) {
            Some(seed) => Self::seeded(interval, seed),
            None => Self::every(interval),
        }
    }

    /// Whenever the Unix time in seconds, divided by `interval`, leaves the remainder that `seed` stands for: FNV-1a of 32
    /// bits modulo the interval (contract 9.2, with UTC in place of local midnight). Daemons with different seeds ask at
    /// different moments, and each keeps its own after a restart.
    pub fn seeded(interval: Duration, seed: &str) -> Self {
        let interval = interval.max(Duration::from_secs(1));
        let hash = seed
            .bytes()
            .fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
        Self { interval, phase: Some(Duration::from_secs(u64::from(hash) % interval.as_secs())) }
    }

    /// How long to wait at `now`.
    pub fn wait(&self, now: SystemTime) -> Duration {
        let Some(phase) = self.phase else { return self.interval.mul_f64(0.9 + 0.2 * jitter()) };
        let since = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default() + self.interval - phase;
        let into = Duration::from_nanos((since.as_nanos() % self.interval.as_nanos()) as u64);
        self.interval - into
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_fixes_the_phase() {
        // The worked example of the contract: the hash is 688919864, the interval 77 s, the offset 17 s.
        let schedule = Schedule::seeded(Duration::from_secs(77), "my-pod-123");
        assert_eq!(schedule.phase, Some(Duration::from_secs(17)));
        let at = |millis| SystemTime::UNIX_EPOCH + Duration::from_millis(millis);
        assert_eq!(schedule.wait(at(77_000)), Duration::from_secs(17));
        assert_eq!(schedule.wait(at(16_250)), Duration::from_millis(750));
        assert_eq!(schedule.wait(at(17_000)), Duration::from_secs(77));
        assert_eq!(schedule.wait(at(770_000 + 20_000)), Duration::from_secs(74));
    }

    #[test]
    fn without_a_seed_waits_differ_by_a_tenth_at_most() {
        let schedule = Schedule::every(Duration::from_secs(10));
        for _ in 0..100 {
            let wait = schedule.wait(SystemTime::UNIX_EPOCH).as_secs_f64();
            assert!((9.0..=11.0).contains(&wait), "{wait}");
        }
    }
}
