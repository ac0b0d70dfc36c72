//! Flag by flag, part by part.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use engine::Flag;
use serde_json::{Map, Value};

use super::read::Side;

/// The most places of one flag that are told apart; what lies beyond is one change of the whole.
const MOST_PLACES: usize = 100;

/// Everything that differs.
#[derive(Debug, Default)]
pub(crate) struct Difference {
    /// The set's own metadata.
    pub(crate) metadata: Vec<Change>,
    /// The flags, by key.
    pub(crate) flags: Vec<FlagChange>,
}

/// How a flag differs.
#[derive(Debug)]
pub(crate) struct FlagChange {
    pub(crate) key: String,
    /// The flag set, where the other side has one of that key too or there is one.
    pub(crate) flag_set: Option<String>,
    pub(crate) kind: Kind,
    /// What differs; of a flag that is new or gone, what it is or was.
    pub(crate) changes: Vec<Change>,
}

/// What became of a flag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Added,
    Removed,
    Changed,
}

/// One difference: a part of a flag, where in it, and what was and is there.
#[derive(Debug, PartialEq)]
pub(crate) struct Change {
    pub(crate) part: &'static str,
    /// A JSON pointer within the part; empty for all of it.
    pub(crate) path: String,
    pub(crate) before: Option<Value>,
    pub(crate) after: Option<Value>,
}

impl Kind {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::Removed => "removed",
            Self::Changed => "changed",
        }
    }
}

impl Difference {
    pub(crate) fn is_empty(&self) -> bool {
        self.metadata.is_empty() && self.flags.is_empty()
    }

    /// How many flags are of that kind.
    pub(crate) fn count(&self, kind: Kind) -> usize {
        self.flags.iter().filter(|flag| flag.kind == kind).count()
    }
}

/// A flag as one side has it: served, or broken for a reason.
enum Found<'s> {
    Served(&'s Flag),
    Broken(&'s str),
}

type Identity<'s> = (&'s str, Option<&'s str>);

/// What differs from `before` to `after`.
pub(crate) fn compare(before: &Side, after: &Side) -> Difference {
    let mut metadata = Vec::new();
    fields("metadata", &before.metadata, &after.metadata, &mut metadata);
    let (mut old, mut new) = (found(before), found(after));
    let mut pairs: Vec<(Identity<'_>, Option<Found<'_>>, Option<Found<'_>>)> = Vec::new();
    let both: Vec<Identity<'_>> =
        old.keys().filter(|identity| new.contains_key(*identity)).copied().collect();
    for identity in both {
        pairs.push((identity, old.remove(&identity), new.remove(&identity)));
    }
    // A flag that is alone with its key on both sides has moved to another set.
    for (key, was) in lonely(&old) {
        if let Some(is) = lonely(&new).get(key) {
            pairs.push(((key, is.1), old.remove(&was), new.remove(is)));
        }
    }
    pairs.extend(old.into_iter().map(|(identity, flag)| (identity, Some(flag), None)));
    pairs.extend(new.into_iter().map(|(identity, flag)| (identity, None, Some(flag))));
    pairs.sort_by_key(|(identity, ..)| *identity);
    let inherited = (&before.metadata, &after.metadata);
    let flags = pairs.into_iter().filter_map(|((key, set), old, new)| {
        let (kind, changes) = pair(old.as_ref(), new.as_ref(), inherited)?;
        Some(FlagChange { key: key.to_owned(), flag_set: set.map(str::to_owned), kind, changes })
    });
    Difference { metadata, flags: flags.collect() }
}

fn found(side: &Side) -> BTreeMap<Identity<'_>, Found<'_>> {
    let served = side.flags.iter().map(|flag| {
        let flag: &Arc<Flag> = flag;
        ((flag.key(), flag.flag_set()), Found::Served(flag))
    });
    let broken = side.broken.iter().map(|(key, why)| ((key.as_str(), None), Found::Broken(why)));
    broken.chain(served).collect()
}

/// The flags whose key stands once in `flags`.
fn lonely<'s>(flags: &BTreeMap<Identity<'s>, Found<'s>>) -> BTreeMap<&'s str, Identity<'s>> {
    let mut once = BTreeMap::new();
    let mut more = BTreeSet::new();
    for identity in flags.keys() {
        if once.insert(identity.0, *identity).is_some() {
            more.insert(identity.0);
        }
    }
    once.retain(|key, _| !more.contains(key));
    once
}

type Metadata<'s> = &'s Map<String, Value>;

fn pair(
    old: Option<&Found<'_>>,
    new: Option<&Found<'_>>,
    inherited: (Metadata<'_>, Metadata<'_>),
) -> Option<(Kind, Vec<Change>)> {
    let mut changes = Vec::new();
    let kind = match (old, new) {
        (None, None) => return None,
        (None, Some(_)) => Kind::Added,
        (Some(_), None) => Kind::Removed,
        (Some(_), Some(_)) => Kind::Changed,
    };
    let (was, is) = (old.map(parts), new.map(parts));
    if let (Kind::Changed, Some(was), Some(is)) = (kind, &was, &is) {
        each_part(was, is, inherited, &mut changes);
        return (!changes.is_empty()).then_some((kind, changes));
    }
    let whole =
        |parts: Map<String, Value>| parts.into_iter().filter_map(|(name, value)| Some((part(&name)?, value)));
    for (part, value) in was.into_iter().flat_map(whole) {
        changes.push(Change { part, path: String::new(), before: Some(value), after: None });
    }
    for (part, value) in is.into_iter().flat_map(whole) {
        changes.push(Change { part, path: String::new(), before: None, after: Some(value) });
    }
    Some((kind, changes))
}

/// The parts of a flag that are compared, in the order of the report.
const PARTS: [&str; 7] =
    ["problem", "flagSet", "state", "defaultVariant", "variants", "targeting", "metadata"];

fn part(name: &str) -> Option<&'static str> {
    PARTS.into_iter().find(|part| *part == name)
}

