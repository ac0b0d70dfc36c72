//! Asking a backend again and again, without doing it harm.

use std::future::Future;
use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

/// How long to wait after failures: doubled from the first to the longest, a fifth of it by chance so that many clients
/// do not come back in step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    first: Duration,
    longest: Duration,
    failures: u32,
}

impl Backoff {
    /// From `first` to `longest`.
    pub fn new(first: Duration, longest: Duration) -> Self {
        Self { first, longest: longest.max(first), failures: 0 }
    }

    /// Counts a failure; gives how long to wait after it.
    pub fn fail(&mut self) -> Duration {
        let doubled = self.first.saturating_mul(2_u32.saturating_pow(self.failures));
        self.failures = self.failures.saturating_add(1);
        doubled.min(self.longest).mul_f64(0.8 + 0.2 * chance())
    }

    /// Forgets the failures.
    pub fn succeed(&mut self) {
        self.failures = 0;
    }

    /// How many failures there were since the last success.
    pub fn failures(&self) -> u32 {
        self.failures
    }
}

/// The rhythm of a poll.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rhythm {
    /// Between two answers, give or take a tenth.
    pub interval: Duration,
    /// After failures.
    pub backoff: Backoff,
}

impl Rhythm {
    /// Every `interval`, and after failures from one second up to the interval, at least half a minute.
    pub fn every(interval: Duration) -> Self {
        let longest = interval.max(Duration::from_secs(30));
        Self { interval, backoff: Backoff::new(Duration::from_secs(1).min(longest), longest) }
    }
}

/// Why one round of a poll failed, and what is to be done about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Setback {
    /// Try again after the backoff.
    Again,
    /// Try again not before this, because the backend said so.
    After(Duration),
    /// Never try again.
    Never,
}

/// Calls `round` at once and then in `rhythm`, until it says [`Setback::Never`]. Dropping the future is the stop.
pub async fn poll<F, R>(mut rhythm: Rhythm, mut round: F)
where
    F: FnMut() -> R,
    R: Future<Output = Result<(), Setback>>,
{
    loop {
        let rest = match round().await {
            Ok(()) => {
                rhythm.backoff.succeed();
                rhythm.interval.mul_f64(0.9 + 0.2 * chance())
            }
            Err(Setback::Again) => rhythm.backoff.fail(),
            Err(Setback::After(rest)) => rhythm.backoff.fail().max(rest),
            Err(Setback::Never) => return,
        };
        tokio::time::sleep(rest).await;
    }
}

/// A number from 0 to 1. Each hasher of the standard library has keys of its own, which is chance enough to spread load.
fn chance() -> f64 {
    let bits = RandomState::new().hash_one(()) >> 11;
    bits as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use tokio::time::Instant;

    use super::*;

    #[test]
    fn backoff_doubles_up_to_its_longest() {
        let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(5));
        for longest in [1.0, 2.0, 4.0, 5.0, 5.0] {
            let rest = backoff.fail().as_secs_f64();
            assert!((longest * 0.8..=longest).contains(&rest), "{rest} for {longest}");
        }
        for _ in 0..100 {
            backoff.fail();
        }
        backoff.succeed();
        assert!(backoff.fail() <= Duration::from_secs(1));
    }

    #[tokio::test(start_paused = true)]
    async fn rounds_follow_success_failure_and_what_the_backend_says() {
        let start = Instant::now();
        let rounds = RefCell::new(Vec::new());
        poll(Rhythm::every(Duration::from_secs(60)), || {
            rounds.borrow_mut().push(start.elapsed().as_secs_f64());
            let answer = match rounds.borrow().len() {
                1 => Err(Setback::Again),
                2 => Ok(()),
                3 => Err(Setback::After(Duration::from_secs(300))),
                _ => Err(Setback::Never),
            };
            async move { answer }
        })
        .await;
        let rounds = rounds.into_inner();
        assert_eq!(rounds.len(), 4);
        assert!(rounds[1] <= 1.01, "{rounds:?}");
        assert!((54.0..=67.0).contains(&rounds[2]), "{rounds:?}");
        assert!(rounds[3] - rounds[2] >= 300.0, "{rounds:?}");
    }
}
