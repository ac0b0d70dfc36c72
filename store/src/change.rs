//! What differs between two snapshots.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use engine::{Flag, Selector, Snapshot};
use foldhash::fast::RandomState;

/// How a flag differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeKind {
    /// It is new.
    Write,
    /// It is defined otherwise, or by another source.
    Update,
    /// It is gone.
    Delete,
}

impl ChangeKind {
    /// The word in an event (contract 3.13).
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Write => "write",
            Self::Update => "update",
            Self::Delete => "delete",
        }
    }
}

/// What changed in the flags that `selector` means, by key.
///
/// Compares what requests would see: a flag that only lost to another source before and after is no change.
pub fn diff(old: &Snapshot, new: &Snapshot, selector: &Selector<'_>) -> Vec<(Box<str>, ChangeKind)> {
    let mut before: HashMap<&str, &Arc<Flag>, RandomState> =
        select(old, selector).map(|flag| (flag.key(), flag)).collect();
    let mut changes = BTreeMap::new();
    for flag in select(new, selector) {
        match before.remove(flag.key()) {
            None => changes.insert(flag.key(), ChangeKind::Write),
            Some(was) if !same(was, flag) => changes.insert(flag.key(), ChangeKind::Update),
            Some(_) => None,
        };
    }
    changes.extend(before.into_keys().map(|key| (key, ChangeKind::Delete)));
    changes.into_iter().map(|(key, kind)| (key.into(), kind)).collect()
}

/// How many flags differ, the shadowed ones included; 0 means that nobody could tell the snapshots apart.
///
/// Both snapshots list their flags by flag set and key, so one walk through both finds what differs.
pub(crate) fn count(old: &Snapshot, new: &Snapshot) -> usize {
    let (old, new) = (old.flags(), new.flags());
    if old.len() == new.len() && old.iter().zip(new).all(|(old, new)| same(old, new)) {
        return 0;
    }
    let twins = |a: &Arc<Flag>, b: &Arc<Flag>| identity(a) == identity(b);
    let (mut before, mut after) = (old.chunk_by(twins).peekable(), new.chunk_by(twins));
    let mut differing = 0;
    for flags in &mut after {
        let here = flags.first().map(identity);
        while before.next_if(|was| was.first().map(identity) < here).is_some() {}
        let mut was: Vec<_> =
            before.next_if(|was| was.first().map(identity) == here).unwrap_or_default().to_vec();
        for flag in flags {
            match was.iter().position(|was| same(was, flag)) {
                Some(at) => drop(was.swap_remove(at)),
                None => differing += 1,
            }
        }
    }
    let fewer = old.len().saturating_sub(new.len());
    // Only the order of equals can be all that differs: two sources changed places in priority.
    differing.max(fewer).max(1)
}

/// What flags are sorted by.
fn identity(flag: &Arc<Flag>) -> (Option<&str>, &str) {
    (flag.flag_set(), flag.key())
}

fn select<'s>(snapshot: &'s Snapshot, selector: &Selector<'s>) -> impl Iterator<Item = &'s Arc<Flag>> {
    snapshot.select(selector)
}

fn same(a: &Arc<Flag>, b: &Arc<Flag>) -> bool {
    Arc::ptr_eq(a, b)
        || (a.key() == b.key()
            && a.flag_set() == b.flag_set()
            && a.source() == b.source()
            && a.definition() == b.definition()
            && a.native_version() == b.native_version())
}
