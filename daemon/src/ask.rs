//! Asking: the one thing that every protocol does, done once.
//!
//! A question is a flag (or all of them), a selector and a context. It is answered from one snapshot, at one time, counted,
//! and handed to the protocol for rendering. Nothing here waits, and nothing here knows a protocol.

use std::cell::RefCell;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use engine::{Bump, Fault, Flag, Question, Resolution, Selector, Snapshot, Variant, Witness};
use store::Store;

use crate::light::{Enrichment, Light, Unreadable};
use crate::telemetry::{Evaluations, Failure};

pub use engine::Type;

/// Arenas that grew beyond this many bytes are given back instead of being reused.
const ARENA_KEPT: usize = 256 << 10;

/// Answers questions about flags. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Ask {
    store: Arc<Store>,
    enrichment: Arc<Enrichment>,
    evaluations: Arc<Evaluations>,
    traced: bool,
}

/// What came of a question.
#[derive(Clone, Copy, Debug)]
pub struct Outcome<'a> {
    /// The key that was asked for.
    pub key: &'a str,
    /// The flag; `None` if there is none.
    pub flag: Option<&'a Flag>,
    /// Its answer.
    pub result: Result<Resolution<'a>, Refusal<'a>>,
}

/// Why there is no answer (contract 3.5, 3.7).
#[derive(Clone, Copy, Debug)]
pub enum Refusal<'a> {
    /// No such flag under the selector.
    NotFound,
    /// The chosen variant has another type than was asked for, or is `null`.
    TypeMismatch(&'a Variant),
    /// The rule could not be evaluated.
    Parse,
    /// The rule names a variant that the flag does not have.
    UnknownVariant,
    /// The rules need a targeting key.
    TargetingKeyMissing,
}

impl Ask {
    /// Asks `store`, counting in `evaluations`.
    pub fn new(store: Arc<Store>, enrichment: Arc<Enrichment>, evaluations: Arc<Evaluations>) -> Self {
        Self { store, enrichment, evaluations, traced: false }
    }

    /// Notes answers about one flag in the span of their request, if `traced`.
    #[must_use]
    pub fn traced(self, traced: bool) -> Self {
        Self { traced, ..self }
    }

    /// What the operator adds to every context.
    pub fn enrichment(&self) -> &Enrichment {
        &self.enrichment
    }

