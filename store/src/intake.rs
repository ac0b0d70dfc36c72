//! What happens to a document: compiled, folded with the other sources' layers, published; or held back, or refused.

use std::fmt::Write as _;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use engine::{Layer, Malformed, Problem, Severity, Snapshot};
use sha2::{Digest, Sha256};
use tokio::sync::{Notify, watch};

use crate::compile::{Before, Context, Files, Output, compile};
use crate::guard;
use crate::keep::Keeper;
use crate::last_good::{Copy, Shelf};
use crate::origin::Origin;
use crate::overrides::Override;
use crate::reader::Reader;
use crate::rollback::Pin;
use crate::source::{Delivery, Verdict};
use crate::status::{Copied, Notices, Seen, Served, SourceStatus, State};
use crate::store::Settings;

/// What the tasks of a store share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) settings: Settings,
    pub(crate) slots: Box<[Slot]>,
    pub(crate) snapshot: ArcSwap<Snapshot>,
    pub(crate) generation: watch::Sender<u64>,
    pub(crate) news: watch::Sender<u64>,
    /// The copies on disk, if there are to be any.
    pub(crate) keeper: Option<Arc<Keeper>>,
    /// Held while layers are folded, so that folds come one after the other.
    pub(crate) folding: Mutex<()>,
    /// The variants that everybody gets for a while; changed while `folding` is held.
    pub(crate) overrides: ArcSwap<Vec<Override>>,
    /// Whether some came to their end, which the disk does not know yet.
    pub(crate) overrides_ended: AtomicBool,
    /// Held while they are written to disk.
    pub(crate) saving: Mutex<()>,
}

/// One source's place.
#[derive(Debug)]
pub(crate) struct Slot {
    pub(crate) origin: Origin,
    /// Makes flags of its documents.
    pub(crate) reader: Arc<dyn Reader>,
    /// Held while a document is worked on, so that a source's documents come one after the other.
    pub(crate) last: Mutex<Option<Last>>,
    /// The flags as the document in service has them.
    pub(crate) layer: ArcSwap<Layer>,
    /// The same file by file, if the document has several.
    pub(crate) files: ArcSwap<Files>,
    /// The same as they are answered: with what is to be said of them.
    pub(crate) shown: ArcSwap<Layer>,
    /// Which copy is served in place of the origin's latest document, if an operator went back.
    pub(crate) pin: Mutex<Option<Pin>>,
    pub(crate) status: Mutex<SourceStatus>,
    /// Wakes the source from a rest, or from the wait before it is tried again.
    pub(crate) kick: Notify,
}

/// The document that came last.
#[derive(Debug)]
pub(crate) struct Last {
    digest: [u8; 32],
    pub(crate) outcome: Outcome,
}

/// What became of a document.
#[derive(Debug)]
pub(crate) enum Outcome {
    Accepted,
    /// It was accepted, and an operator went back to an earlier one.
    RolledBack,
    Refused(String),
    Held(Box<Held>),
}

/// A document that waits.
#[derive(Debug)]
pub(crate) struct Held {
    accepted: Output,
    copy: Copy,
    pub(crate) why: String,
    pub(crate) since: Instant,
}

/// A document that is not taken into service.
pub(crate) struct Refusal {
    pub(crate) error: String,
    pub(crate) problems: Vec<Problem>,
}

