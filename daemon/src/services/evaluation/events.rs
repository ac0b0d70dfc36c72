//! EventStream: readiness, changes of the selected flags, signs of life, farewell (contract 3.13).
//!
//! A stream remembers which snapshot its client knows and tells the difference to the newest one, so that a slow client
//! costs nothing and misses nothing: what changed twice is told once. Differences are worked out once per selector and
//! generation, however many streams wait for them.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use engine::{Selector, Snapshot};
use futures_util::{StreamExt, stream};
use proto::Struct;
use store::{Store, diff};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};
use tonic::Status;

use super::convert::changes;
use crate::services::grpc::{self, FrameStream};

/// How long a stream is silent before it gives a sign of life.
const SILENCE: Duration = Duration::from_secs(20);

/// How many past snapshots are kept for streams that lag behind. A stream that lags further is ended: its client connects
/// anew and starts from what is true then.
const SNAPSHOTS: usize = 64;

/// How many differences are remembered; each is one selector's from one past generation to the newest.
const DIFFERENCES: usize = 1024;

/// What a stream tells.
#[derive(Clone, Debug)]
pub(super) enum Event {
    /// The first word.
    Ready,
    /// Flags changed.
    Changed(Arc<Struct>),
    /// Nothing happened for a while.
    KeepAlive,
    /// The last word.
    Shutdown,
}

impl Event {
    /// The event's name on the wire.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Ready => "provider_ready",
            Self::Changed(_) => "configuration_change",
            Self::KeepAlive => "keep_alive",
            Self::Shutdown => "provider_shutdown",
        }
    }

    /// What comes with it. A sign of life has nothing at all, which differs from an empty object.
    pub(super) fn data(self) -> Option<Struct> {
        match self {
            Self::Ready | Self::Shutdown => Some(Struct::default()),
            Self::Changed(changes) => Some(Arc::unwrap_or_clone(changes)),
            Self::KeepAlive => None,
        }
    }
}

/// What all streams share.
#[derive(Debug)]
pub(super) struct Hub {
    store: Arc<Store>,
    closing: watch::Receiver<bool>,
    memory: Mutex<Memory>,
}

#[derive(Debug, Default)]
struct Memory {
    /// Snapshots that streams still refer to, oldest first.
    snapshots: VecDeque<Arc<Snapshot>>,
    /// The generation that `differences` lead to.
    newest: u64,
    /// By selector and the generation they start from; `None` if nothing differs.
    differences: HashMap<(Arc<str>, u64), Option<Arc<Struct>>>,
}

/// A client fell so far behind that nobody knows any more what it has seen.
struct Lost;

impl Hub {
    pub(super) fn new(store: Arc<Store>, closing: watch::Receiver<bool>) -> Self {
        Self { store, closing, memory: Mutex::default() }
    }

    /// Opens a stream over the flags of `selector`, a valid one.
    pub(super) fn listen(self: &Arc<Self>, selector: Arc<str>, deadline: Option<Duration>) -> Listener {
        // Subscribed before the snapshot is read: a change in between is noticed and found to be known already.
        let news = self.store.subscribe();
        let now = Instant::now();
        Listener {
            seen: self.keep(&self.store.read()),
            hub: Arc::clone(self),
            selector,
            news,
            closing: self.closing.clone(),
            stage: Stage::Fresh,
            spoken: now,
            deadline: deadline.map(|deadline| now + deadline),
        }
    }

    /// Keeps `snapshot` for as long as what is returned lives, or newer ones crowd it out.
    fn keep(&self, snapshot: &Arc<Snapshot>) -> Weak<Snapshot> {
        self.memory().keep(snapshot)
    }

