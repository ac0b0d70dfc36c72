//! The store: what every source says, folded into the one snapshot that everybody reads.

use std::fmt::Write as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Instant, SystemTime};

use arc_swap::{ArcSwap, Guard};
use engine::{Compiled, Definition, Layer, Malformed, Problem, Severity, Snapshot};
use sha2::{Digest, Sha256};
use tokio::sync::watch;
use tokio::task::AbortHandle;

use crate::document::{self, json_text};
use crate::origin::Origin;
use crate::source::{Delivery, Retry, Source, SourceError, Verdict};
use crate::status::{Kept, Notices, Seen, SourceStatus, State};
use crate::supervise::supervise;
use crate::{change, merge};

/// How many problems of one document are logged line by line.
const LOGGED: usize = 10;

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

/// The flags of all sources, kept up to date for as long as it lives.
#[derive(Debug)]
pub struct Store {
    shared: Arc<Shared>,
    tasks: Vec<AbortHandle>,
}

impl Store {
    /// Follows `sources`, a later one winning over an earlier one. Must be called in a Tokio runtime.
    pub fn open(settings: Settings, sources: Vec<(Origin, Box<dyn Source>)>) -> Self {
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

/// What the tasks of a store share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) settings: Settings,
    slots: Box<[Slot]>,
    snapshot: ArcSwap<Snapshot>,
    generation: watch::Sender<u64>,
    news: watch::Sender<u64>,
    /// Held while layers are folded, so that folds come one after the other.
    folding: Mutex<()>,
}

/// One source's place.
#[derive(Debug)]
struct Slot {
    origin: Origin,
    /// Held while a document is worked on, so that a source's documents come one after the other.
    last: Mutex<Option<Last>>,
    layer: ArcSwap<Layer>,
    status: Mutex<SourceStatus>,
}

/// The document that came last.
#[derive(Debug)]
struct Last {
    digest: [u8; 32],
    refusal: Option<String>,
}

/// A document that is not taken into service.
struct Refusal {
    error: String,
    problems: Vec<Problem>,
}

/// What a document came to.
struct Accepted {
    layer: Layer,
    problems: Vec<Problem>,
    kept: Kept,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What a panicking thread left behind is whole: every change under these locks is one assignment after the other.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    fn new(settings: Settings, origins: Vec<Origin>) -> Self {
        let slot = |origin: Origin| Slot {
            status: Mutex::new(SourceStatus::new(&origin)),
            origin,
            last: Mutex::new(None),
            layer: ArcSwap::default(),
        };
        Self {
            settings,
            slots: origins.into_iter().map(slot).collect(),
            snapshot: ArcSwap::default(),
            generation: watch::Sender::new(0),
            news: watch::Sender::new(0),
            folding: Mutex::new(()),
        }
    }

    /// Takes a document in; blocks while it is parsed and compiled.
    pub(crate) fn receive(&self, at: usize, delivery: Delivery) -> Verdict {
        let slot = &self.slots[at];
        let mut last = locked(&slot.last);
        let digest: [u8; 32] = Sha256::digest(&delivery.bytes).into();
        if let Some(last) = last.as_ref().filter(|last| last.digest == digest) {
            self.still(slot, last);
            return last.verdict();
        }
        let refusal = match self.compile(slot, &delivery) {
            Ok(accepted) => {
                self.accept(at, accepted, &digest, delivery.revision);
                None
            }
            Err(_) if delivery.provisional => return Verdict::Refused,
            Err(refusal) => {
                let error = refusal.error.clone();
                self.report_refusal(slot, refusal);
                Some(error)
            }
        };
        last.insert(Last { digest, refusal }).verdict()
    }