/// A flag in parts, without those that say nothing.
fn parts(found: &Found<'_>) -> Map<String, Value> {
    let flag = match found {
        Found::Broken(why) => return Map::from_iter([("problem".to_owned(), Value::from(*why))]),
        Found::Served(flag) => flag,
    };
    let mut parts: Map<String, Value> = serde_json::from_str(flag.definition()).unwrap_or_default();
    let metadata = flag.metadata().entries().iter().map(|(key, value)| (key.to_string(), value.clone()));
    // The flag set has a line of its own.
    let metadata: Map<String, Value> = metadata.filter(|(key, _)| key != "flagSetId").collect();
    parts.insert("metadata".to_owned(), Value::Object(metadata));
    if let Some(set) = flag.flag_set() {
        parts.insert("flagSet".to_owned(), set.into());
    }
    parts.retain(|name, value| {
        let empty = match value {
            Value::String(text) => text.is_empty(),
            Value::Object(fields) => fields.is_empty() && name != "variants",
            _ => false,
        };
        !empty && part(name).is_some()
    });
    let mut ordered = Map::new();
    for name in PARTS {
        ordered.extend(parts.remove(name).map(|value| (name.to_owned(), value)));
    }
    ordered
}

fn each_part(
    was: &Map<String, Value>,
    is: &Map<String, Value>,
    (set_was, set_is): (Metadata<'_>, Metadata<'_>),
    changes: &mut Vec<Change>,
) {
    let none = Map::new();
    for part in PARTS {
        match (was.get(part), is.get(part)) {
            (None, None) => {}
            (Some(was), Some(is)) if part == "targeting" => places(was, is, changes),
            (was, is) if matches!(part, "variants" | "metadata") => {
                let (was, is) = (was.and_then(Value::as_object), is.and_then(Value::as_object));
                fields(part, was.unwrap_or(&none), is.unwrap_or(&none), changes);
            }
            (was, is) if was != is => {
                changes.push(Change { part, path: String::new(), before: was.cloned(), after: is.cloned() });
            }
            _ => {}
        }
    }
    // What a flag has from its set is told once, for the set.
    changes.retain(|change| {
        let name = match change.part {
            "metadata" => change.path.trim_start_matches('/').replace("~1", "/").replace("~0", "~"),
            "flagSet" => "flagSetId".to_owned(),
            _ => return true,
        };
        let same = |own: &Option<Value>, set: Metadata<'_>| own.as_ref() == set.get(&name);
        !(same(&change.before, set_was) && same(&change.after, set_is))
    });
}