    /// What changed for `selector` since `seen`, and the snapshot that is seen then.
    fn since(
        &self,
        seen: &Weak<Snapshot>,
        selector: &Arc<str>,
    ) -> Result<(Weak<Snapshot>, Option<Arc<Struct>>), Lost> {
        let mut memory = self.memory();
        let old = seen.upgrade().ok_or(Lost)?;
        let new = self.store.read();
        if new.generation() != memory.newest {
            memory.newest = new.generation();
            memory.differences.clear();
        }
        let kept = memory.keep(&new);
        let key = (Arc::clone(selector), old.generation());
        if let Some(known) = memory.differences.get(&key) {
            return Ok((kept, known.clone()));
        }
        // The selector was valid when the stream was opened.
        let selector = Selector::parse(selector).unwrap_or_default();
        let found = diff(&old, &new, &selector);
        let found = (!found.is_empty()).then(|| Arc::new(changes(&found)));
        if memory.differences.len() < DIFFERENCES {
            memory.differences.insert(key, found.clone());
        }
        Ok((kept, found))
    }

    fn memory(&self) -> std::sync::MutexGuard<'_, Memory> {
        // Nothing in it can be left half done: what is missing is worked out again.
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Memory {
    fn keep(&mut self, snapshot: &Arc<Snapshot>) -> Weak<Snapshot> {
        if let Some(known) = self.snapshots.iter().find(|known| Arc::ptr_eq(known, snapshot)) {
            return Arc::downgrade(known);
        }
        self.snapshots.retain(|known| Arc::weak_count(known) > 0);
        if self.snapshots.len() >= SNAPSHOTS {
            self.snapshots.pop_front();
        }
        self.snapshots.push_back(Arc::clone(snapshot));
        Arc::downgrade(snapshot)
    }
}

/// Where a stream is in its life.
enum Stage {
    Fresh,
    Open,
    Over,
}

/// One client's stream.
pub(super) struct Listener {
    hub: Arc<Hub>,
    selector: Arc<str>,
    seen: Weak<Snapshot>,
    news: watch::Receiver<u64>,
    closing: watch::Receiver<bool>,
    stage: Stage,
    /// When the client heard something last.
    spoken: Instant,
    deadline: Option<Instant>,
}

impl Listener {
    /// The stream in the shape of a version.
    pub(super) fn frames<T: From<Event> + prost::Message>(self) -> FrameStream {
        let told = stream::unfold(self, |mut listener| async move {
            let event = listener.next().await?;
            Some((event, listener))
        });
        Box::pin(told.map(|event| event.map(|event| grpc::frame(&T::from(event)))))
    }

    async fn next(&mut self) -> Option<Result<Event, Status>> {
        match self.stage {
            Stage::Fresh => {
                self.stage = Stage::Open;
                Some(Ok(Event::Ready))
            }
            Stage::Over => None,
            Stage::Open => {
                let event = self.wait().await;
                if matches!(event, Err(_) | Ok(Event::Shutdown)) {
                    self.stage = Stage::Over;
                }
                self.spoken = Instant::now();
                Some(event)
            }
        }
    }

    async fn wait(&mut self) -> Result<Event, Status> {
        loop {
            let silence = self.spoken + SILENCE;
            let alarm = self.deadline.map_or(silence, |deadline| deadline.min(silence));
            tokio::select! {
                biased;
                // Whoever could close it having gone means the same.
                _ = self.closing.wait_for(|closing| *closing) => return Ok(Event::Shutdown),
                Ok(()) = self.news.changed() => {
                    let (seen, changes) = self.hub.since(&self.seen, &self.selector).map_err(Status::from)?;
                    self.seen = seen;
                    if let Some(changes) = changes {
                        return Ok(Event::Changed(changes));
                    }
                }
                () = sleep_until(alarm) => {
                    return if alarm < silence { Err(timed_out()) } else { Ok(Event::KeepAlive) };
                }
            }
        }
    }
}

impl From<Lost> for Status {
    fn from(_: Lost) -> Self {
        Self::unavailable("the stream fell too far behind; connect again")
    }
}

fn timed_out() -> Status {
    Status::deadline_exceeded("stream closed due to server-side timeout")
}
