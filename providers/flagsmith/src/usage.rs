//! How often each feature was asked for, for the vendor's own charts.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// The counter of one feature.
pub(crate) type Counter = Arc<AtomicU64>;

/// The counters of a document's features. They outlive the flags, which come anew with each document.
#[derive(Debug, Default)]
pub struct Usage {
    counters: Mutex<HashMap<Box<str>, Counter>>,
}

impl Usage {
    /// The counter of `feature`. Locks, so it is for loading only.
    pub(crate) fn counter(&self, feature: &str) -> Counter {
        let mut counters = self.counters.lock().unwrap_or_else(PoisonError::into_inner);
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
