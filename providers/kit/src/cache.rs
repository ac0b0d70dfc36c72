//! Answers kept for a while: bounded, the least recently used go first.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A bounded cache by flag key (or any text), shared between tasks.
///
/// An answer that was asked for before a change and arrives after it must not be kept. So take a [`Ticket`] before asking,
/// and give it to [`Cache::put`]: it is void once anything was evicted for a change.
#[derive(Debug)]
pub struct Cache<V> {
    capacity: usize,
    inner: Mutex<Inner<V>>,
}

/// The right to put an answer, as long as nothing changed since.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticket(u64);

#[derive(Debug)]
struct Inner<V> {
    entries: HashMap<Arc<str>, Entry<V>>,
    /// Keys by when they were used last.
    uses: BTreeMap<u64, Arc<str>>,
    clock: u64,
    changes: u64,
}

#[derive(Debug)]
struct Entry<V> {
    used: u64,
    value: V,
}

impl<V: Clone> Cache<V> {
    /// For `capacity` answers; none at all if it is zero.
    pub fn new(capacity: usize) -> Self {
        let inner = Inner { entries: HashMap::new(), uses: BTreeMap::new(), clock: 0, changes: 0 };
        Self { capacity, inner: Mutex::new(inner) }
    }

    /// The answer for `key`.
    pub fn get(&self, key: &str) -> Option<V> {
        if self.capacity == 0 {
            return None;
        }
        self.inner().touch(key)
    }

    /// To be taken before the backend is asked.
    pub fn ticket(&self) -> Ticket {
        Ticket(self.inner().changes)
    }

    /// Keeps the answer for `key` unless something changed since `ticket`. Returns whether it is kept.
    pub fn put(&self, ticket: Ticket, key: &str, value: V) -> bool {
        let mut inner = self.inner();
        if self.capacity == 0 || inner.changes != ticket.0 {
            return false;
        }
        inner.remove(key);
        if inner.entries.len() >= self.capacity
            && let Some((_, oldest)) = inner.uses.pop_first()
        {
            inner.entries.remove(&oldest);
        }
        let (used, key) = (inner.tick(), Arc::<str>::from(key));
        inner.uses.insert(used, Arc::clone(&key));
        inner.entries.insert(key, Entry { used, value });
        true
    }

    /// Forgets the answers for `keys`, because their flags changed.
    pub fn evict<'k>(&self, keys: impl IntoIterator<Item = &'k str>) {
        let mut inner = self.inner();
        inner.changes += 1;
        for key in keys {
            inner.remove(key);
        }
    }

    /// Forgets everything.
    pub fn clear(&self) {
        let mut inner = self.inner();
        inner.changes += 1;
        inner.entries.clear();
        inner.uses.clear();
    }

    /// How many answers it holds.
    pub fn len(&self) -> usize {
        self.inner().entries.len()
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn inner(&self) -> MutexGuard<'_, Inner<V>> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<V: Clone> Inner<V> {
    fn tick(&mut self) -> u64 {
        self.clock += 1;
        self.clock
    }

    fn touch(&mut self, key: &str) -> Option<V> {
        let now = self.tick();
        let entry = self.entries.get_mut(key)?;
        let before = std::mem::replace(&mut entry.used, now);
        if let Some(key) = self.uses.remove(&before) {
            self.uses.insert(now, key);
        }
        Some(entry.value.clone())
    }

    fn remove(&mut self, key: &str) {
        if let Some(entry) = self.entries.remove(key) {
            self.uses.remove(&entry.used);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_recently_used_goes_first() {
        let cache = Cache::new(2);
        for (key, value) in [("a", 1), ("b", 2)] {
            assert!(cache.put(cache.ticket(), key, value));
        }
        assert_eq!(cache.get("a"), Some(1));
        assert!(cache.put(cache.ticket(), "c", 3));
        assert_eq!((cache.get("a"), cache.get("b"), cache.get("c")), (Some(1), None, Some(3)));
        assert!(cache.put(cache.ticket(), "a", 4));
        assert_eq!((cache.get("a"), cache.len()), (Some(4), 2));
    }

    #[test]
    fn an_answer_of_before_a_change_is_not_kept() {
        let cache = Cache::new(2);
        let ticket = cache.ticket();
        cache.evict(["other"]);
        assert!(!cache.put(ticket, "a", 1));
        let ticket = cache.ticket();
        cache.clear();
        assert!(!cache.put(ticket, "a", 1));
        assert!(cache.is_empty());
    }

    #[test]
    fn changes_evict_their_keys_alone() {
        let cache = Cache::new(4);
        for key in ["a", "b", "c"] {
            cache.put(cache.ticket(), key, key.len());
        }
        cache.evict(["a", "x"]);
        assert_eq!((cache.get("a"), cache.get("b"), cache.len()), (None, Some(1), 2));
        cache.clear();
        assert!(cache.is_empty());
    }

    #[test]
    fn a_cache_of_nothing_keeps_nothing() {
        let cache = Cache::new(0);
        assert!(!cache.put(cache.ticket(), "a", 1));
        assert_eq!(cache.get("a"), None);
    }

    #[test]
    fn many_uses_leave_it_as_large_as_its_capacity() {
        let cache = Cache::new(100);
        for n in 0..20_000 {
            let key = (n * 7 % 331).to_string();
            if cache.get(&key).is_none() {
                cache.put(cache.ticket(), &key, n);
            }
        }
        let inner = cache.inner();
        assert_eq!((inner.entries.len(), inner.uses.len()), (100, 100));
    }
}
