//! How often several providers agreed.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use kit::{Answer, Type};
use open_feature::{EvaluationContext, EvaluationError, Value};

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
            (Ok(first), Ok(other)) => (!same_answer(first, other), false),
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

/// Whether two answers are one to the application: numbers by what they are worth, since backends with one kind of number
/// cannot tell `7` from `7.0`.
fn same_answer(first: &Answer, other: &Answer) -> bool {
    match (&first.value, &other.value) {
        (Some(first), Some(other)) => same(first, other),
        (first, other) => first.is_none() && other.is_none(),
    }
}

fn same(first: &Value, other: &Value) -> bool {
    match (first, other) {
        (Value::Int(whole), Value::Float(float)) | (Value::Float(float), Value::Int(whole)) => {
            *whole as f64 == *float && *float as i64 == *whole
        }
        (Value::Array(first), Value::Array(other)) => {
            first.len() == other.len() && first.iter().zip(other).all(|(first, other)| same(first, other))
        }
        (Value::Struct(first), Value::Struct(other)) => {
            first.fields.len() == other.fields.len()
                && first
                    .fields
                    .iter()
                    .all(|(key, value)| other.fields.get(key).is_some_and(|theirs| same(value, theirs)))
        }
        (first, other) => first == other,
    }
}

impl fmt::Debug for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Report").field("skipped", &self.skipped()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use open_feature::StructValue;

    use super::*;

    #[test]
    fn numbers_are_compared_by_what_they_are_worth() {
        let object = |value: Value| Value::from(StructValue::default().with_field("a", vec![value]));
        for (first, other, equal) in [
            (Value::Int(7), Value::Float(7.0), true),
            (Value::Float(7.5), Value::Int(7), false),
            (Value::Int((1 << 53) + 1), Value::Float(9_007_199_254_740_992.0), false),
            (object(7.into()), object(7.0.into()), true),
            (object(7.into()), object("7".into()), false),
            (Value::Bool(true), Value::Bool(true), true),
        ] {
            assert_eq!(same(&first, &other), equal, "{first:?} {other:?}");
        }
        let stands = Answer::default_stands(open_feature::EvaluationReason::Disabled);
        assert!(same_answer(&stands, &stands) && !same_answer(&stands, &Answer::new(true)));
    }
}
