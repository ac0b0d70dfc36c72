//! How often each flag gave which variant and why, under the series names of flagd (contract 8.1).

use std::collections::BTreeMap;
use std::hash::BuildHasher;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use engine::{Flag, Reason, Variant};
use foldhash::fast::FixedState;
use hashbrown::HashTable;

use super::exposition::{Exposition, Kind};
use super::shards::Shards;
use crate::shelf::{Chain, Shelf};

/// How many different (flag, outcome) pairs are told apart; evaluations beyond that are counted under [`OVERFLOW`].
const LIMIT: usize = 20_000;

/// The key under which evaluations are counted once [`LIMIT`] pairs are known.
const OVERFLOW: &str = "__overflow__";

/// The key under which evaluations of flags that do not exist are counted: what clients ask for must not make series.
const UNKNOWN: &str = "__unknown__";

/// How many pairs get their counters at load, before anybody asked. Most flags of a large set are asked by nobody, and must
/// not use up [`LIMIT`].
const FORESEEN: usize = 5_000;

/// How many of these may be of one flag.
const FEW: usize = 8;

/// How many of its counters a flag finds without a lookup.
const MOST: usize = 32;

/// How many counters are made at once: a page of memory.
const CHUNK: usize = 512;

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
/// Counting is adding one to an atomic of the thread's own, whose place is kept with the flag. The first pairs get their place
/// at load ([`foresee`](Self::foresee)), what else is answered when it is first counted. A series that counted nothing is not
/// shown.
#[derive(Debug)]
pub struct Evaluations {
    /// Tells the places of these counters from those of others that count the same flags.
    id: usize,
    places: RwLock<HashTable<(Arc<Pair>, usize)>>,
    counts: Shards<Counts>,
    unknown: Places,
    hasher: FixedState,
}

/// Where the counters of a flag are.
pub(crate) type Places = Chain<Counted, usize>;

/// What a flag's counter counts, and for whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Counted {
    evaluations: usize,
    variant: Option<usize>,
    outcome: Outcome,
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Pair {
    key: Box<str>,
    variant: Box<str>,
    outcome: Outcome,
}

/// What came of an evaluation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Outcome {
    Success(Reason),
    Failure(Failure),
}

/// One thread's counters, by place.
#[derive(Debug)]
struct Counts(Box<[OnceLock<Box<[AtomicU64]>>]>);

impl Default for Evaluations {
    fn default() -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        Self {
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            places: RwLock::default(),
            counts: Shards::default(),
            unknown: Places::default(),
            hasher: FixedState::default(),
        }
    }
}

impl Default for Counts {
    fn default() -> Self {
        Self((0..(LIMIT + Outcome::ALL.len()).div_ceil(CHUNK)).map(|_| OnceLock::new()).collect())
    }
}

impl Counts {
    fn add(&self, place: usize) {
        let Some(chunk) = self.0.get(place / CHUNK) else { return };
        let chunk = chunk.get_or_init(|| (0..CHUNK).map(|_| AtomicU64::new(0)).collect());
        if let Some(count) = chunk.get(place % CHUNK) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn get(&self, place: usize) -> u64 {
        let count =
            self.0.get(place / CHUNK).and_then(OnceLock::get).and_then(|chunk| chunk.get(place % CHUNK));
        count.map_or(0, |count| count.load(Ordering::Relaxed))
    }
}

impl Evaluations {
    /// Counts an answer. `variant` is `None` when the caller's default stands.
    pub fn success(&self, flag: &Flag, variant: Option<&Variant>, reason: Reason) {
        self.count(Some(flag), variant, Outcome::Success(reason));
    }

    /// Counts an evaluation without an answer; `flag` is `None` when there is no such flag.
    pub fn failure(&self, flag: Option<&Flag>, failure: Failure) {
        self.count(flag, None, Outcome::Failure(failure));
    }

