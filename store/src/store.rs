//! The store: what every source says, folded into the one snapshot that everybody reads.

use std::sync::Arc;
use std::time::SystemTime;

use arc_swap::Guard;
use engine::Snapshot;
use tokio::sync::watch;
use tokio::task::AbortHandle;

use crate::intake::{Shared, locked};
use crate::origin::Origin;
use crate::source::Source;
use crate::status::{SourceStatus, State};
use crate::supervise::supervise;

/// How a store works.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// How definitions are compiled.
    pub engine: engine::Options,
    /// Refuse a document with any problem whole, warnings included.
    pub strict: bool,
    /// The most bytes of a document.
    pub max_bytes: usize,
    /// The wall clock, for telling people when.
    pub clock: fn() -> SystemTime,
}

impl Settings {
    /// Defaults: documents of at most 64 MiB, problems tolerated flag by flag.
    pub fn new(clock: fn() -> SystemTime) -> Self {
        Self { engine: engine::Options::default(), strict: false, max_bytes: 64 << 20, clock }
    }
}

/// An origin and the source that follows it.
pub type Followed = (Origin, Box<dyn Source>);

/// The flags of all sources, kept up to date for as long as it lives.
#[derive(Debug)]
pub struct Store {
    shared: Arc<Shared>,
    tasks: Vec<AbortHandle>,
}

impl Store {
    /// Follows `sources`, a later one winning over an earlier one. Must be called in a Tokio runtime.
    pub fn open(settings: Settings, sources: Vec<Followed>) -> Self {
        let (origins, sources): (Vec<_>, Vec<_>) = sources.into_iter().unzip();
        let shared = Arc::new(Shared::new(settings, origins));
        let start =
            |(slot, source)| tokio::spawn(supervise(Arc::clone(&shared), slot, source)).abort_handle();
        let tasks = sources.into_iter().enumerate().map(start).collect();
        Self { shared, tasks }
    }

    /// The flags as of now. Never waits. Read once per request and keep what was read.
    #[inline]
    pub fn read(&self) -> Guard<Arc<Snapshot>> {
        self.shared.snapshot.load()
    }

    /// The generation of the latest snapshot; it changes when flags do and only then.
    pub fn subscribe(&self) -> watch::Receiver<u64> {
        self.shared.generation.subscribe()
    }

    /// A number that changes whenever something in [`sources`](Self::sources) may have.
    pub fn subscribe_status(&self) -> watch::Receiver<u64> {
        self.shared.news.subscribe()
    }

    /// What is known about each source, by rising priority.
    pub fn sources(&self) -> Vec<SourceStatus> {
        self.shared.slots.iter().map(|slot| locked(&slot.status).clone()).collect()
    }

    /// Whether there are sources and a document of each is in service.
    pub fn ready(&self) -> bool {
        !self.shared.slots.is_empty() && self.shared.slots.iter().all(|slot| locked(&slot.status).ready)
    }

    /// Waits until each source has said something for the first time: a document accepted or refused, or that it cannot
    /// be read. Then tells what is known.
    pub async fn first_load(&self) -> Vec<SourceStatus> {
        let mut news = self.subscribe_status();
        let heard =
            |_: &u64| self.shared.slots.iter().all(|slot| locked(&slot.status).state != State::Pending);
        // The sender lives in `self`, so that waiting cannot fail.
        let _ = news.wait_for(heard).await;
        self.sources()
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        self.tasks.iter().for_each(AbortHandle::abort);
    }
}