pub(crate) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What a panicking thread left behind is whole: every change under these locks is one assignment after the other.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    /// Shares `settings` and, for each origin, how its documents are read.
    pub(crate) fn new(settings: Settings, origins: Vec<(Origin, Arc<dyn Reader>)>) -> Self {
        let (origins, readers): (Vec<_>, Vec<_>) = origins.into_iter().unzip();
        let keeper = settings.state_dir.as_deref().map(|folder| {
            let twin = |at: usize| {
                let same = |other: &&Origin| other.name() == origins[at].name();
                origins[..at].iter().filter(same).count()
            };
            let shelf =
                |(at, origin)| Shelf::new(folder, origin, twin(at), settings.generations, settings.max_bytes);
            Arc::new(Keeper::new(origins.iter().enumerate().map(shelf).collect()))
        });
        let slot = |(at, (origin, reader)): (usize, (Origin, Arc<dyn Reader>))| {
            let pin = keeper.as_ref().and_then(|keeper| keeper.shelf(at).pinned());
            Slot {
                status: Mutex::new(SourceStatus {
                    copied: keeper.as_ref().map(|_| Copied::default()),
                    rolled_back: pin.as_ref().map(Pin::status),
                    ..SourceStatus::new(&origin)
                }),
                origin,
                reader,
                last: Mutex::new(None),
                layer: ArcSwap::default(),
                files: ArcSwap::default(),
                shown: ArcSwap::default(),
                pin: Mutex::new(pin),
                kick: Notify::new(),
            }
        };
        let shared = Self {
            slots: origins.into_iter().zip(readers).enumerate().map(slot).collect(),
            settings,
            snapshot: ArcSwap::default(),
            generation: watch::Sender::new(0),
            news: watch::Sender::new(0),
            keeper,
            folding: Mutex::new(()),
            overrides: ArcSwap::from_pointee(Vec::new()),
            overrides_ended: AtomicBool::new(false),
            saving: Mutex::new(()),
        };
        shared.load_overrides();
        shared
    }

    /// Takes a document in; blocks while it is parsed and compiled. `false` beside the verdict if there was nothing to do,
    /// because the document is the one that came last.
    pub(crate) fn receive(&self, at: usize, delivery: Delivery) -> (Verdict, bool) {
        let slot = &self.slots[at];
        let mut last = locked(&slot.last);
        let digest: [u8; 32] = Sha256::digest(&delivery.bytes).into();
        if let Some(last) = last.as_ref().filter(|last| last.digest == digest) {
            self.renamed(slot, last, delivery);
            self.still(slot, last);
            return (last.verdict(), false);
        }
        if self.withdrawn(slot, &digest) && self.serves_pinned(slot, at) {
            let last = last.insert(Last { digest, outcome: Outcome::RolledBack });
            self.still(slot, last);
            return (last.verdict(), true);
        }
        // Until shown otherwise: should the work below panic, the same bytes are not worked on again.
        let presumed = Last { digest, outcome: Outcome::Refused("internal error".to_owned()) };
        let before = last.replace(presumed);
        let Delivery { bytes, format, revision, authorship, provisional } = delivery;
        let copy = Copy { bytes, format, revision, authorship, at: self.now().at };
        let outcome = match self.compile(&copy, slot, Some(&slot.layer.load())) {
            Err(_) if provisional => None,
            Err(Refusal { error, problems }) => {
                self.restore(slot, at);
                self.log_problems(slot, &problems);
                self.refused(slot, error.clone(), problems);
                Some(Outcome::Refused(error))
            }
            Ok(accepted) => match self.suspicion(slot, &accepted) {
                Some(_) if provisional => None,
                Some(why) => {
                    self.held_back(slot, &why);
                    Some(Outcome::Held(Box::new(Held { accepted, copy, why, since: Instant::now() })))
                }
                None => {
                    self.accept(at, accepted, &digest, copy);
                    Some(Outcome::Accepted)
                }
            },
        };
        match outcome {
            Some(outcome) => (last.insert(Last { digest, outcome }).verdict(), true),
            None => {
                *last = before;
                (Verdict::Refused, true)
            }
        }
    }

    /// Takes the document into service that is held back, if there is one and it has waited for `hold`.
    pub(crate) fn release(&self, at: usize, hold: Duration) -> bool {
        let slot = &self.slots[at];
        let mut last = locked(&slot.last);
        let Some(latest) = last.as_mut() else { return false };
        let waited = matches!(&latest.outcome, Outcome::Held(held) if held.since.elapsed() >= hold);
        if !waited {
            return false;
        }
        if let Outcome::Held(held) = std::mem::replace(&mut latest.outcome, Outcome::Accepted) {
            let Held { accepted, copy, why, .. } = *held;
            tracing::warn!(source = %slot.origin, "the document that was held back is taken: {why}");
            self.accept(at, accepted, &latest.digest, copy);
        }
        true
    }

    /// Serves the newest good copy on disk, if the source has nothing in service yet.
    pub(crate) fn fall_back(&self, at: usize) {
        let slot = &self.slots[at];
        let _last = locked(&slot.last);
        self.restore(slot, at);
    }

    /// The same, for whoever holds `last`.
    fn restore(&self, slot: &Slot, at: usize) {
        let Some(keeper) = self.keeper.as_ref().filter(|_| !locked(&slot.status).ready) else { return };
        let pinned = locked(&slot.pin).as_ref().map(|pin| pin.number);
        let mut copies: Vec<_> = keeper.shelf(at).whole().collect();
        // Stable: those that are not pinned stay in their order, the newest first.
        copies.sort_by_key(|(number, _)| Some(*number) != pinned);
        for (number, copy) in copies {
            match self.compile(&copy, slot, None) {
                Ok(accepted) => {
                    if pinned.is_some_and(|pinned| pinned != number) {
                        tracing::error!(source = %slot.origin, "the copy that was rolled back to is not there");
                        self.unpin(at);
                    }
                    self.serve_copy(at, accepted, &copy);
                    return;
                }
                Err(refusal) => {
                    tracing::error!(source = %slot.origin, error = refusal.error, "a copy on disk is refused");
                }
            }
        }
    }

    /// Whether the copy that was rolled back to is served; has it served if nothing is yet. For whoever holds `last`.
    fn serves_pinned(&self, slot: &Slot, at: usize) -> bool {
        self.restore(slot, at);
        locked(&slot.status).ready && locked(&slot.pin).is_some()
    }

    fn suspicion(&self, slot: &Slot, accepted: &Output) -> Option<String> {
        self.settings.shrink_hold?;
        guard::suspicion(&slot.layer.load(), &accepted.layer)
    }

    /// Compiles a document; flags that it spoils stay as they are in `previous`.
    pub(crate) fn compile(
        &self,
        copy: &Copy,
        slot: &Slot,
        previous: Option<&Layer>,
    ) -> Result<Output, Refusal> {
        let files = slot.files.load();
        let before = previous.map(|layer| Before { layer, files: &files });
        let Settings { engine: options, max_bytes: most, .. } = &self.settings;
        let context = Context { reader: &*slot.reader, source: slot.origin.name(), options, most: *most };
        let output = compile(&copy.bytes, copy.format, context, before).map_err(Refusal::malformed)?;
        match objection(&output.layer, &output.problems, &self.settings) {
            Some(error) => Err(Refusal { error, problems: output.problems }),
            None => Ok(output),
        }
    }

    fn accept(&self, at: usize, accepted: Output, digest: &[u8; 32], copy: Copy) {
        let slot = &self.slots[at];
        self.unpin(at);
        let Output { layer, problems, kept, files } = accepted;
        let flags = layer.flags().len();
        self.log_problems(slot, &problems);
        let (kept_flags, problem_count) = (kept.total, problems.len());
        let (revision, authorship) = (copy.revision.clone(), copy.authorship.clone());
        let author = authorship.as_ref().map(|authorship| authorship.author.clone());
        let said = copy.revision.clone();
        // Before anybody can see the flags: whoever ends the process then finds the copy waiting.
        if let Some(keeper) = &self.keeper {
            keeper.keep(at, copy);
        }
        slot.files.store(Arc::new(files));
        let (generation, changed) = self.publish(slot, layer, false, |status| {
            status.accepted += 1;
            status.state = State::Ok;
            status.served = Served::Origin;
            status.last_success = Some(self.now());
            status.error = None;
            status.problems = Notices::of(problems);
            status.kept = kept;
            status.revision = Some(hex(digest));
            status.origin_revision = revision;
            status.authorship = authorship;
        });
        tracing::info!(
            source = %slot.origin, generation, flags, changed, kept = kept_flags, problems = problem_count,
            revision = said, author, "flags accepted"
        );
    }

    fn serve_copy(&self, at: usize, accepted: Output, copy: &Copy) {
        let slot = &self.slots[at];
        let flags = accepted.layer.flags().len();
        let seen = Seen::long_ago(copy.at, self.now());
        let generation = self.serve(slot, accepted, copy, true, |status| {
            status.served = Served::Copy;
            status.last_success = Some(seen);
            if let Some(copied) = &mut status.copied {
                copied.at = Some(copy.at);
            }
        });
        tracing::warn!(
            source = %slot.origin, generation, flags, age_seconds = seen.since.elapsed().as_secs(),
            "STALE: serving the copy on disk until the origin can be read"
        );
    }

    /// Puts a document into service that did not just come from its origin; gives the generation.
    pub(crate) fn serve(
        &self,
        slot: &Slot,
        accepted: Output,
        copy: &Copy,
        stale: bool,
        note: impl FnOnce(&mut SourceStatus),
    ) -> u64 {
        let Output { layer, kept, files, .. } = accepted;
        slot.files.store(Arc::new(files));
        let digest = Sha256::digest(&copy.bytes);
        let (generation, _) = self.publish(slot, layer, stale, |status| {
            note(status);
            status.kept = kept;
            status.revision = Some(hex(&digest));
            status.origin_revision.clone_from(&copy.revision);
            status.authorship.clone_from(&copy.authorship);
        });
        generation
    }
}