    /// Makes the counters of what `flags` can be seen to answer, until 5,000 pairs are known: the one answer of a flag without
    /// a rule; otherwise the default and each of the first few variants, chosen by the rule.
    pub fn foresee<'f>(&self, flags: impl IntoIterator<Item = &'f Flag>) {
        for flag in flags {
            if self.known() >= FORESEEN {
                return;
            }
            let fixed = flag.fixed().map(|answer| (answer.variant, answer.reason));
            let ruled = fixed.is_none() && flag.native_text().is_none();
            let chosen = flag.variants().iter().map(|variant| (Some(variant), Reason::TargetingMatch));
            let ruled =
                std::iter::once((flag.default_variant(), Reason::Default)).chain(chosen).filter(|_| ruled);
            for (variant, reason) in fixed.into_iter().chain(ruled).take(FEW) {
                self.find(Some(flag), variant, Outcome::Success(reason));
            }
        }
    }

    fn count(&self, flag: Option<&Flag>, variant: Option<&Variant>, outcome: Outcome) {
        self.counts.mine().add(self.find(flag, variant, outcome));
    }

    /// The place of a pair: the one that the flag keeps, or else what there is, kept with the flag from now on.
    fn find(&self, flag: Option<&Flag>, variant: Option<&Variant>, outcome: Outcome) -> usize {
        let kept = match flag {
            Some(flag) => Shelf::of(flag, variant).map(|(shelf, variant)| (&shelf.counters, variant)),
            None => Some((&self.unknown, None)),
        };
        let kept = kept.map(|(places, variant)| (places, Counted { evaluations: self.id, variant, outcome }));
        let known = kept.and_then(|(places, counted)| places.find(&counted).copied());
        known.unwrap_or_else(|| {
            let key = flag.map_or(UNKNOWN, Flag::key);
            let place = self.place(key, variant.map_or("", Variant::name), outcome);
            if let Some((places, counted)) = kept {
                places.keep(counted, place, MOST);
            }
            place
        })
    }

    /// How many pairs have counters.
    pub(crate) fn known(&self) -> usize {
        self.places.read().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// The place of a pair, a new one if there is room, or else of what overflows.
    fn place(&self, key: &str, variant: &str, outcome: Outcome) -> usize {
        let hash = self.hash(key, variant, outcome);
        let same = |(pair, _): &(Arc<Pair>, usize)| pair.is(key, variant, outcome);
        {
            let places = self.places.read().unwrap_or_else(PoisonError::into_inner);
            if let Some((_, place)) = places.find(hash, same) {
                return *place;
            }
            if places.len() >= LIMIT {
                return outcome.overflow();
            }
        }
        let mut places = self.places.write().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, place)) = places.find(hash, same) {
            return *place;
        }
        let place = places.len();
        if place >= LIMIT {
            return outcome.overflow();
        }
        let pair = Arc::new(Pair { key: key.into(), variant: variant.into(), outcome });
        let rehash = |(pair, _): &(Arc<Pair>, usize)| self.hash(&pair.key, &pair.variant, pair.outcome);
        places.insert_unique(hash, (pair, place), rehash);
        place
    }

    fn hash(&self, key: &str, variant: &str, outcome: Outcome) -> u64 {
        self.hasher.hash_one((key, variant, outcome))
    }

    /// Writes the three families: impressions, reasons and, by flag, errors.
    pub(super) fn render(&self, out: &mut Exposition) {
        let known: Vec<(Arc<Pair>, usize)> = {
            let places = self.places.read().unwrap_or_else(PoisonError::into_inner);
            places.iter().map(|(pair, place)| (Arc::clone(pair), *place)).collect()
        };
        let overflown = Outcome::ALL.iter().map(|outcome| {
            let pair = Pair { key: OVERFLOW.into(), variant: "".into(), outcome: *outcome };
            (Arc::new(pair), outcome.overflow())
        });
        let totals = known.into_iter().chain(overflown).map(|(pair, place)| {
            let mut total = 0;
            self.counts.each(|counts| total += counts.get(place));
            (pair, total)
        });
        let totals: Totals = totals.filter(|(_, total)| *total > 0).collect();
        impressions(out, &totals);
        reasons(out, &totals);
        errors(out, &totals);
    }
}

