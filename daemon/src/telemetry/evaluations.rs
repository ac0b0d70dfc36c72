//! How often each flag gave which variant and why, under the series names of flagd (contract 8.1).

use std::collections::BTreeMap;
use std::hash::BuildHasher;
use std::sync::{Arc, PoisonError, RwLock};

use engine::{Flag, Reason, Variant};
use foldhash::fast::FixedState;
use hashbrown::HashTable;

use super::exposition::{Exposition, Kind};
use super::shards::Shards;

/// How many different (flag, outcome) pairs are told apart; evaluations beyond that are counted under [`OVERFLOW`].
const LIMIT: usize = 20_000;

/// The key under which evaluations are counted once [`LIMIT`] pairs are known.
const OVERFLOW: &str = "__overflow__";

/// The key under which evaluations of flags that do not exist are counted: what clients ask for must not make series.
const UNKNOWN: &str = "__unknown__";

/// Why an evaluation gave no answer, by OpenFeature's error codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Failure {
    /// No such flag under the request's selector.
    FlagNotFound,
    /// The rule could not be evaluated.
    ParseError,
    /// The answer has another type than was asked for.
    TypeMismatch,
    /// The rules need a targeting key and the context has none.
    TargetingKeyMissing,
    /// Anything else, such as a rule that names an unknown variant.
    General,
}

impl Failure {
    /// OpenFeature's error code.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::FlagNotFound => "FLAG_NOT_FOUND",
            Self::ParseError => "PARSE_ERROR",
            Self::TypeMismatch => "TYPE_MISMATCH",
            Self::TargetingKeyMissing => "TARGETING_KEY_MISSING",
            Self::General => "GENERAL",
        }
    }
}

/// Counters per flag, variant and reason. They never fall, whatever happens to the flags, and they are bounded.
///
/// Counting costs a hash lookup in the thread's own table; only the first sight of a pair allocates.
#[derive(Debug, Default)]
pub struct Evaluations {
    known: RwLock<HashTable<Arc<Event>>>,
    tables: Shards<Table>,
    hasher: FixedState,
}

#[derive(Debug, Default)]
struct Table {
    counts: HashTable<(Arc<Event>, u64)>,
    overflow: BTreeMap<Outcome, u64>,
}

#[derive(Debug, PartialEq, Eq)]
struct Event {
    key: Box<str>,
    variant: Box<str>,
    outcome: Outcome,
}

/// What came of an evaluation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Outcome {
    Success(&'static str),
    Failure(Failure),
}

impl Evaluations {
    /// Counts an answer. `variant` is `None` when the caller's default stands.
    pub fn success(&self, flag: &Flag, variant: Option<&Variant>, reason: Reason) {
        self.count(flag.key(), variant.map_or("", Variant::name), Outcome::Success(reason.as_str()));
    }

    /// Counts an evaluation without an answer; `flag` is `None` when there is no such flag.
    pub fn failure(&self, flag: Option<&Flag>, failure: Failure) {
        self.count(flag.map_or(UNKNOWN, Flag::key), "", Outcome::Failure(failure));
    }

    fn count(&self, key: &str, variant: &str, outcome: Outcome) {
        let hash = self.hasher.hash_one((key, variant, outcome));
        let mut table = self.tables.mine();
        if let Some((_, count)) = table.counts.find_mut(hash, |(event, _)| event.is(key, variant, outcome)) {
            *count += 1;
            return;
        }
        match self.admit(hash, key, variant, outcome) {
            Some(event) => {
                let rehash = |(event, _): &(Arc<Event>, u64)| self.hash(event);
                table.counts.insert_unique(hash, (event, 1), rehash);
            }
            None => *table.overflow.entry(outcome).or_default() += 1,
        }
    }

    /// The event as all threads share it, or `None` if it is new and there is no room.
    fn admit(&self, hash: u64, key: &str, variant: &str, outcome: Outcome) -> Option<Arc<Event>> {
        let same = |event: &Arc<Event>| event.is(key, variant, outcome);
        {
            let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
            if let Some(event) = known.find(hash, same) {
                return Some(Arc::clone(event));
            }
            if known.len() >= LIMIT {
                return None;
            }
        }
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(event) = known.find(hash, same) {
            return Some(Arc::clone(event));
        }
        if known.len() >= LIMIT {
            return None;
        }
        let event = Arc::new(Event { key: key.into(), variant: variant.into(), outcome });
        known.insert_unique(hash, Arc::clone(&event), |event| self.hash(event));
        Some(event)
    }

    fn hash(&self, event: &Event) -> u64 {
        self.hasher.hash_one((&*event.key, &*event.variant, event.outcome))
    }

    /// Writes the three families: impressions, reasons and, by flag, errors.
    pub(super) fn render(&self, out: &mut Exposition) {
        let mut totals: BTreeMap<(Box<str>, Box<str>, Outcome), u64> = BTreeMap::new();
        self.tables.each(|table| {
            for (event, count) in &table.counts {
                let key = (event.key.clone(), event.variant.clone(), event.outcome);
                *totals.entry(key).or_default() += count;
            }
            for (outcome, count) in &table.overflow {
                *totals.entry((OVERFLOW.into(), "".into(), *outcome)).or_default() += count;
            }
        });
        impressions(out, &totals);
        reasons(out, &totals);
        errors(out, &totals);
    }
}

