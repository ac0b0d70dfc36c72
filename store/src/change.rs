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
    let (all_old, all_new) = (old.flags(), new.flags());
    if all_old.len() == all_new.len() && all_old.iter().zip(all_new).all(|(old, new)| same(old, new)) {
        return 0;
    }
    let (old, new) = apart(all_old, all_new);
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
    let fewer = all_old.len().saturating_sub(all_new.len());
    // Only the order of equals can be all that differs: two sources changed places in priority.
    differing.max(fewer).max(1)
}

/// Both lists without the flags that they have in common at their beginning and at their end: mostly all but a few.
pub(crate) fn apart<'f>(old: &'f [Arc<Flag>], new: &'f [Arc<Flag>]) -> (&'f [Arc<Flag>], &'f [Arc<Flag>]) {
    let begin = old.iter().zip(new).take_while(|(old, new)| Arc::ptr_eq(old, new)).count();
    let (old, new) = (&old[begin..], &new[begin..]);
    let end = old.iter().rev().zip(new.iter().rev()).take_while(|(old, new)| Arc::ptr_eq(old, new)).count();
    (&old[..old.len() - end], &new[..new.len() - end])
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

#[cfg(test)]
mod tests {
    use engine::{Definition, Layer, Options, compile};

    use super::*;

    /// A layer of `source` with a flag for each letter, a capital one being defined otherwise.
    fn layer(source: &str, letters: &str, previous: Option<&Layer>) -> Layer {
        let flags: Vec<String> = letters
            .chars()
            .map(|letter| format!(r#""{}": {{"variants": {{"{letter}": 1}}}}"#, letter.to_ascii_lowercase()))
            .collect();
        let text = format!(r#"{{"flags": {{{}}}}}"#, flags.join(","));
        let definition = Definition::parse(&text).expect("a document");
        compile(&definition, &Arc::from(source), &Options::default(), previous).layer
    }

    #[test]
    fn flags_that_differ_are_counted_wherever_they_stand() {
        for (old, new, differing) in [
            ("", "", 0),
            ("abc", "cab", 0),
            ("abc", "Abc", 1),
            ("abc", "aBc", 1),
            ("abc", "abC", 1),
            ("abcde", "AbcdE", 2),
            ("abc", "abcd", 1),
            ("bcd", "abcd", 1),
            ("abcd", "acd", 1),
            ("abcd", "bc", 2),
            ("abcd", "", 4),
            ("", "ab", 2),
            ("ab", "cd", 2),
        ] {
            let before = layer("one", old, None);
            let after = layer("one", new, Some(&before));
            let (old_flags, new_flags) = (Snapshot::fold([&before], 1), Snapshot::fold([&after], 2));
            assert_eq!(count(&old_flags, &new_flags), differing, "{old} to {new}");
        }
    }

    #[test]
    fn flags_that_lose_are_counted_too() {
        let (a, b) = (layer("one", "abc", None), layer("two", "bc", None));
        let of = |layers: [&Layer; 2]| Snapshot::fold(layers, 1);
        let both = of([&a, &b]);
        assert_eq!(count(&both, &of([&a, &b])), 0);
        assert_eq!(count(&both, &of([&layer("one", "aBc", Some(&a)), &b])), 1);
        assert_eq!(count(&both, &of([&a, &layer("two", "bC", Some(&b))])), 1);
        assert_eq!(count(&both, &of([&b, &a])), 1, "only their order differs");
        assert_eq!(count(&both, &of([&a, &layer("two", "", Some(&b))])), 2);
    }
}
