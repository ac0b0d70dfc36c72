//! What differs between two snapshots.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use engine::{Flag, Selector, Snapshot};

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
    let mut before: HashMap<&str, &Arc<Flag>> =
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
pub(crate) fn count(old: &Snapshot, new: &Snapshot) -> usize {
    let (old, new) = (old.flags(), new.flags());
    if old.len() == new.len() && old.iter().zip(new).all(|(old, new)| same(old, new)) {
        return 0;
    }
    let identity = |flag: &'_ Arc<Flag>| (flag.flag_set().map(str::to_owned), flag.key().to_owned());
    let mut before: HashMap<_, Vec<&Arc<Flag>>> = HashMap::new();
    old.iter().for_each(|flag| before.entry(identity(flag)).or_default().push(flag));
    let mut differing = 0;
    for flag in new {
        let twins = before.get_mut(&identity(flag));
        match twins.and_then(|twins| Some(twins.swap_remove(twins.iter().position(|was| same(was, flag))?))) {
            Some(_) => {}
            None => differing += 1,
        }
    }
    let fewer = old.len().saturating_sub(new.len());
    // Only the order of equals can be all that differs: two sources changed places in priority.
    differing.max(fewer).max(1)
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
