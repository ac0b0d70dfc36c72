//! Usage: how often each flag was asked for and what it answered, for the vendor's "last seen" and stale reports.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Serialize;

use crate::reader::Counting;
use crate::rules::Counted;

/// The name under which answers without a variant are counted.
const NO_VARIANT: &str = "disabled";

/// What was counted of one flag.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Counts {
    /// How often it was on.
    pub(crate) yes: u64,
    /// How often it was off.
    pub(crate) no: u64,
    /// How often each variant was drawn.
    pub(crate) variants: BTreeMap<String, u64>,
}

impl Counts {
    /// Adds what another has counted.
    pub(crate) fn add(&mut self, more: Self) {
        self.yes = self.yes.saturating_add(more.yes);
        self.no = self.no.saturating_add(more.no);
        for (name, count) in more.variants {
            let sum = self.variants.entry(name).or_default();
            *sum = sum.saturating_add(count);
        }
    }
}

/// The counters of a source's flags.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    counters: Mutex<Counters>,
}

#[derive(Debug, Default)]
struct Counters {
    all: Vec<(Box<str>, Arc<Counter>)>,
    /// At how many those of definitions that are gone are looked for.
    tidy_at: usize,
}

/// The counter of one flag as it is defined for the time being.
#[derive(Debug)]
struct Counter {
    yes: AtomicU64,
    no: AtomicU64,
    variants: Box<[(Box<str>, AtomicU64)]>,
    none: AtomicU64,
}

impl Counted for Counter {
    fn count(&self, enabled: bool, variant: Option<Option<usize>>) {
        let truth = if enabled { &self.yes } else { &self.no };
        truth.fetch_add(1, Ordering::Relaxed);
        let drawn =
            variant.map(|at| at.and_then(|at| self.variants.get(at)).map_or(&self.none, |(_, count)| count));
        if let Some(drawn) = drawn {
            drawn.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Counting for Ledger {
    fn counter(&self, key: &str, variants: Vec<Box<str>>) -> Arc<dyn Counted> {
        let counter = Arc::new(Counter {
            yes: AtomicU64::new(0),
            no: AtomicU64::new(0),
            variants: variants.into_iter().map(|name| (name, AtomicU64::new(0))).collect(),
            none: AtomicU64::new(0),
        });
        let mut counters = self.locked();
        if counters.all.len() >= counters.tidy_at {
            counters.tidy();
            counters.tidy_at = counters.all.len().saturating_mul(2).max(64);
        }
        counters.all.push((key.into(), Arc::clone(&counter)));
        counter
    }
}

impl Counters {
    /// Lets go of what belongs to definitions that are gone and has been told.
    fn tidy(&mut self) {
        self.all.retain(|(_, counter)| Arc::strong_count(counter) > 1 || counter.is_used());
    }
}

impl Counter {
    fn is_used(&self) -> bool {
        self.yes.load(Ordering::Relaxed) > 0 || self.no.load(Ordering::Relaxed) > 0
    }

    fn take(&self) -> Counts {
        let taken = |count: &AtomicU64| count.swap(0, Ordering::Relaxed);
        let mut counts = Counts { yes: taken(&self.yes), no: taken(&self.no), variants: BTreeMap::new() };
        let none = (NO_VARIANT, taken(&self.none));
        let drawn = self.variants.iter().map(|(name, count)| (&**name, taken(count))).chain([none]);
        for (name, count) in drawn.filter(|(_, count)| *count > 0) {
            *counts.variants.entry(name.to_owned()).or_default() += count;
        }
        counts
    }
}

impl Ledger {
    /// What was counted since the last time, by flag.
    pub(crate) fn take(&self) -> BTreeMap<String, Counts> {
        let mut all: BTreeMap<String, Counts> = BTreeMap::new();
        let mut counters = self.locked();
        for (key, counter) in &counters.all {
            let counts = counter.take();
            if counts != Counts::default() {
                all.entry(key.to_string()).or_default().add(counts);
            }
        }
        counters.tidy();
        all
    }

    fn locked(&self) -> MutexGuard<'_, Counters> {
        self.counters.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_taken_once_and_outlive_a_definition() {
        let ledger = Ledger::default();
        let first = ledger.counter("a", vec!["blue".into()]);
        first.count(true, Some(Some(0)));
        first.count(false, Some(None));
        drop(first);
        let second = ledger.counter("a", vec!["red".into()]);
        second.count(true, None);
        second.count(true, Some(Some(0)));
        let taken = ledger.take();
        let variants =
            [("blue", 1), ("disabled", 1), ("red", 1)].map(|(name, count)| (name.to_owned(), count));
        assert_eq!(taken["a"], Counts { yes: 3, no: 1, variants: variants.into() });
        assert!(ledger.take().is_empty());
        assert_eq!(ledger.locked().all.len(), 1, "a definition that is gone leaves nothing");
    }
}