impl Last {
    fn verdict(&self) -> Verdict {
        match self.outcome {
            Outcome::Accepted | Outcome::RolledBack => Verdict::Accepted,
            Outcome::Refused(_) | Outcome::Held(_) => Verdict::Refused,
        }
    }
}

impl Refusal {
    fn malformed(error: Malformed) -> Self {
        Self { error: error.to_string(), problems: Vec::new() }
    }
}

/// Why a document that could be compiled is refused whole all the same, if it is.
fn objection(layer: &Layer, problems: &[Problem], settings: &Settings) -> Option<String> {
    let flags = layer.flags().len();
    if flags > settings.max_flags {
        return Some(format!("the document has {flags} flags, more than {}", settings.max_flags));
    }
    let error = problems.iter().find(|problem| problem.severity == Severity::Error);
    match (error, problems.first()) {
        (Some(error), _) if layer.flags().is_empty() => Some(format!("no flag can be served; {error}")),
        (_, Some(first)) if settings.strict => {
            Some(format!("problems: {}, and none is tolerated (strict); {first}", problems.len()))
        }
        _ => None,
    }
}

pub(crate) fn hex(digest: &[u8]) -> Box<str> {
    digest
        .iter()
        .fold(String::with_capacity(64), |mut hex, byte| {
            // Writing to a string cannot fail.
            let _ = write!(hex, "{byte:02x}");
            hex
        })
        .into()
}
