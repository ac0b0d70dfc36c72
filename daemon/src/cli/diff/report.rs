//! What differs, for a person, a pull request or a program.

pub(super) mod json;
pub(super) mod markdown;
pub(super) mod text;

use serde_json::Value;

use super::compare::{Change, Difference, FlagChange, Kind};

/// The most flags that a report tells of; it counts them all.
const MOST_FLAGS: usize = 1_000;

/// `1 flag added, 2 removed, 1 changed`, or that nothing differs.
fn summary(difference: &Difference) -> String {
    if difference.is_empty() {
        return "no difference".to_owned();
    }
    let mut parts = Vec::new();
    for kind in [Kind::Added, Kind::Removed, Kind::Changed] {
        match difference.count(kind) {
            0 => {}
            1 => parts.push(format!("1 flag {}", kind.as_str())),
            count => parts.push(format!("{count} flags {}", kind.as_str())),
        }
    }
    if !difference.metadata.is_empty() {
        parts.push("metadata of the set changed".to_owned());
    }
    parts.join(", ")
}

/// A value as JSON text on one line.
fn line(value: &Value) -> String {
    plain(&value.to_string())
}

/// The first `most` characters of `text`.
fn clipped(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// Text from a document as a terminal may see it: one space for each control character.
fn plain(text: &str) -> String {
    text.chars().map(|char| if char.is_control() { ' ' } else { char }).collect()
}

/// A part of a flag and the place in it, such as `targeting/if/1`.
fn place(change: &Change) -> String {
    clipped(&plain(&format!("{}{}", change.part, change.path)), 200)
}

/// The flag set of a flag, if it is in one.
fn set(flag: &FlagChange) -> String {
    flag.flag_set.as_ref().map_or(String::new(), |set| format!(" (flag set {})", clipped(&plain(set), 200)))
}