/// Field by field.
fn fields(part: &'static str, was: &Map<String, Value>, is: &Map<String, Value>, changes: &mut Vec<Change>) {
    let names: BTreeSet<&String> = was.keys().chain(is.keys()).collect();
    for name in names {
        let (before, after) = (was.get(name), is.get(name));
        if !before.zip(after).is_some_and(|(before, after)| same(before, after)) {
            let path = format!("/{}", segment(name));
            changes.push(Change { part, path, before: before.cloned(), after: after.cloned() });
        }
    }
}

/// Place by place within a rule, or as a whole if there are too many.
fn places(was: &Value, is: &Value, changes: &mut Vec<Change>) {
    let mut found = Vec::new();
    descend(was, is, &mut String::new(), &mut found);
    if found.len() > MOST_PLACES {
        found = vec![(String::new(), Some(was), Some(is))];
    }
    let change = |(path, before, after): (String, Option<&Value>, Option<&Value>)| Change {
        part: "targeting",
        path,
        before: before.cloned(),
        after: after.cloned(),
    };
    changes.extend(found.into_iter().map(change));
}

type Place<'v> = (String, Option<&'v Value>, Option<&'v Value>);

fn descend<'v>(was: &'v Value, is: &'v Value, path: &mut String, found: &mut Vec<Place<'v>>) {
    if found.len() > MOST_PLACES || same(was, is) {
        return;
    }
    let length = path.len();
    match (was, is) {
        (Value::Object(a), Value::Object(b))
            if a.len() == b.len() && a.keys().all(|key| b.contains_key(key)) =>
        {
            for (key, was) in a {
                path.push('/');
                path.push_str(&segment(key));
                descend(was, &b[key], path, found);
                path.truncate(length);
            }
        }
        (Value::Array(a), Value::Array(b)) => items(a, b, path, found),
        _ => found.push((path.clone(), Some(was), Some(is))),
    }
}

/// Item by item between what both begin and end with.
fn items<'v>(a: &'v [Value], b: &'v [Value], path: &mut String, found: &mut Vec<Place<'v>>) {
    let shorter = a.len().min(b.len());
    let begin = (0..shorter).take_while(|at| same(&a[*at], &b[*at])).count();
    let end = (0..shorter - begin).take_while(|at| same(&a[a.len() - 1 - at], &b[b.len() - 1 - at])).count();
    let (a, b) = (&a[begin..a.len() - end], &b[begin..b.len() - end]);
    let length = path.len();
    for at in 0..a.len().max(b.len()) {
        path.push('/');
        path.push_str(&(begin + at).to_string());
        match (a.get(at), b.get(at)) {
            (Some(was), Some(is)) => descend(was, is, path, found),
            (was, is) => found.push((path.clone(), was, is)),
        }
        path.truncate(length);
        if found.len() > MOST_PLACES {
            return;
        }
    }
}

/// Whether two values mean the same: the order of fields does not matter, nor whether a number is written 1 or 1.0.
fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => a.as_f64() == b.as_f64(),
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(key, a)| b.get(key).is_some_and(|b| same(a, b)))
        }
        _ => a == b,
    }
}

/// A name as a segment of a JSON pointer (RFC 6901).
fn segment(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}