impl Outcome {
    const ALL: [Self; 11] = [
        Self::Success(Reason::Static),
        Self::Success(Reason::TargetingMatch),
        Self::Success(Reason::Split),
        Self::Success(Reason::Default),
        Self::Success(Reason::Disabled),
        Self::Success(Reason::Stale),
        Self::Failure(Failure::FlagNotFound),
        Self::Failure(Failure::ParseError),
        Self::Failure(Failure::TypeMismatch),
        Self::Failure(Failure::TargetingKeyMissing),
        Self::Failure(Failure::General),
    ];

    /// The place behind those of all pairs, at which it is counted when there is no room for more of them.
    fn overflow(self) -> usize {
        LIMIT + Self::ALL.iter().take_while(|other| **other != self).count()
    }
}

impl Pair {
    fn is(&self, key: &str, variant: &str, outcome: Outcome) -> bool {
        self.outcome == outcome && &*self.key == key && &*self.variant == variant
    }
}

type Totals = BTreeMap<Arc<Pair>, u64>;

const PROVIDER: (&str, &str) = ("feature_flag_provider_name", "flagd");

fn impressions(out: &mut Exposition, totals: &Totals) {
    let help = "Measures the number of evaluations for a given flag.";
    out.family("feature_flag_flagd_impression_total", Kind::Counter, help);
    for (pair, count) in totals {
        let Outcome::Success(reason) = pair.outcome else { continue };
        let labels = [
            ("feature_flag_key", &*pair.key),
            PROVIDER,
            ("feature_flag_reason", reason.as_str()),
            ("feature_flag_result_variant", &*pair.variant),
        ];
        out.sample(&labels, count);
    }
}

fn reasons(out: &mut Exposition, totals: &Totals) {
    let help = "Measures the number of evaluations for a given reason.";
    out.family("feature_flag_flagd_result_reason_total", Kind::Counter, help);
    let mut answered: BTreeMap<(&str, Reason), u64> = BTreeMap::new();
    let mut failed: BTreeMap<Failure, u64> = BTreeMap::new();
    for (pair, count) in totals {
        match pair.outcome {
            Outcome::Success(reason) => *answered.entry((&pair.key, reason)).or_default() += count,
            Outcome::Failure(failure) => *failed.entry(failure).or_default() += count,
        }
    }
    for ((key, reason), count) in answered {
        out.sample(&[("feature_flag_key", key), PROVIDER, ("feature_flag_reason", reason.as_str())], count);
    }
    for (failure, count) in failed {
        let labels = [("ExceptionTypeKeyName", failure.as_str()), PROVIDER, ("feature_flag_reason", "ERROR")];
        out.sample(&labels, count);
    }
}

fn errors(out: &mut Exposition, totals: &Totals) {
    let help = "Evaluations without an answer, by flag.";
    out.family("hoistd_evaluation_errors_total", Kind::Counter, help);
    for (pair, count) in totals {
        let Outcome::Failure(failure) = pair.outcome else { continue };
        out.sample(&[("feature_flag_key", &pair.key), ("error_type", failure.as_str())], count);
    }
}

#[cfg(test)]
mod tests {
    use engine::{Definition, Options, compile};
    use serde_json::json;

    use super::*;

    fn text(evaluations: &Evaluations) -> String {
        let mut out = Exposition::default();
        evaluations.render(&mut out);
        out.finish()
    }

    /// Flags named `0`, `1` and so on, each with `variants`.
    fn flags(count: usize, variants: &[&str]) -> Vec<Arc<Flag>> {
        let variants: serde_json::Map<_, _> =
            variants.iter().map(|name| ((*name).to_owned(), json!(*name))).collect();
        let flag = json!({"state": "ENABLED", "variants": variants});
        let all: serde_json::Map<_, _> = (0..count).map(|at| (at.to_string(), flag.clone())).collect();
        compiled(&json!({ "flags": all }))
    }

