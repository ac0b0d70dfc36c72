//! For a comment on a pull request: short values in place, long rules folded away.

use std::io::{self, Write};

use serde_json::Value;

use super::{Change, Difference, Kind, MOST_FLAGS, clipped, line, place, plain, set, summary};
use crate::cli::diff::read::Side;

/// Bytes of a report: GitHub takes comments of 65,536 characters.
const MOST_BYTES: usize = 60_000;
/// Characters of a value that stands in a line.
const SHORT: usize = 80;
/// Characters of a value that is folded away.
const LONG: usize = 4_000;

/// A heading, and one list per flag.
pub(in crate::cli::diff) fn write(
    before: &Side,
    after: &Side,
    difference: &Difference,
    out: &mut dyn Write,
) -> io::Result<()> {
    let names = [before, after].map(|side| code(&clipped(&plain(&side.name), 200)));
    let mut text = format!("### Flags: {} → {}\n\n{}\n", names[0], names[1], summary(difference));
    if !difference.metadata.is_empty() {
        let changes: String = difference.metadata.iter().map(item).collect();
        text.push_str(&format!("\n**The set**\n\n{changes}"));
    }
    let mut left = difference.flags.len();
    for flag in difference.flags.iter().take(MOST_FLAGS) {
        let word = match flag.kind {
            Kind::Added => "Added",
            Kind::Removed => "Removed",
            Kind::Changed => "Changed",
        };
        let name = code(&clipped(&plain(&flag.key), 200));
        let mut paragraph = format!("\n**{word}** {name}{}\n\n", escaped(&set(flag)));
        flag.changes.iter().for_each(|change| paragraph.push_str(&item(change)));
        if text.len() + paragraph.len() > MOST_BYTES {
            break;
        }
        text.push_str(&paragraph);
        left -= 1;
    }
    if left > 0 {
        text.push_str(&format!("\nand {left} flags more\n"));
    }
    out.write_all(text.as_bytes())
}

/// One change as an item of a list.
fn item(change: &Change) -> String {
    let values = [&change.before, &change.after];
    let place = code(&place(change));
    if values.into_iter().flatten().any(|value| line(value).chars().nth(SHORT).is_some()) {
        return folded(&place, change);
    }
    let shown = |value: &Value| code(&line(value));
    match (&change.before, &change.after) {
        (Some(before), Some(after)) => format!("- {place}: {} → {}\n", shown(before), shown(after)),
        (Some(before), None) => format!("- {place}: {} removed\n", shown(before)),
        (None, Some(after)) => format!("- {place}: {}\n", shown(after)),
        (None, None) => String::new(),
    }
}

/// The values line by line, in a block that is closed at first.
fn folded(place: &str, change: &Change) -> String {
    let mut lines = String::new();
    for (mark, value) in [('-', &change.before), ('+', &change.after)] {
        let Some(value) = value else { continue };
        // A backtick could end the block; in JSON it may be written otherwise.
        let pretty = format!("{value:#}").replace('`', "\\u0060");
        for line in clipped(&pretty, LONG).lines() {
            lines.push_str(&format!("  {mark} {}\n", plain(line)));
        }
    }
    let word = match (&change.before, &change.after) {
        (None, _) => "new",
        (_, None) => "removed",
        _ => "changed",
    };
    format!("- {place} {word}\n  <details><summary>show</summary>\n\n  ```diff\n{lines}  ```\n  </details>\n")
}

/// `text` as inline code, whatever backticks are in it.
fn code(text: &str) -> String {
    let longest = text.split(|char| char != '`').map(str::len).max().unwrap_or_default();
    let fence = "`".repeat(longest + 1);
    let room = if longest > 0 || text.is_empty() { " " } else { "" };
    format!("{fence}{room}{text}{room}{fence}")
}

/// `text` without a meaning to Markdown or HTML.
fn escaped(text: &str) -> String {
    let special = |char: char| char.is_ascii_punctuation() && !matches!(char, '(' | ')' | '-' | '.');
    text.chars().flat_map(|char| special(char).then_some('\\').into_iter().chain([char])).collect()
}
