//! All flags of all sources at one moment: built once, then only read.

use std::cmp::Ordering;
use std::hash::{BuildHasher, Hasher};
use std::sync::Arc;

use foldhash::fast::RandomState;
use hashbrown::HashTable;

use crate::bytes::same;
use crate::compile::Layer;
use crate::flag::Flag;
use crate::selector::Selector;

/// Every flag by key, by flag set and by source, with the winner of each already decided.
///
/// A key in several sources means the flag of the source with the highest priority; among equals, the greatest flag set in
/// byte order (contract 6.5). A source's own flags stay reachable by its selector even when another source wins.
#[derive(Debug, Default)]
pub struct Snapshot {
    generation: u64,
    flags: Box<[Arc<Flag>]>,
    any: Index,
    /// Where a key may mean several flags. Mostly none does, and then a selector only has to say yes to the one.
    scoped: Option<Scoped>,
}

/// The flags of each scope on their own.
#[derive(Debug)]
struct Scoped {
    by_set: Index,
    by_source: Index,
}

/// Positions in `Snapshot::flags`: a hash table for one flag, a sorted list for all.
#[derive(Debug, Default)]
struct Index {
    hasher: RandomState,
    table: HashTable<u32>,
    sorted: Box<[u32]>,
}

impl Snapshot {
    /// Folds layers into one view, the first with the lowest priority.
    pub fn fold<'l>(layers: impl IntoIterator<Item = &'l Layer>, generation: u64) -> Self {
        let mut ranked: Vec<Ranked<'_>> = Vec::new();
        for (priority, layer) in layers.into_iter().enumerate() {
            ranked.extend(layer.flags().iter().map(|flag| Ranked::of(flag, priority)));
        }
        ranked.sort_by(Ranked::cmp);
        let priorities: Vec<usize> = ranked.iter().map(|ranked| ranked.priority).collect();
        let flags: Box<[Arc<Flag>]> = ranked.into_iter().map(|ranked| Arc::clone(ranked.flag)).collect();
        let stronger = |new: u32, old: u32| {
            let rank = |at: u32| (priorities[at as usize], flags[at as usize].flag_set());
            rank(new) > rank(old)
        };
        let any = Index::build(&flags, |_| "", stronger);
        let scoped = (any.sorted.len() < flags.len()).then(|| Scoped {
            by_set: Index::build(&flags, |flag| flag.flag_set().unwrap_or_default(), stronger),
            by_source: Index::build(&flags, Flag::source, stronger),
        });
        Self { generation, flags, any, scoped }
    }

    /// Which fold this is; greater is later.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// Every flag of every source, the shadowed ones too, by flag set (none first), key and falling priority.
    pub fn flags(&self) -> &[Arc<Flag>] {
        &self.flags
    }

    /// The flag that `key` means under `selector`.
    #[inline]
    pub fn find(&self, selector: &Selector<'_>, key: &str) -> Option<&Arc<Flag>> {
        let flags = &self.flags;
        match (*selector, &self.scoped) {
            (Selector::Any, _) => self.any.find(flags, |_| true, "", key),
            (_, None) => self.any.find(flags, |flag| selector.means(flag), "", key),
            (Selector::FlagSet(id), Some(scoped)) => {
                scoped.by_set.find(flags, |flag| selector.means(flag), id, key)
            }
            (Selector::Source(uri), Some(scoped)) => {
                scoped.by_source.find(flags, |flag| selector.means(flag), uri, key)
            }
        }
    }

    /// The flags that `selector` means, one per key, by flag set (none first) and key.
    pub fn select<'s>(&'s self, selector: &Selector<'s>) -> impl Iterator<Item = &'s Arc<Flag>> + use<'s> {
        let selector = *selector;
        let index = match (selector, &self.scoped) {
            (Selector::Any, _) | (_, None) => &self.any,
            (Selector::FlagSet(_), Some(scoped)) => &scoped.by_set,
            (Selector::Source(_), Some(scoped)) => &scoped.by_source,
        };
        index.sorted.iter().map(|&at| &self.flags[at as usize]).filter(move |flag| selector.means(flag))
    }
}

/// A flag on its way to its place in a snapshot.
struct Ranked<'l> {
    set: Option<&'l str>,
    /// How its key begins, as a number of the same order.
    head: u128,
    priority: usize,
    flag: &'l Arc<Flag>,
}

impl<'l> Ranked<'l> {
    fn of(flag: &'l Arc<Flag>, priority: usize) -> Self {
        let mut head = [0; 16];
        head.iter_mut().zip(flag.key().as_bytes()).for_each(|(head, byte)| *head = *byte);
        Self { set: flag.flag_set(), head: u128::from_be_bytes(head), priority, flag }
    }

    /// Sorted as bulk answers list them; of two flags with one identity the stronger comes first. The flags themselves are
    /// far apart in memory, so that their keys are read only if the heads do not tell.
    fn cmp(&self, other: &Self) -> Ordering {
        let by_key = |a: &Self, b: &Self| a.flag.key().cmp(b.flag.key());
        (self.set.cmp(&other.set))
            .then(self.head.cmp(&other.head))
            .then_with(|| by_key(self, other))
            .then(other.priority.cmp(&self.priority))
    }
}

impl Index {
    fn build<'f>(
        flags: &'f [Arc<Flag>],
        scope: impl Fn(&'f Flag) -> &'f str,
        stronger: impl Fn(u32, u32) -> bool,
    ) -> Self {
        let hasher = RandomState::default();
        let mut table = HashTable::with_capacity(flags.len());
        let hash = |at: u32| hash(&hasher, scope(&flags[at as usize]), flags[at as usize].key());
        for at in 0..u32::try_from(flags.len()).unwrap_or(u32::MAX) {
            let flag = &flags[at as usize];
            let same = |other: &u32| {
                let other = &flags[*other as usize];
                other.key() == flag.key() && scope(other) == scope(flag)
            };
            match table.entry(hash(at), same, |other| hash(*other)) {
                hashbrown::hash_table::Entry::Vacant(slot) => {
                    slot.insert(at);
                }
                hashbrown::hash_table::Entry::Occupied(mut slot) if stronger(at, *slot.get()) => {
                    *slot.get_mut() = at
                }
                hashbrown::hash_table::Entry::Occupied(_) => {}
            }
        }
        let mut sorted: Box<[u32]> = table.iter().copied().collect();
        // By position, which is by flag set and key.
        sorted.sort_unstable();
        Self { hasher, table, sorted }
    }

    #[inline]
    fn find<'f>(
        &self,
        flags: &'f [Arc<Flag>],
        in_scope: impl Fn(&Flag) -> bool,
        scope: &str,
        key: &str,
    ) -> Option<&'f Arc<Flag>> {
        let hash = hash(&self.hasher, scope, key);
        let at = self.table.find(hash, |at| {
            let flag = &flags[*at as usize];
            same(flag.key(), key) && in_scope(flag)
        })?;
        Some(&flags[*at as usize])
    }
}

/// Mostly there is no scope, and the key alone is hashed.
#[inline]
fn hash(hasher: &RandomState, scope: &str, key: &str) -> u64 {
    let mut hasher = hasher.build_hasher();
    if !scope.is_empty() {
        hasher.write(scope.as_bytes());
        // No text holds this byte, so that no scope runs into a key.
        hasher.write_u8(0xff);
    }
    hasher.write(key.as_bytes());
    hasher.finish()
}
