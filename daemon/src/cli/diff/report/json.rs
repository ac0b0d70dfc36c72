//! For a program.

use std::io::{self, Write};

use serde_json::{Map, Value, json};

use super::{Change, Difference, Kind, MOST_FLAGS, clipped, line, summary};
use crate::cli::diff::read::Side;

/// Characters of a value's text beyond which it is told clipped, as text.
const MOST_CHARS: usize = 65_536;

/// One JSON object. `before` and `after` of a change are absent where there is nothing.
pub(in crate::cli::diff) fn write(
    before: &Side,
    after: &Side,
    difference: &Difference,
    out: &mut dyn Write,
) -> io::Result<()> {
    let flags: Vec<Value> = difference
        .flags
        .iter()
        .take(MOST_FLAGS)
        .map(|flag| {
            json!({
                "key": flag.key,
                "flagSet": flag.flag_set,
                "change": flag.kind.as_str(),
                "parts": flag.changes.iter().map(change).collect::<Vec<_>>(),
            })
        })
        .collect();
    let report = json!({
        "before": before.name,
        "after": after.name,
        "same": difference.is_empty(),
        "summary": summary(difference),
        "added": difference.count(Kind::Added),
        "removed": difference.count(Kind::Removed),
        "changed": difference.count(Kind::Changed),
        "metadata": difference.metadata.iter().map(change).collect::<Vec<_>>(),
        "omitted": difference.flags.len() - flags.len(),
        "flags": flags,
    });
    writeln!(out, "{report:#}")
}

fn change(change: &Change) -> Value {
    let mut fields = Map::new();
    fields.insert("part".to_owned(), change.part.into());
    fields.insert("path".to_owned(), change.path.as_str().into());
    for (name, value) in [("before", &change.before), ("after", &change.after)] {
        let Some(value) = value else { continue };
        let text = line(value);
        let short = clipped(&text, MOST_CHARS);
        if short.len() == text.len() {
            fields.insert(name.to_owned(), value.clone());
        } else {
            fields.insert(name.to_owned(), short.into());
            fields.insert("clipped".to_owned(), true.into());
        }
    }
    Value::Object(fields)
}
