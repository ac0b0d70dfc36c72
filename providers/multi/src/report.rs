//! How often several providers agreed.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use kit::{Answer, Type};
use open_feature::{EvaluationContext, EvaluationError};

/// How many flags are counted apart; the rest goes under [`OTHERS`].
const FLAGS: usize = 10_000;
/// The key of what is counted together.
const OTHERS: &str = "(others)";

/// Who hears of differences.
type Listener = Arc<dyn Fn(&Difference<'_>, FlagReport) + Send + Sync>;

/// Counts of comparisons. Clones are the same report.
#[derive(Clone, Default)]
pub struct Report(Arc<Inner>);

#[derive(Default)]
struct Inner {
    flags: Mutex<HashMap<Box<str>, FlagReport>>,
    skipped: AtomicU64,
    listener: Mutex<Option<Listener>>,
}

/// The counts of one flag, summed over all that were compared with the first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FlagReport {
    /// How often an answer was compared with the first's.
    pub compared: u64,
    /// How often the values differed, or only one of the two had an answer.
    pub mismatched: u64,
    /// How many of the mismatches were one-sided: only one of the two had an answer.
    pub one_sided: u64,
}

/// Two outcomes of one question that differ.
#[derive(Clone, Copy, Debug)]
pub struct Difference<'a> {
    /// The flag's key.
    pub key: &'a str,
    /// The type it was asked for.
    pub want: Type,
    /// The context of the question.
    pub context: &'a EvaluationContext,
    /// What the first said.
    pub first: &'a Result<Answer, EvaluationError>,
    /// Who said something else.
    pub name: &'a str,
    /// What it said.
    pub other: &'a Result<Answer, EvaluationError>,
}

impl Report {
    /// All flags that were compared, sorted by key.
    pub fn flags(&self) -> Vec<(String, FlagReport)> {
        let flags = self.0.flags.lock().unwrap_or_else(PoisonError::into_inner);
        let mut flags: Vec<_> = flags.iter().map(|(key, report)| (key.to_string(), *report)).collect();
        flags.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        flags
    }

    /// The counts of one flag.
    pub fn flag(&self, key: &str) -> FlagReport {
        let flags = self.0.flags.lock().unwrap_or_else(PoisonError::into_inner);
        flags.get(key).copied().unwrap_or_default()
    }

    /// How many comparisons were left out, because those before them were not done yet.
    pub fn skipped(&self) -> u64 {
        self.0.skipped.load(Ordering::Relaxed)
    }

    /// Calls `listener` on each difference, with the flag's counts so far, in place of the listener before. It must not
    /// block: it runs where the comparison does.
    pub fn on_difference(&self, listener: impl Fn(&Difference<'_>, FlagReport) + Send + Sync + 'static) {
        *self.0.listener.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(listener));
    }

    pub(crate) fn skip(&self) {
        self.0.skipped.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts, and tells when the two differ.
    pub(crate) fn add(&self, pair: &Difference<'_>) {
        let (mismatched, one_sided) = match (pair.first, pair.other) {
            // Variants and reasons are named differently by every backend; values are what the application sees.
            (Ok(first), Ok(other)) => (first.value != other.value, false),
            (Err(_), Err(_)) => (false, false),
            (Ok(_), Err(_)) | (Err(_), Ok(_)) => (true, true),
        };
        let mut flags = self.0.flags.lock().unwrap_or_else(PoisonError::into_inner);
        let key = if flags.contains_key(pair.key) || flags.len() < FLAGS { pair.key } else { OTHERS };
        let report = flags.entry(key.into()).or_default();
        report.compared += 1;
        report.mismatched += u64::from(mismatched);
        report.one_sided += u64::from(one_sided);
        let counts = *report;
        drop(flags);
        if mismatched {
            tracing::debug!(flag = pair.key, provider = pair.name, "providers disagree");
            let listener = self.0.listener.lock().unwrap_or_else(PoisonError::into_inner).clone();
            if let Some(listener) = listener {
                listener(pair, counts);
            }
        }
    }
}

impl fmt::Debug for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Report").field("skipped", &self.skipped()).finish_non_exhaustive()
    }
}