    fn compile(&self, slot: &Slot, delivery: &Delivery) -> Result<Accepted, Refusal> {
        let settings = &self.settings;
        let text =
            json_text(&delivery.bytes, delivery.format, settings.max_bytes).map_err(Refusal::malformed)?;
        let definition = Definition::parse(&text).map_err(|error| match text {
            std::borrow::Cow::Borrowed(_) => Refusal::malformed(error),
            // Its place is in text that nobody has seen.
            std::borrow::Cow::Owned(_) => Refusal::malformed(Malformed { place: None, ..error }),
        })?;
        let previous = slot.layer.load_full();
        let Compiled { layer, mut problems } =
            engine::compile(&definition, slot.origin.name(), &settings.engine, Some(&previous));
        let worth_placing = problems.len().min(Notices::KEPT);
        document::place_problems(&mut problems[..worth_placing], &delivery.bytes, delivery.format);
        match objection(&layer, &problems, settings.strict) {
            Some(error) => Err(Refusal { error, problems }),
            None => Ok(Accepted { kept: kept(&layer, &problems), layer, problems }),
        }
    }

    fn accept(&self, at: usize, accepted: Accepted, digest: &[u8; 32], origin_revision: Option<String>) {
        let slot = &self.slots[at];
        let Accepted { layer, problems, kept } = accepted;
        let flags = layer.flags().len();
        let (generation, changed) = self.publish(slot, layer);
        log_problems(&slot.origin, &problems);
        tracing::info!(
            source = %slot.origin, generation, flags, changed, kept = kept.total, problems = problems.len(),
            "flags accepted"
        );
        self.update(slot, |status| {
            status.state = State::Ok;
            status.ready = true;
            status.last_success = Some(self.now());
            status.revision = Some(hex(digest));
            status.origin_revision = origin_revision;
            status.accepted += 1;
            status.generation = generation;
            status.flags = flags;
            status.error = None;
            status.problems = Notices::of(problems);
            status.kept = kept;
        });
    }

    /// Puts a source's new layer in place; gives the generation, and how many flags differ from before.
    fn publish(&self, slot: &Slot, layer: Layer) -> (u64, usize) {
        let _folding = locked(&self.folding);
        slot.layer.store(Arc::new(layer));
        let layers: Vec<_> = self.slots.iter().map(|slot| slot.layer.load_full()).collect();
        let current = self.snapshot.load_full();
        let next = Snapshot::fold(layers.iter().map(|layer| &**layer), current.generation() + 1);
        let changed = change::count(&current, &next);
        if changed == 0 {
            return (current.generation(), 0);
        }
        let generation = next.generation();
        self.report_shadowed(&next);
        self.snapshot.store(Arc::new(next));
        self.generation.send_replace(generation);
        (generation, changed)
    }

    /// Notes which flags another source hides, and logs those that it did not hide before.
    fn report_shadowed(&self, snapshot: &Snapshot) {
        let names = self.slots.iter().map(|slot| &**slot.origin.name());
        for (slot, shadowed) in self.slots.iter().zip(merge::shadowed(snapshot, names)) {
            let mut status = locked(&slot.status);
            let known = &status.shadowed.list;
            for problem in shadowed.list.iter().filter(|problem| !known.contains(problem)).take(LOGGED) {
                tracing::warn!(source = %slot.origin, "{problem}");
            }
            status.shadowed = shadowed;
        }
    }

    fn report_refusal(&self, slot: &Slot, refusal: Refusal) {
        log_problems(&slot.origin, &refusal.problems);
        self.refused(slot, refusal.error, refusal.problems);
    }

    fn refused(&self, slot: &Slot, error: String, problems: Vec<Problem>) {
        tracing::error!(source = %slot.origin, %error, "document refused, the one before stays in service");
        self.update(slot, |status| {
            status.state = State::Refused;
            status.refused += 1;
            status.error = Some(error);
            status.problems = Notices::of(problems);
        });
    }

    /// Notes that the origin has a document that is not even read.
    pub(crate) fn refuse(&self, at: usize, why: String) {
        let slot = &self.slots[at];
        *locked(&slot.last) = None;
        let known = {
            let status = locked(&slot.status);
            status.state == State::Refused && status.error.as_ref() == Some(&why)
        };
        if !known {
            self.refused(slot, why, Vec::new());
        }
    }

    /// Notes that the origin was asked and has nothing new.
    pub(crate) fn unchanged(&self, at: usize) {
        let slot = &self.slots[at];
        if let Some(last) = locked(&slot.last).as_ref() {
            self.still(slot, last);
        }
    }

