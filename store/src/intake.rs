//! What happens to a document: compiled, folded with the other sources' layers, published; or refused.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;
use engine::{Compiled, Definition, Layer, Malformed, Problem, Severity, Snapshot};
use sha2::{Digest, Sha256};
use tokio::sync::watch;

use crate::change;
use crate::document::{json_text, place_problems};
use crate::origin::Origin;
use crate::source::{Delivery, Verdict};
use crate::status::{Kept, Notices, SourceStatus, State};
use crate::store::Settings;

/// What the tasks of a store share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) settings: Settings,
    pub(crate) slots: Box<[Slot]>,
    pub(crate) snapshot: ArcSwap<Snapshot>,
    pub(crate) generation: watch::Sender<u64>,
    pub(crate) news: watch::Sender<u64>,
    /// Held while layers are folded, so that folds come one after the other.
    folding: Mutex<()>,
}

/// One source's place.
#[derive(Debug)]
pub(crate) struct Slot {
    pub(crate) origin: Origin,
    /// Held while a document is worked on, so that a source's documents come one after the other.
    pub(crate) last: Mutex<Option<Last>>,
    layer: ArcSwap<Layer>,
    pub(crate) status: Mutex<SourceStatus>,
}

/// The document that came last.
#[derive(Debug)]
pub(crate) struct Last {
    digest: [u8; 32],
    pub(crate) refusal: Option<String>,
}

/// A document that is not taken into service.
pub(crate) struct Refusal {
    pub(crate) error: String,
    pub(crate) problems: Vec<Problem>,
}

/// What a document came to.
struct Accepted {
    layer: Layer,
    problems: Vec<Problem>,
    kept: Kept,
}

pub(crate) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What a panicking thread left behind is whole: every change under these locks is one assignment after the other.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    pub(crate) fn new(settings: Settings, origins: Vec<Origin>) -> Self {
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
        // Until shown otherwise: should the work below panic, the same bytes are not worked on again.
        let presumed = Last { digest, refusal: Some("internal error".to_owned()) };
        let before = last.replace(presumed);
        let refusal = match self.compile(slot, &delivery) {
            Ok(accepted) => {
                self.accept(at, accepted, &digest, delivery.revision);
                None
            }
            Err(_) if delivery.provisional => {
                *last = before;
                return Verdict::Refused;
            }
            Err(Refusal { error, problems }) => {
                self.log_problems(slot, &problems);
                self.refused(slot, error.clone(), problems);
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
            Cow::Borrowed(_) => Refusal::malformed(error),
            // Its place is in text that nobody has seen.
            Cow::Owned(_) => Refusal::malformed(Malformed { place: None, ..error }),
        })?;
        let previous = slot.layer.load_full();
        let Compiled { layer, mut problems } =
            engine::compile(&definition, slot.origin.name(), &settings.engine, Some(&previous));
        place_problems(&mut problems, &delivery.bytes, delivery.format);
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
        self.log_problems(slot, &problems);
        let (kept_flags, problem_count) = (kept.total, problems.len());
        tracing::info!(
            source = %slot.origin, generation, flags, changed, kept = kept_flags, problems = problem_count,
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
    let error = problems.iter().find(|problem| problem.severity == Severity::Error);
    match (error, problems.first()) {
        (Some(error), _) if layer.flags().is_empty() => Some(format!("no flag can be served; {error}")),
        (_, Some(first)) if strict => {
            Some(format!("problems: {}, and none is tolerated (strict); {first}", problems.len()))
        }
        _ => None,
    }
}

/// The flags with an error that are in the layer nevertheless: it took them from the layer before.
fn kept(layer: &Layer, problems: &[Problem]) -> Kept {
    let errors = problems.iter().filter(|problem| problem.severity == Severity::Error);
    let spoilt: BTreeSet<&str> = errors.filter_map(|problem| problem.flag.as_deref()).collect();
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
