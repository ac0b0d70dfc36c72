//! Answers that hold until an event says otherwise: a least-recently-used cache of bounded size.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use kit::{Answer, Type};
use open_feature::EvaluationReason;

/// No entry.
const NONE: usize = usize::MAX;

/// Keeps answers by flag, one for each type that the flag was asked for as.
#[derive(Debug)]
pub(super) struct Cache {
    capacity: usize,
    inner: Mutex<Inner>,
}

/// Which answers were asked for before something was forgotten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mark(u64);

#[derive(Debug)]
struct Inner {
    slots: HashMap<Arc<str>, usize>,
    entries: Vec<Entry>,
    /// The entries in order of use, as a ring of links: the latest and the earliest.
    newest: usize,
    oldest: usize,
    /// Entries without a flag.
    free: Vec<usize>,
    forgotten: u64,
}

#[derive(Debug)]
struct Entry {
    key: Arc<str>,
    answers: Vec<(Type, Answer)>,
    newer: usize,
    older: usize,
}

impl Cache {
    /// Keeps the answers of `capacity` flags at most.
    pub(super) fn new(capacity: usize) -> Self {
        let inner = Inner {
            slots: HashMap::new(),
            entries: Vec::new(),
            newest: NONE,
            oldest: NONE,
            free: Vec::new(),
            forgotten: 0,
        };
        Self { capacity, inner: Mutex::new(inner) }
    }

    /// The answer that is kept, as one from a cache.
    pub(super) fn get(&self, key: &str, want: Type) -> Option<Answer> {
        if self.capacity == 0 {
            return None;
        }
        let mut inner = self.inner();
        let at = *inner.slots.get(key)?;
        inner.touch(at);
        let (_, answer) = inner.entries[at].answers.iter().find(|(kind, _)| *kind == want)?;
        Some(answer.clone().reason(EvaluationReason::Cached))
    }

    /// To be taken before the server is asked, and given back with its answer.
    pub(super) fn mark(&self) -> Mark {
        Mark(if self.capacity == 0 { 0 } else { self.inner().forgotten })
    }

    /// Keeps an answer, unless something was forgotten since the mark: it might be this.
    pub(super) fn keep(&self, mark: Mark, key: &str, want: Type, answer: &Answer) {
        if self.capacity == 0 {
            return;
        }
        let mut inner = self.inner();
        if inner.forgotten != mark.0 {
            return;
        }
        let at = match inner.slots.get(key) {
            Some(&at) => at,
            None => {
                if inner.slots.len() >= self.capacity {
                    let oldest = inner.oldest;
                    inner.remove(oldest);
                }
                inner.insert(key.into())
            }
        };
        inner.touch(at);
        let answers = &mut inner.entries[at].answers;
        answers.retain(|(kind, _)| *kind != want);
        answers.push((want, answer.clone()));
    }

    /// Forgets these flags.
    pub(super) fn forget<'k>(&self, keys: impl IntoIterator<Item = &'k str>) {
        let mut inner = self.inner();
        inner.forgotten += 1;
        for key in keys {
            if let Some(&at) = inner.slots.get(key) {
                inner.remove(at);
            }
        }
    }

    /// Forgets everything.
    pub(super) fn clear(&self) {
        let mut inner = self.inner();
        inner.forgotten += 1;
        inner.slots.clear();
        inner.entries.clear();
        inner.free.clear();
        (inner.newest, inner.oldest) = (NONE, NONE);
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn insert(&mut self, key: Arc<str>) -> usize {
        let entry = Entry { key: Arc::clone(&key), answers: Vec::new(), newer: NONE, older: NONE };
        let at = match self.free.pop() {
            Some(at) => {
                self.entries[at] = entry;
                at
            }
            None => {
                self.entries.push(entry);
                self.entries.len() - 1
            }
        };
        self.slots.insert(key, at);
        self.link(at);
        at
    }

    fn remove(&mut self, at: usize) {
        self.unlink(at);
        let entry = &mut self.entries[at];
        entry.answers = Vec::new();
        self.slots.remove(&entry.key);
        self.free.push(at);
    }

    /// Makes the entry the latest one.
    fn touch(&mut self, at: usize) {
        if self.newest != at {
            self.unlink(at);
            self.link(at);
        }
    }

    fn link(&mut self, at: usize) {
        let newest = std::mem::replace(&mut self.newest, at);
        self.entries[at].newer = NONE;
        self.entries[at].older = newest;
        match self.entries.get_mut(newest) {
            Some(entry) => entry.newer = at,
            None => self.oldest = at,
        }
    }

    fn unlink(&mut self, at: usize) {
        let (newer, older) = (self.entries[at].newer, self.entries[at].older);
        match self.entries.get_mut(newer) {
            Some(entry) => entry.older = older,
            None => self.newest = older,
        }
        match self.entries.get_mut(older) {
            Some(entry) => entry.newer = newer,
            None => self.oldest = newer,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keep(cache: &Cache, key: &str, value: i64) {
        cache.keep(cache.mark(), key, Type::Int, &Answer::new(value).reason(EvaluationReason::Static));
    }

    fn kept(cache: &Cache, keys: &[&str]) -> Vec<bool> {
        keys.iter().map(|key| cache.inner().slots.contains_key(*key)).collect()
    }

    #[test]
    fn the_least_recently_used_makes_room() {
        let cache = Cache::new(3);
        ["a", "b", "c"].iter().for_each(|key| keep(&cache, key, 1));
        assert!(cache.get("a", Type::Int).is_some());
        keep(&cache, "d", 1);
        assert_eq!(kept(&cache, &["a", "b", "c", "d"]), [true, false, true, true]);
        cache.forget(["c", "x"]);
        keep(&cache, "e", 1);
        assert_eq!(kept(&cache, &["a", "c", "d", "e"]), [true, false, true, true]);
        (0..1000).for_each(|n| keep(&cache, &n.to_string(), n));
        let entries = cache.inner().entries.len();
        assert_eq!(entries, 3, "room is used again");
        assert_eq!(kept(&cache, &["996", "997", "998", "999"]), [false, true, true, true]);
    }

    #[test]
    fn an_answer_is_kept_by_type_and_says_that_it_was() {
        let cache = Cache::new(2);
        keep(&cache, "a", 1);
        assert!(cache.get("a", Type::Float).is_none());
        let answer = cache.get("a", Type::Int).expect("kept");
        assert_eq!(answer.reason, EvaluationReason::Cached);
        cache.clear();
        assert!(cache.get("a", Type::Int).is_none());
        let off = Cache::new(0);
        keep(&off, "a", 1);
        assert!(off.get("a", Type::Int).is_none());
    }

    #[test]
    fn an_answer_from_before_a_change_is_not_kept() {
        let cache = Cache::new(2);
        let mark = cache.mark();
        cache.forget(["a"]);
        cache.keep(mark, "a", Type::Int, &Answer::new(1_i64));
        assert!(cache.get("a", Type::Int).is_none());
    }
}