    fn still(&self, slot: &Slot, last: &Last) {
        let was = locked(&slot.status).state;
        let (state, error) = match &last.refusal {
            None => (State::Ok, None),
            Some(error) => (State::Refused, Some(error.clone())),
        };
        let now = self.now();
        if was == state {
            if state == State::Ok {
                locked(&slot.status).last_success = Some(now);
            }
            return;
        }
        tracing::info!(source = %slot.origin, state = state.as_str(), "source is back with the document it had");
        self.update(slot, |status| {
            status.state = state;
            status.error = error;
            if state == State::Ok {
                status.last_success = Some(now);
            }
        });
    }

    /// Notes that the source stopped following.
    pub(crate) fn unreachable(&self, at: usize, error: &SourceError) {
        let slot = &self.slots[at];
        let state = if error.retry == Retry::Never { State::Stopped } else { State::Unreachable };
        let text = error.to_string();
        let known = {
            let status = locked(&slot.status);
            status.state == state && status.error.as_ref() == Some(&text)
        };
        if known {
            tracing::debug!(source = %slot.origin, error = %text, "source still cannot be read");
            return;
        }
        tracing::error!(source = %slot.origin, error = %text, "source cannot be read, its last flags stay in service");
        self.update(slot, |status| {
            status.state = state;
            status.error = Some(text);
        });
    }

    fn update(&self, slot: &Slot, change: impl FnOnce(&mut SourceStatus)) {
        change(&mut locked(&slot.status));
        self.news.send_modify(|news| *news += 1);
    }

    fn now(&self) -> Seen {
        Seen { at: (self.settings.clock)(), since: Instant::now() }
    }
}

impl Last {
    fn verdict(&self) -> Verdict {
        if self.refusal.is_some() { Verdict::Refused } else { Verdict::Accepted }
    }
}

impl Refusal {
    fn malformed(error: Malformed) -> Self {
        Self { error: error.to_string(), problems: Vec::new() }
    }
}

/// Why a document that could be compiled is refused whole all the same, if it is.
fn objection(layer: &Layer, problems: &[Problem], strict: bool) -> Option<String> {
    let mut errors = problems.iter().filter(|problem| problem.severity == Severity::Error);
    if let Some(whole) = errors.clone().find(|problem| problem.flag.is_none()) {
        return Some(whole.to_string());
    }
    match errors.next() {
        Some(first) if layer.flags().is_empty() => Some(format!("no flag can be served; {first}")),
        _ if strict => {
            let first = problems.first()?;
            Some(format!("{} problems, and strict takes none; {first}", problems.len()))
        }
        _ => None,
    }
}

/// The flags with an error that are in the layer nevertheless: it took them from the layer before.
fn kept(layer: &Layer, problems: &[Problem]) -> Kept {
    let errors = problems.iter().filter(|problem| problem.severity == Severity::Error);
    let spoilt: std::collections::BTreeSet<&str> =
        errors.filter_map(|problem| problem.flag.as_deref()).collect();
    let mut kept = Kept::default();
    if !spoilt.is_empty() {
        layer
            .flags()
            .iter()
            .filter(|flag| spoilt.contains(flag.key()))
            .for_each(|flag| kept.push(flag.key()));
    }
    kept
}

fn log_problems(origin: &Origin, problems: &[Problem]) {
    for problem in problems.iter().take(LOGGED) {
        match problem.severity {
            Severity::Error => tracing::error!(source = %origin, "{problem}"),
            Severity::Warning => tracing::warn!(source = %origin, "{problem}"),
        }
    }
    if problems.len() > LOGGED {
        tracing::warn!(source = %origin, "and {} problems more", problems.len() - LOGGED);
    }
}

fn hex(digest: &[u8]) -> Box<str> {
    digest
        .iter()
        .fold(String::with_capacity(64), |mut hex, byte| {
            // Writing to a string cannot fail.
            let _ = write!(hex, "{byte:02x}");
            hex
        })
        .into()
}
