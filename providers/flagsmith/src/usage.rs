//! How often each feature was asked for, for the vendor's own charts.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// The counter of one feature.
pub(crate) type Counter = Arc<AtomicU64>;

/// The most features that are counted.
const MOST: usize = 10_000;

/// The counters of a document's features. They outlive the flags, which come anew with each document.
#[derive(Debug, Default)]
pub struct Usage {
    counters: Mutex<HashMap<Box<str>, Counter>>,
}

impl Usage {
    /// The counter of `feature`; beyond ten thousand features one that nobody reads. Locks, so it is for loading only.
    pub(crate) fn counter(&self, feature: &str) -> Counter {
        let mut counters = self.counters.lock().unwrap_or_else(PoisonError::into_inner);
        if counters.len() >= MOST && !counters.contains_key(feature) {
            return Counter::default();
        }
        Arc::clone(counters.entry(feature.into()).or_default())
    }

    /// What was counted since the last time, without what was not asked for.
    pub fn take(&self) -> HashMap<Box<str>, u64> {
        let mut counters = self.counters.lock().unwrap_or_else(PoisonError::into_inner);
        let taken =
            counters.iter().map(|(feature, counter)| (feature.clone(), counter.swap(0, Ordering::Relaxed)));
        let taken = taken.filter(|(_, count)| *count > 0).collect();
        // Whose feature is gone, and whose count is told, has nobody left to count.
        counters.retain(|_, counter| Arc::strong_count(counter) > 1);
        taken
    }

    /// Takes back what could not be told.
    pub fn give_back(&self, counts: HashMap<Box<str>, u64>) {
        for (feature, count) in counts {
            self.counter(&feature).fetch_add(count, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(pairs: &[(&str, u64)]) -> HashMap<Box<str>, u64> {
        pairs.iter().map(|(feature, count)| (Box::from(*feature), *count)).collect()
    }

    #[test]
    fn counts_are_taken_once_and_given_back() {
        let usage = Usage::default();
        let first = usage.counter("a");
        first.fetch_add(2, Ordering::Relaxed);
        // A new document counts on.
        usage.counter("a").fetch_add(1, Ordering::Relaxed);
        usage.counter("b");
        let taken = usage.take();
        assert_eq!(taken, counts(&[("a", 3)]));
        assert_eq!(usage.take(), counts(&[]));
        first.fetch_add(1, Ordering::Relaxed);
        usage.give_back(taken);
        assert_eq!(usage.take(), counts(&[("a", 4)]));
    }

    #[test]
    fn features_that_are_gone_leave_nothing_and_there_is_an_end() {
        let usage = Usage::default();
        usage.give_back((0..MOST + 10).map(|n| (n.to_string().into(), 1)).collect());
        assert_eq!(usage.take().len(), MOST);
        assert!(usage.counters.lock().expect("no panic").is_empty());
    }
}