    /// Answers for one flag. `render` gets the outcome while the snapshot is held.
    ///
    /// # Errors
    /// The context cannot be read; then nothing is evaluated or counted.
    pub fn one<R>(
        &self,
        key: &str,
        selector: &Selector<'_>,
        want: Type,
        light: &Light<'_>,
        render: impl FnOnce(Outcome<'_>) -> R,
    ) -> Result<R, Unreadable> {
        let snapshot = self.store.read();
        let now = now();
        with_arenas(|arenas| {
            self.enrichment.lay(light, &arenas.context, |context| {
                let flag = snapshot.find(selector, key).map(Arc::as_ref);
                let question = Question { want, context, now, bump: &arenas.scratch, bulk: false };
                let outcome = answer(key, flag, &question, &mut ());
                self.count(&outcome);
                if self.traced {
                    note(&outcome);
                }
                render(outcome)
            })
        })
    }

    /// Answers for all flags of `selector`, by flag set and key, from one snapshot. `want` says as what type a flag is
    /// asked for, or `None` to leave it out.
    ///
    /// # Errors
    /// The context cannot be read; then nothing is evaluated or counted.
    pub fn all(
        &self,
        selector: &Selector<'_>,
        light: &Light<'_>,
        want: impl FnMut(&Flag) -> Option<Type>,
        render: impl FnMut(Outcome<'_>),
    ) -> Result<(), Unreadable> {
        self.all_of(&self.store.read(), selector, light, want, render)
    }

    /// The same from a snapshot that the caller already holds, say because it spoke of its generation.
    ///
    /// # Errors
    /// As [`Ask::all`].
    pub fn all_of(
        &self,
        snapshot: &Snapshot,
        selector: &Selector<'_>,
        light: &Light<'_>,
        mut want: impl FnMut(&Flag) -> Option<Type>,
        mut render: impl FnMut(Outcome<'_>),
    ) -> Result<(), Unreadable> {
        let now = now();
        with_arenas(|Arenas { context, scratch }| {
            self.enrichment.lay(light, context, |context| {
                for flag in snapshot.select(selector) {
                    let Some(want) = want(flag) else { continue };
                    let question = Question { want, context, now, bump: scratch, bulk: true };
                    let outcome = answer(flag.key(), Some(flag), &question, &mut ());
                    self.count(&outcome);
                    render(outcome);
                    scratch.reset();
                }
            })
        })
    }

    fn count(&self, outcome: &Outcome<'_>) {
        match (outcome.result, outcome.flag) {
            (Ok(Resolution { variant, reason, .. }), Some(flag)) => {
                self.evaluations.success(flag, variant, reason)
            }
            (Err(refusal), flag) => self.evaluations.failure(flag, refusal.into()),
            // There is no answer without a flag.
            (Ok(_), None) => {}
        }
    }
}

/// Notes the answer in the span of the request, under the names of OpenTelemetry's conventions.
#[cold]
fn note(outcome: &Outcome<'_>) {
    let span = tracing::Span::current();
    span.record("feature_flag.key", outcome.key);
    match outcome.result {
        Ok(Resolution { variant, reason, .. }) => {
            span.record("feature_flag.result.reason", reason.as_str().to_ascii_lowercase());
            if let Some(variant) = variant {
                span.record("feature_flag.result.variant", variant.name());
            }
        }
        Err(refusal) => {
            span.record("feature_flag.result.reason", "error");
            span.record("error.type", Failure::from(refusal).as_str().to_ascii_lowercase());
        }
    }
}

/// Evaluates, then checks the type (contract 3.7: a missing value has every type).
pub(crate) fn answer<'a, W: Witness>(
    key: &'a str,
    flag: Option<&'a Flag>,
    question: &Question<'a>,
    witness: &mut W,
) -> Outcome<'a> {
    let Some(flag) = flag else { return Outcome { key, flag: None, result: Err(Refusal::NotFound) } };
    let result = match flag.answer(question, witness) {
        Ok(Resolution { variant: Some(variant), .. }) if !question.want.fits(variant.kind()) => {
            Err(Refusal::TypeMismatch(variant))
        }
        Ok(resolution) => Ok(resolution),
        Err(Fault::Parse) => Err(Refusal::Parse),
        Err(Fault::UnknownVariant) => Err(Refusal::UnknownVariant),
        Err(Fault::TargetingKeyMissing) => Err(Refusal::TargetingKeyMissing),
    };
    Outcome { key, flag: Some(flag), result }
}

impl From<Refusal<'_>> for Failure {
    fn from(refusal: Refusal<'_>) -> Self {
        match refusal {
            Refusal::NotFound => Self::FlagNotFound,
            Refusal::TypeMismatch(_) => Self::TypeMismatch,
            Refusal::Parse => Self::ParseError,
            Refusal::UnknownVariant => Self::General,
            Refusal::TargetingKeyMissing => Self::TargetingKeyMissing,
        }
    }
}

/// Scratch space of a thread, reused from question to question.
#[derive(Default)]
struct Arenas {
    /// Holds the context.
    context: Bump,
    /// Holds what a rule works with; emptied after each flag.
    scratch: Bump,
}

fn with_arenas<R>(work: impl FnOnce(&mut Arenas) -> R) -> R {
    thread_local! {
        static ARENAS: RefCell<Arenas> = RefCell::default();
    }
    ARENAS.with(|cell| {
        // Rendering may ask again, in theory; that inner question gets arenas of its own.
        let mut arenas = cell.take();
        let result = work(&mut arenas);
        for arena in [&mut arenas.context, &mut arenas.scratch] {
            if arena.allocated_bytes() > ARENA_KEPT {
                *arena = Bump::new();
            } else {
                arena.reset();
            }
        }
        cell.replace(arenas);
        result
    })
}

/// The wall clock, read here and nowhere else.
pub fn clock() -> SystemTime {
    SystemTime::now()
}

/// The time in Unix seconds, as rules see it.
pub(crate) fn now() -> u64 {
    clock().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
