//! What the daemon keeps with a flag so as not to look it up again. It goes with the flag, so that no new definition ever
//! meets what was kept of an old one.

use std::sync::{Arc, OnceLock};

use engine::{Flag, Variant};

use crate::services::replies::{About, Reply};
use crate::telemetry::Places;

/// What is kept with a flag.
#[derive(Debug, Default)]
pub(crate) struct Shelf {
    /// Its encoded replies.
    pub(crate) replies: Chain<About, Arc<Reply>>,
    /// Where its evaluations are counted.
    pub(crate) counters: Places,
}

impl Shelf {
    /// That of `flag`, empty at first, and which of the flag's variants `variant` is. `None` for a variant that is none of
    /// them, which a vendor's rules made for a question: nothing is kept of it.
    pub(crate) fn of<'f>(flag: &'f Flag, variant: Option<&Variant>) -> Option<(&'f Self, Option<usize>)> {
        let at = match variant {
            Some(variant) => Some(flag.variants().iter().position(|own| std::ptr::eq(own, variant))?),
            None => None,
        };
        Some((flag.shelved(Self::default)?, at))
    }
}

/// A short list that only grows, the oldest first. Reading takes no lock.
#[derive(Debug)]
pub(crate) struct Chain<K, V>(OnceLock<Box<Link<K, V>>>);

#[derive(Debug)]
struct Link<K, V> {
    key: K,
    value: V,
    next: Chain<K, V>,
}

impl<K, V> Default for Chain<K, V> {
    fn default() -> Self {
        Self(OnceLock::new())
    }
}

impl<K: PartialEq, V> Chain<K, V> {
    /// What is kept under `key`.
    pub(crate) fn find(&self, key: &K) -> Option<&V> {
        self.links().find(|link| link.key == *key).map(|link| &link.value)
    }

    /// Keeps `value` under `key`, unless something is kept there or as many as `most` are kept already.
    pub(crate) fn keep(&self, key: K, value: V, most: usize) {
        let mut link = Box::new(Link { key, value, next: Self::default() });
        let mut end = self;
        for _ in 0..most {
            let Err(refused) = end.0.set(link) else { return };
            link = refused;
            match end.0.get() {
                // Another thread may have kept the same meanwhile.
                Some(taken) if taken.key != link.key => end = &taken.next,
                _ => return,
            }
        }
    }

    /// How many are kept.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.links().count()
    }

    fn links(&self) -> impl Iterator<Item = &Link<K, V>> {
        std::iter::successors(self.0.get(), |link| link.next.0.get()).map(Box::as_ref)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_kept_first_stands_and_no_more_than_are_allowed() {
        let chain = Chain::default();
        for (key, value) in [("a", 1), ("b", 2), ("a", 3), ("c", 4)] {
            chain.keep(key, value, 2);
        }
        assert_eq!(["a", "b", "c"].map(|key| chain.find(&key).copied()), [Some(1), Some(2), None]);
    }

    #[test]
    fn threads_that_keep_at_once_lose_nothing_and_keep_each_key_once() {
        let chain = Chain::default();
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let chain = &chain;
                scope.spawn(move || (0..16).for_each(|key| chain.keep(key, thread, 16)));
            }
        });
        assert_eq!(chain.len(), 16);
        assert!((0..16).all(|key| chain.find(&key).is_some()));
    }
}
