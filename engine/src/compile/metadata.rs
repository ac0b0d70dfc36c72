//! Metadata: the set's with the flag's own over it, and the flag set that comes of it (contract 6.4).

use serde_json::{Map, Value};

use super::payload::push_object;
use crate::flag::Metadata;

/// Merged metadata, `null` values still in.
pub(crate) struct Merged<'v> {
    /// Sorted by key.
    entries: Vec<(&'v str, &'v Value)>,
}

impl<'v> Merged<'v> {
    pub(crate) fn of(set: &'v Map<String, Value>, flag: Option<&'v Map<String, Value>>) -> Self {
        let own = flag.into_iter().flatten();
        let inherited = set.iter().filter(|(key, _)| flag.is_none_or(|flag| !flag.contains_key(*key)));
        let mut entries: Vec<(&str, &Value)> =
            own.chain(inherited).map(|(key, value)| (key.as_str(), value)).collect();
        entries.sort_unstable_by_key(|(key, _)| *key);
        Self { entries }
    }

    /// Compiled metadata with `notes` over it.
    pub(crate) fn with_notes(under: &'v Metadata, notes: &'v [(&'v str, Value)]) -> Self {
        let noted = |key: &str| notes.iter().any(|(note, _)| *note == key);
        let kept = under.entries.iter().map(|(key, value)| (&**key, value)).filter(|(key, _)| !noted(key));
        let mut entries: Vec<(&str, &Value)> =
            kept.chain(notes.iter().map(|(key, value)| (*key, value))).collect();
        entries.sort_unstable_by_key(|(key, _)| *key);
        Self { entries }
    }

    /// The flag set; what is not a string counts as unset.
    pub(crate) fn flag_set(&self) -> Option<&'v str> {
        let at = self.entries.binary_search_by_key(&"flagSetId", |(key, _)| key).ok()?;
        self.entries[at].1.as_str()
    }

    /// As evaluations carry it: without `null`.
    pub(crate) fn metadata(&self) -> Metadata {
        let shown = || self.entries.iter().filter(|(_, value)| !value.is_null());
        let mut json = String::new();
        push_object(shown().copied(), &mut json);
        Metadata {
            entries: shown().map(|(key, value)| (Box::from(*key), (*value).clone())).collect(),
            json: json.into(),
        }
    }

    /// As sync payloads carry it: strings, numbers and booleans. Strict in-process providers refuse the whole payload
    /// for anything else (contract 11.3).
    pub(crate) fn primitive(&self) -> impl Iterator<Item = (&'v str, &'v Value)> {
        self.entries
            .iter()
            .copied()
            .filter(|(_, value)| matches!(value, Value::Bool(_) | Value::Number(_) | Value::String(_)))
    }
}