    /// The flags of a document by their keys.
    fn compiled(document: &serde_json::Value) -> Vec<Arc<Flag>> {
        let document = document.to_string();
        let definition = Definition::parse(&document).expect("a document");
        compile(&definition, &Arc::from("test"), &Options::default(), None).layer.flags().to_vec()
    }

    fn variant<'f>(flag: &'f Flag, name: &str) -> &'f Variant {
        flag.variants().iter().find(|variant| variant.name() == name).expect("a variant")
    }

    #[track_caller]
    fn assert_lines(text: &str, lines: &[&str]) {
        for line in lines {
            assert!(text.lines().any(|found| found == *line), "missing {line} in\n{text}");
        }
    }

    #[test]
    fn answers_carry_their_key_and_errors_only_in_our_own_series() {
        let evaluations = Evaluations::default();
        let flags = flags(1, &["on", "off"]);
        let flag = &flags[0];
        for name in ["on", "off", "off"] {
            evaluations.success(flag, Some(variant(flag, name)), Reason::Static);
        }
        evaluations.success(flag, None, Reason::Default);
        evaluations.failure(Some(flag), Failure::ParseError);
        evaluations.failure(None, Failure::FlagNotFound);
        assert_lines(
            &text(&evaluations),
            &[
                r#"feature_flag_flagd_impression_total{feature_flag_key="0",feature_flag_provider_name="flagd",feature_flag_reason="STATIC",feature_flag_result_variant="off"} 2"#,
                r#"feature_flag_flagd_impression_total{feature_flag_key="0",feature_flag_provider_name="flagd",feature_flag_reason="DEFAULT",feature_flag_result_variant=""} 1"#,
                r#"feature_flag_flagd_result_reason_total{feature_flag_key="0",feature_flag_provider_name="flagd",feature_flag_reason="STATIC"} 3"#,
                r#"feature_flag_flagd_result_reason_total{ExceptionTypeKeyName="FLAG_NOT_FOUND",feature_flag_provider_name="flagd",feature_flag_reason="ERROR"} 1"#,
                r#"hoistd_evaluation_errors_total{feature_flag_key="__unknown__",error_type="FLAG_NOT_FOUND"} 1"#,
                r#"hoistd_evaluation_errors_total{feature_flag_key="0",error_type="PARSE_ERROR"} 1"#,
            ],
        );
    }

    #[test]
    fn a_new_definition_of_a_flag_goes_on_counting() {
        let evaluations = Evaluations::default();
        for variants in [&["off", "on"][..], &["on"], &["new", "old", "on"]] {
            let flags = flags(1, variants);
            evaluations.success(&flags[0], Some(variant(&flags[0], "on")), Reason::Static);
        }
        let text = text(&evaluations);
        assert!(text.contains(r#"feature_flag_result_variant="on"} 3"#), "{text}");
    }

    #[test]
    fn a_variant_that_is_not_the_flags_own_is_counted_by_its_name() {
        let evaluations = Evaluations::default();
        let (one, other) = (flags(1, &["a"]), flags(1, &["b", "c"]));
        for name in ["b", "c", "c"] {
            evaluations.success(&one[0], Some(variant(&other[0], name)), Reason::Split);
        }
        let text = text(&evaluations);
        assert!(text.contains(r#"feature_flag_result_variant="b"} 1"#), "{text}");
        assert!(text.contains(r#"feature_flag_result_variant="c"} 2"#), "{text}");
    }

    #[test]
    fn what_flags_can_be_seen_to_answer_has_its_counters_before_it_is_asked() {
        let evaluations = Evaluations::default();
        let document = json!({"flags": {
            "off": {"state": "DISABLED", "variants": {"on": true}, "defaultVariant": "on"},
            "ruled": {
                "state": "ENABLED", "variants": {"on": true, "off": false}, "defaultVariant": "off",
                "targeting": {"if": [{"var": "beta"}, "on"]},
            },
            "static": {"state": "ENABLED", "variants": {"on": true, "off": false}, "defaultVariant": "on"},
        }});
        let [off, ruled, fixed] = &compiled(&document)[..] else { panic!("three flags") };
        evaluations.foresee([off, ruled, fixed].map(AsRef::as_ref));
        assert_eq!(evaluations.known(), 1 + 3 + 1);
        assert!(!text(&evaluations).contains("feature_flag_key"), "nothing has been counted");

        evaluations.success(off, None, Reason::Disabled);
        evaluations.success(ruled, Some(variant(ruled, "on")), Reason::TargetingMatch);
        evaluations.success(ruled, Some(variant(ruled, "off")), Reason::Default);
        evaluations.success(fixed, Some(variant(fixed, "on")), Reason::Static);
        assert_eq!(evaluations.known(), 1 + 3 + 1, "{:?}", evaluations.places);
        let text = text(&evaluations);
        assert_eq!(text.matches("feature_flag_flagd_impression_total{").count(), 4, "{text}");
    }

    #[test]
    fn flags_that_nobody_asks_leave_room_for_those_that_are_asked() {
        let evaluations = Evaluations::default();
        let flags = flags(2 * FORESEEN, &["on"]);
        evaluations.foresee(flags.iter().map(AsRef::as_ref));
        assert_eq!(evaluations.known(), FORESEEN);
        let last = &flags[2 * FORESEEN - 1];
        evaluations.success(last, Some(variant(last, "on")), Reason::Static);
        assert!(!text(&evaluations).contains(OVERFLOW));
    }

    #[test]
    fn two_that_count_the_same_flags_do_not_mix() {
        let (one, other) = (Evaluations::default(), Evaluations::default());
        let flags = flags(2, &["on"]);
        for flag in &flags {
            one.success(flag, Some(variant(flag, "on")), Reason::Static);
        }
        for flag in flags.iter().rev() {
            other.success(flag, Some(variant(flag, "on")), Reason::Static);
        }
        other.success(&flags[1], Some(variant(&flags[1], "on")), Reason::Static);
        let line = r#"feature_flag_flagd_result_reason_total{feature_flag_key="1",feature_flag_provider_name="flagd",feature_flag_reason="STATIC"}"#;
        assert_lines(&text(&one), &[&format!("{line} 1")]);
        assert_lines(&text(&other), &[&format!("{line} 2")]);
    }

    #[test]
    fn beyond_the_limit_events_share_one_series_and_none_is_lost() {
        let evaluations = Evaluations::default();
        let flags = flags(LIMIT + 50, &["on"]);
        for flag in flags.iter().chain([&flags[0], &flags[LIMIT + 1]]) {
            evaluations.success(flag, Some(variant(flag, "on")), Reason::Static);
        }
        let text = text(&evaluations);
        let series = text.lines().filter(|line| line.starts_with("feature_flag_flagd_impression_total{"));
        assert_eq!(series.clone().count(), LIMIT + 1);
        let total: u64 = series.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum();
        assert_eq!(total, LIMIT as u64 + 52);
        assert!(text.contains(r#"feature_flag_key="__overflow__",feature_flag_provider_name="flagd",feature_flag_reason="STATIC",feature_flag_result_variant=""} 51"#));
    }

    #[test]
    fn every_outcome_has_a_place_of_its_own_beyond_the_limit() {
        let places = Outcome::ALL.map(Outcome::overflow);
        assert!(places.iter().copied().eq(LIMIT..LIMIT + Outcome::ALL.len()), "{places:?}");
    }

    #[test]
    fn threads_add_up() {
        let evaluations = Evaluations::default();
        let flags = flags(40, &["on"]);
        std::thread::scope(|scope| {
            for _ in 0..24 {
                scope.spawn(|| {
                    for _ in 0..100 {
                        for flag in &flags {
                            evaluations.success(flag, Some(variant(flag, "on")), Reason::Static);
                        }
                    }
                });
            }
        });
        let text = text(&evaluations);
        let counts = text.matches(r#"feature_flag_result_variant="on"} 2400"#).count();
        assert_eq!(counts, 40, "{text}");
    }
}
