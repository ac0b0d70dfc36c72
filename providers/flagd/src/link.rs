//! How the provider stands with its server (contract 11.2).
//!
//! ```text
//!  starting --up--> READY --down--> STALE --grace period--> ERROR
//!     |               ^               |                       |
//!     |               +------up-------+-----------up----------+        fatal: from anywhere, for good
//!     +--deadline--> ERROR
//! ```

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use kit::Emitter;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

/// The one writer of the provider's state.
#[derive(Debug)]
pub(crate) struct Link {
    emitter: Emitter,
    grace: Duration,
    standing: Mutex<Standing>,
    news: Notify,
}

#[derive(Debug)]
struct Standing {
    phase: Phase,
    /// Why it is not up.
    why: Arc<str>,
}

/// Where it stands, and until when at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Starting(Instant),
    Up,
    Stale(Instant),
    Failed,
    Fatal,
}

impl Link {
    /// Gives the start `deadline`, and a lost connection `grace`, before either counts as failed.
    pub(crate) fn new(emitter: Emitter, deadline: Duration, grace: Duration) -> Arc<Self> {
        let why = format!("no answer within {deadline:?}").into();
        let standing = Standing { phase: Phase::Starting(later(deadline)), why };
        Arc::new(Self { emitter, grace, standing: Mutex::new(standing), news: Notify::new() })
    }

    pub(crate) fn emitter(&self) -> &Emitter {
        &self.emitter
    }

    /// The server is there and what is known of it is current.
    pub(crate) fn up(&self) {
        let mut standing = self.standing();
        if !matches!(standing.phase, Phase::Up | Phase::Fatal) {
            standing.phase = Phase::Up;
            self.emitter.became_ready();
            self.news.notify_one();
        }
    }

    /// The server is lost, or says what cannot be used.
    pub(crate) fn down(&self, why: impl Into<Arc<str>>) {
        let mut standing = self.standing();
        standing.why = why.into();
        match standing.phase {
            Phase::Up => self.grow_stale(&mut standing),
            // Not an event, but what people read.
            Phase::Failed => self.emitter.failed(Arc::clone(&standing.why)),
            Phase::Starting(_) | Phase::Stale(_) | Phase::Fatal => {}
        }
    }

    /// Flags of an earlier time answer until the server does.
    pub(crate) fn bridged(&self, why: impl Into<Arc<str>>) {
        let mut standing = self.standing();
        if matches!(standing.phase, Phase::Starting(_)) {
            standing.why = why.into();
            self.grow_stale(&mut standing);
        }
    }

    /// The server refuses for good.
    pub(crate) fn fatal(&self, why: impl Into<Arc<str>>) {
        let mut standing = self.standing();
        standing.phase = Phase::Fatal;
        standing.why = why.into();
        self.emitter.failed_for_good(Arc::clone(&standing.why));
        self.news.notify_one();
    }

    /// Lets time pass for as long as it is polled; `forget` is called when what was kept is no longer to be trusted.
    pub(crate) async fn tend(&self, forget: impl Fn()) {
        loop {
            let due = match self.standing().phase {
                Phase::Starting(due) | Phase::Stale(due) => Some(due),
                Phase::Up | Phase::Failed | Phase::Fatal => None,
            };
            match due {
                None => self.news.notified().await,
                Some(due) => tokio::select! {
                    () = self.news.notified() => {}
                    () = sleep_until(due) => self.expire(&forget),
                },
            }
        }
    }

    fn grow_stale(&self, standing: &mut Standing) {
        standing.phase = Phase::Stale(later(self.grace));
        self.emitter.became_stale(Arc::clone(&standing.why));
        self.news.notify_one();
    }

    fn expire(&self, forget: &impl Fn()) {
        let mut standing = self.standing();
        if let Phase::Starting(due) | Phase::Stale(due) = standing.phase
            && due <= Instant::now()
        {
            standing.phase = Phase::Failed;
            forget();
            self.emitter.failed(Arc::clone(&standing.why));
        }
    }

    fn standing(&self) -> MutexGuard<'_, Standing> {
        self.standing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// So much later; a time that no clock reaches is as good as never.
fn later(time: Duration) -> Instant {
    const NEVER: Duration = Duration::from_secs(30 * 365 * 24 * 3600);
    Instant::now() + time.min(NEVER)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use kit::EventKind;

    use super::*;

    fn link() -> (Arc<Link>, Arc<Mutex<Vec<EventKind>>>) {
        let emitter = Emitter::new("test");
        let seen = Arc::new(Mutex::new(Vec::new()));
        for kind in [EventKind::Ready, EventKind::Stale, EventKind::Error] {
            let seen = Arc::clone(&seen);
            emitter.on(kind, move |event| seen.lock().expect("no panic").push(event.kind));
        }
        (Link::new(emitter, Duration::from_millis(500), Duration::from_secs(5)), seen)
    }

    #[tokio::test(start_paused = true)]
    async fn stale_first_and_after_the_grace_period_an_error() {
        let (link, seen) = link();
        let forgotten = AtomicUsize::new(0);
        let tending = link.tend(|| {
            forgotten.fetch_add(1, Ordering::Relaxed);
        });
        let story = async {
            link.up();
            link.down("lost");
            tokio::time::sleep(Duration::from_secs(4)).await;
            link.up();
            link.down("lost again");
            tokio::time::sleep(Duration::from_secs(4)).await;
            assert_eq!(forgotten.load(Ordering::Relaxed), 0, "the grace period begins anew");
            tokio::time::sleep(Duration::from_secs(2)).await;
            link.down("still");
            link.up();
        };
        tokio::select! { () = tending => {}, () = story => {} }
        use EventKind::{Error, Ready, Stale};
        assert_eq!(*seen.lock().expect("no panic"), [Ready, Stale, Ready, Stale, Error, Ready]);
        assert_eq!(forgotten.load(Ordering::Relaxed), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_start_has_its_deadline_and_a_fatal_end_is_the_end() {
        let (link, seen) = link();
        let story = async {
            link.down("connection refused");
            tokio::time::sleep(Duration::from_millis(400)).await;
            assert!(seen.lock().expect("no panic").is_empty());
            tokio::time::sleep(Duration::from_millis(200)).await;
            assert_eq!(link.emitter().message().as_deref(), Some("connection refused"));
            link.fatal("forbidden");
            link.up();
        };
        tokio::select! { () = link.tend(|| {}) => {}, () = story => {} }
        assert_eq!(*seen.lock().expect("no panic"), [EventKind::Error, EventKind::Error]);
        assert_eq!(link.emitter().state(), kit::State::Fatal);
    }
}
