//! Keeps a source following: starts it, backs off, says how it is doing. Dropping the task is the stop.

use std::convert::Infallible;
use std::future::poll_fn;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use crate::intake::Shared;
use crate::source::{Feed, Retry, Source, SourceError, panic_text};
use crate::tend::fall_back;

const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// Follows one origin for as long as the task lives. No two sources share anything but the snapshot.
pub(crate) async fn supervise(shared: Arc<Shared>, slot: usize, mut source: Box<dyn Source>) {
    let mut failures = 0;
    loop {
        let mut feed = Feed::new(&shared, slot);
        let Err(error) = contained(&mut *source, &mut feed).await;
        failures = if feed.delivered { 0 } else { failures + 1 };
        fall_back(&shared, slot).await;
        shared.unreachable(slot, &error);
        match error.retry {
            Retry::Never => return,
            Retry::After(wait) => tokio::time::sleep(wait).await,
            Retry::Backoff => feed.rest(backoff(failures)).await,
        }
    }
}

/// Follows, and turns a panic into an error: one source's fault is no other's.
pub(crate) async fn contained(
    source: &mut dyn Source,
    feed: &mut Feed<'_>,
) -> Result<Infallible, SourceError> {
    let mut following = source.follow(feed);
    poll_fn(move |cx| {
        catch_unwind(AssertUnwindSafe(|| following.as_mut().poll(cx))).unwrap_or_else(|payload| {
            let what = format!("internal error: {}", panic_text(&*payload));
            Poll::Ready(Err(SourceError { what, place: "source".to_owned(), retry: Retry::Backoff }))
        })
    })
    .await
}

/// Full jitter: anything up to a bound that doubles with every failure, and never less than a tenth of it.
pub(crate) fn backoff(failures: u32) -> Duration {
    let bound = FIRST_WAIT.saturating_mul(1 << failures.min(16)).min(LONGEST_WAIT);
    bound.mul_f64(0.1 + 0.9 * jitter())
}

/// A random number from 0 up to 1, good enough to keep daemons out of step.
pub(crate) fn jitter() -> f64 {
    let random = RandomState::new().build_hasher().finish();
    (random >> 11) as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backoff_stays_within_bounds_and_varies() {
        for failures in 0..100 {
            let wait = backoff(failures);
            assert!(wait >= FIRST_WAIT.mul_f64(0.1) && wait <= LONGEST_WAIT, "{failures}: {wait:?}");
        }
        let waits: Vec<_> = (0..20).map(|_| backoff(8)).collect();
        assert!(waits.iter().any(|wait| *wait != waits[0]));
    }
}