impl Event {
    fn is(&self, key: &str, variant: &str, outcome: Outcome) -> bool {
        self.outcome == outcome && &*self.key == key && &*self.variant == variant
    }
}

type Totals = BTreeMap<(Box<str>, Box<str>, Outcome), u64>;

const PROVIDER: (&str, &str) = ("feature_flag_provider_name", "flagd");

fn impressions(out: &mut Exposition, totals: &Totals) {
    let help = "Measures the number of evaluations for a given flag.";
    out.family("feature_flag_flagd_impression_total", Kind::Counter, help);
    for ((key, variant, outcome), count) in totals {
        let Outcome::Success(reason) = outcome else { continue };
        let labels = [
            ("feature_flag_key", &**key),
            PROVIDER,
            ("feature_flag_reason", reason),
            ("feature_flag_result_variant", variant),
        ];
        out.sample(&labels, count);
    }
}

fn reasons(out: &mut Exposition, totals: &Totals) {
    let help = "Measures the number of evaluations for a given reason.";
    out.family("feature_flag_flagd_result_reason_total", Kind::Counter, help);
    let mut answered: BTreeMap<(&str, &str), u64> = BTreeMap::new();
    let mut failed: BTreeMap<Failure, u64> = BTreeMap::new();
    for ((key, _, outcome), count) in totals {
        match outcome {
            Outcome::Success(reason) => *answered.entry((key, reason)).or_default() += count,
            Outcome::Failure(failure) => *failed.entry(*failure).or_default() += count,
        }
    }
    for ((key, reason), count) in answered {
        out.sample(&[("feature_flag_key", key), PROVIDER, ("feature_flag_reason", reason)], count);
    }
    for (failure, count) in failed {
        let labels = [("ExceptionTypeKeyName", failure.as_str()), PROVIDER, ("feature_flag_reason", "ERROR")];
        out.sample(&labels, count);
    }
}

fn errors(out: &mut Exposition, totals: &Totals) {
    let help = "Evaluations without an answer, by flag.";
    out.family("hoistd_evaluation_errors_total", Kind::Counter, help);
    for ((key, _, outcome), count) in totals {
        let Outcome::Failure(failure) = outcome else { continue };
        out.sample(&[("feature_flag_key", key), ("error_type", failure.as_str())], count);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(evaluations: &Evaluations) -> String {
        let mut out = Exposition::default();
        evaluations.render(&mut out);
        out.finish()
    }

    #[test]
    fn answers_carry_their_key_and_errors_only_in_our_own_series() {
        let evaluations = Evaluations::default();
        evaluations.count("a", "on", Outcome::Success("STATIC"));
        evaluations.count("a", "off", Outcome::Success("STATIC"));
        evaluations.count("a", "off", Outcome::Success("STATIC"));
        evaluations.count("a", "", Outcome::Failure(Failure::ParseError));
        evaluations.failure(None, Failure::FlagNotFound);
        let text = text(&evaluations);
        for line in [
            r#"feature_flag_flagd_impression_total{feature_flag_key="a",feature_flag_provider_name="flagd",feature_flag_reason="STATIC",feature_flag_result_variant="off"} 2"#,
            r#"feature_flag_flagd_result_reason_total{feature_flag_key="a",feature_flag_provider_name="flagd",feature_flag_reason="STATIC"} 3"#,
            r#"feature_flag_flagd_result_reason_total{ExceptionTypeKeyName="FLAG_NOT_FOUND",feature_flag_provider_name="flagd",feature_flag_reason="ERROR"} 1"#,
            r#"hoistd_evaluation_errors_total{feature_flag_key="__unknown__",error_type="FLAG_NOT_FOUND"} 1"#,
            r#"hoistd_evaluation_errors_total{feature_flag_key="a",error_type="PARSE_ERROR"} 1"#,
        ] {
            assert!(text.lines().any(|found| found == line), "missing {line} in\n{text}");
        }
    }

    #[test]
    fn beyond_the_limit_events_share_one_series_and_none_is_lost() {
        let evaluations = Evaluations::default();
        for key in 0..LIMIT + 50 {
            evaluations.count(&key.to_string(), "on", Outcome::Success("STATIC"));
        }
        evaluations.count("0", "on", Outcome::Success("STATIC"));
        let text = text(&evaluations);
        let series = text.lines().filter(|line| line.starts_with("feature_flag_flagd_impression_total{"));
        assert_eq!(series.clone().count(), LIMIT + 1);
        let total: u64 = series.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum();
        assert_eq!(total, LIMIT as u64 + 51);
        assert!(text.contains(r#"feature_flag_key="__overflow__",feature_flag_provider_name="flagd",feature_flag_reason="STATIC",feature_flag_result_variant=""} 50"#));
    }

    #[test]
    fn threads_add_up() {
        let evaluations = Evaluations::default();
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    (0..1000).for_each(|_| evaluations.count("a", "on", Outcome::Success("STATIC")))
                });
            }
        });
        assert!(text(&evaluations).contains(r#"feature_flag_result_variant="on"} 8000"#));
    }
}
