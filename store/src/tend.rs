//! What happens by the mere passing of time: flags grow stale, what was held back is taken, overrides end.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crate::intake::{Outcome, Shared, Slot, locked};
use crate::status::{SourceStatus, State};

/// How long nothing needs to be looked at when nothing is due.
const IDLE: Duration = Duration::from_secs(3_600);
/// How long an origin may take to answer at the start before its copy on disk is served.
const PATIENCE: Duration = Duration::from_millis(40);

/// Looks after `shared` for as long as the task lives: whenever something is due, or somebody's status changed.
pub(crate) async fn tend(shared: Arc<Shared>) {
    let mut news = shared.news.subscribe();
    loop {
        let work = Arc::clone(&shared);
        // Rules are none of the runtime's threads' business; a panic there ends this round, not the next.
        let next = tokio::task::spawn_blocking(move || work.attend()).await.unwrap_or(IDLE);
        if shared.overrides_ended.swap(false, Ordering::Relaxed) {
            let work = Arc::clone(&shared);
            // Not waited for: a disk may take its time.
            drop(tokio::task::spawn_blocking(move || work.save_overrides()));
        }
        tokio::select! {
            _ = news.changed() => {}
            () = tokio::time::sleep(next) => {}
        }
    }
}

/// Serves a source's copy on disk unless its origin is quick.
pub(crate) async fn bridge(shared: Arc<Shared>, slot: usize) {
    tokio::time::sleep(PATIENCE).await;
    fall_back(&shared, slot).await;
}

/// Serves a source's copy on disk if it has nothing in service.
pub(crate) async fn fall_back(shared: &Arc<Shared>, slot: usize) {
    if shared.keeper.is_some() && !locked(&shared.slots[slot].status).ready {
        let shared = Arc::clone(shared);
        // A panic has been said by the thread it was on; then there is no copy.
        let _ = tokio::task::spawn_blocking(move || shared.fall_back(slot)).await;
    }
}

impl Shared {
    /// Does what is due, and says when something will be next.
    fn attend(&self) -> Duration {
        let mut next = self.expire_overrides().unwrap_or(IDLE);
        for (at, slot) in self.slots.iter().enumerate() {
            let release = self.settings.shrink_hold.and_then(|hold| self.release_due(at, slot, hold));
            for due in [release, self.stale_due(slot)].into_iter().flatten() {
                next = next.min(due);
            }
        }
        // Never in a hurry, even if what is due cannot be done.
        next.max(Duration::from_millis(10))
    }

    /// Takes what has been held back for long enough, if the origin can still be read and has nothing else; else says how
    /// long it will be.
    fn release_due(&self, at: usize, slot: &Slot, hold: Duration) -> Option<Duration> {
        if locked(&slot.status).state != State::Held || self.release(at, hold) {
            return None;
        }
        match &locked(&slot.last).as_ref()?.outcome {
            Outcome::Held(held) => Some(hold.saturating_sub(held.since.elapsed())),
            Outcome::Accepted | Outcome::RolledBack | Outcome::Refused(_) => None,
        }
    }

    /// Has flags shown as stale if it is time; else says how long it will be.
    fn stale_due(&self, slot: &Slot) -> Option<Duration> {
        let folding = locked(&self.folding);
        let wait = {
            let status = locked(&slot.status);
            stale_in(&status, self.settings.stale_after, Instant::now())?
        };
        if wait.is_zero() {
            tracing::warn!(source = %slot.origin, "STALE: the flags in service may be out of date");
            self.mark(&folding, slot, true);
            return None;
        }
        Some(wait)
    }
}

/// How long until the flags in service count as stale, if they do not yet and will.
fn stale_in(status: &SourceStatus, grace: Duration, now: Instant) -> Option<Duration> {
    let troubled = status.troubled.filter(|_| status.ready && status.stale.is_none())?;
    Some(grace.saturating_sub(now.saturating_duration_since(troubled.since)))
}
