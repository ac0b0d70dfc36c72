//! The store: what every source says, folded into the one snapshot that everybody reads.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use arc_swap::Guard;
use engine::Snapshot;
use tokio::sync::watch;
use tokio::task::AbortHandle;

use crate::intake::{Shared, locked};
use crate::keep;
use crate::origin::Origin;
use crate::source::Source;
use crate::status::{SourceStatus, State};
use crate::supervise::supervise;
use crate::tend::{bridge, tend};

/// How a store works.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How definitions are compiled.
    pub engine: engine::Options,
    /// Refuse a document with any problem whole, warnings included.
    pub strict: bool,
    /// The most bytes of a document.
    pub max_bytes: usize,
    /// The most flags of a document.
    pub max_flags: usize,
    /// The wall clock, for telling people when.
    pub clock: fn() -> SystemTime,
    /// Where accepted documents are kept for a start without their origins; `None` keeps none.
    pub state_dir: Option<PathBuf>,
    /// How many documents of a source are kept there.
    pub generations: usize,
    /// How long a source may be in trouble before its flags count as stale.
    pub stale_after: Duration,
    /// How answers say that they may be out of date.
    pub stale_answers: StaleAnswers,
    /// How long a document is held back that removes most flags; `None` takes it at once.
    pub shrink_hold: Option<Duration>,
    /// When the store counts as ready.
    pub readiness: Readiness,
}

/// How answers of a stale source say so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StaleAnswers {
    /// They do not.
    Plain,
    /// By metadata: `"stale": true`.
    Metadata,
    /// By metadata, and by the reason `STALE` in place of the usual one.
    Reason,
}

/// When a store counts as ready, beyond that a document of each source is in service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Readiness {
    /// No source is stale.
    Fresh,
    /// Nothing more is asked.
    StaleOk,
    /// No source has been out of touch for longer than this.
    MaxAge(Duration),
}

impl Settings {
    /// Defaults: documents of at most 64 MiB and 200,000 flags, problems tolerated flag by flag, no copies on disk, stale after a minute and
    /// said so in metadata, half a minute's wait for what removes most flags, ready with whatever can be served.
    pub fn new(clock: fn() -> SystemTime) -> Self {
        Self {
            engine: engine::Options::default(),
            strict: false,
            max_bytes: 64 << 20,
            max_flags: 200_000,
            clock,
            state_dir: None,
            generations: 5,
            stale_after: Duration::from_secs(60),
            stale_answers: StaleAnswers::Metadata,
            shrink_hold: Some(Duration::from_secs(30)),
            readiness: Readiness::StaleOk,
        }
    }
}

/// An origin and the source that follows it.
pub type Followed = (Origin, Box<dyn Source>);

/// The flags of all sources, kept up to date for as long as it lives.
#[derive(Debug)]
pub struct Store {
    pub(crate) shared: Arc<Shared>,
    tasks: Vec<AbortHandle>,
}

impl Store {
    /// Follows `sources`, a later one winning over an earlier one. Must be called in a Tokio runtime.
    pub fn open(settings: Settings, sources: Vec<Followed>) -> Self {
        let read = |(origin, source): Followed| ((origin, source.reader()), source);
        let (origins, sources): (Vec<_>, Vec<_>) = sources.into_iter().map(read).unzip();
        let shared = Arc::new(Shared::new(settings, origins));
        let start =
            |(slot, source)| tokio::spawn(supervise(Arc::clone(&shared), slot, source)).abort_handle();
        let mut tasks: Vec<_> = sources.into_iter().enumerate().map(start).collect();
        if shared.keeper.is_some() {
            keep::start(&shared);
            let bridge = |slot| tokio::spawn(bridge(Arc::clone(&shared), slot)).abort_handle();
            tasks.extend((0..shared.slots.len()).map(bridge));
        }
        tasks.push(tokio::spawn(tend(Arc::clone(&shared))).abort_handle());
        Self { shared, tasks }
    }

    /// Waits until the copies on disk are those of the documents that were accepted, but no longer than `patience`. Blocks; for
    /// whoever is about to end the process.
    pub fn settle(&self, patience: Duration) {
        if let Some(keeper) = &self.shared.keeper {
            keeper.settle(patience);
        }
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
    pub fn loaded(&self) -> bool {
        self.each(|status| status.ready)
    }

    /// Whether the store is loaded, and as fresh as [`Settings::readiness`] asks.
    pub fn ready(&self) -> bool {
        self.each(|status| {
            status.ready
                && match self.shared.settings.readiness {
                    Readiness::Fresh => status.stale.is_none(),
                    Readiness::StaleOk => true,
                    Readiness::MaxAge(age) => status.out_of_touch() <= age,
                }
        })
    }

    fn each(&self, holds: impl Fn(&SourceStatus) -> bool) -> bool {
        !self.shared.slots.is_empty() && self.shared.slots.iter().all(|slot| holds(&locked(&slot.status)))
    }

    /// Has the sources that are `meant` ask their origins at once, as far as they ask: somebody has news of them. A source
    /// that an origin has told to wait does wait. Gives their names, as people may see them.
    pub fn kick(&self, meant: impl Fn(&Origin) -> bool) -> Vec<String> {
        let slots = self.shared.slots.iter().filter(|slot| meant(&slot.origin));
        slots
            .map(|slot| {
                slot.kick.notify_one();
                slot.origin.to_string()
            })
            .collect()
    }

    /// Waits until each source has said something for the first time: a document accepted or refused, or that it cannot
    /// be read; or until a copy of it is served. Then tells what is known.
    pub async fn first_load(&self) -> Vec<SourceStatus> {
        let mut news = self.subscribe_status();
        let heard = |status: &SourceStatus| status.ready || status.state != State::Pending;
        let all = |_: &u64| self.shared.slots.iter().all(|slot| heard(&locked(&slot.status)));
        // The sender lives in `self`, so that waiting cannot fail.
        let _ = news.wait_for(all).await;
        self.sources()
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        self.tasks.iter().for_each(AbortHandle::abort);
        if let Some(keeper) = &self.shared.keeper {
            keeper.close();
        }
    }
}
