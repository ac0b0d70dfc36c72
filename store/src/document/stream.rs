//! YAML with several documents in it, taken apart before anything is parsed.
//!
//! A line that begins with `---` starts a document wherever it stands, and a line `...` ends one: neither can be a part of a
//! text, quoted or not (YAML 1.2, 9.1.2). So each document can be read as if it were alone, within the limits that hold for one.

use engine::{Malformed, Place};

/// Documents of one file: each is read on a thread of its own.
const MOST_DOCUMENTS: usize = 1_000;

/// A document of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Section<'t> {
    /// Its text, with the `---` that begins it.
    pub(super) text: &'t str,
    /// The lines before it.
    pub(super) lines: usize,
}

impl Section<'_> {
    /// The place in the file of a place in the document.
    pub(super) fn place(&self, place: Place) -> Place {
        Place { line: place.line + self.lines, ..place }
    }
}

/// The documents of `text`, those without anything in them left out.
///
/// # Errors
/// There are more than [`MOST_DOCUMENTS`].
pub(super) fn sections(text: &str) -> Result<Vec<Section<'_>>, Malformed> {
    let mut sections = Vec::new();
    let (mut start, mut start_line, mut at) = (0, 0, 0);
    for (line, content) in text.split_inclusive('\n').enumerate() {
        if begins(content) {
            push(&mut sections, &text[start..at], start_line)?;
            (start, start_line) = (at, line);
        }
        at += content.len();
        if ends(content) {
            push(&mut sections, &text[start..at], start_line)?;
            (start, start_line) = (at, line + 1);
        }
    }
    push(&mut sections, &text[start..], start_line)?;
    Ok(sections)
}

fn push<'t>(sections: &mut Vec<Section<'t>>, text: &'t str, lines: usize) -> Result<(), Malformed> {
    if text.lines().all(is_nothing) {
        return Ok(());
    }
    if sections.len() == MOST_DOCUMENTS {
        let message = format!("the file has more than {MOST_DOCUMENTS} documents");
        return Err(Malformed { message, place: Some(Place { line: lines + 1, column: 1 }) });
    }
    sections.push(Section { text, lines });
    Ok(())
}

fn begins(line: &str) -> bool {
    line.strip_prefix("---").is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t', '\r', '\n']))
}

fn ends(line: &str) -> bool {
    line.strip_prefix("...").is_some_and(|rest| rest.trim().is_empty() || rest.trim().starts_with('#'))
}

/// Whether a line says nothing: it is blank, a comment, a directive, or no more than a document's begin or end.
fn is_nothing(line: &str) -> bool {
    let line = if begins(line) { line[3..].trim() } else { line };
    line.starts_with('%') || line.trim().is_empty() || line.trim_start().starts_with('#') || ends(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str) -> Vec<(&str, usize)> {
        let sections = sections(text).unwrap_or_else(|error| panic!("{error}"));
        sections.into_iter().map(|section| (section.text, section.lines)).collect()
    }

    #[test]
    fn documents_begin_with_dashes_and_end_with_dots() {
        assert_eq!(told("a: 1\n"), [("a: 1\n", 0)]);
        assert_eq!(told("a: 1\n---\nb: 2"), [("a: 1\n", 0), ("---\nb: 2", 1)]);
        assert_eq!(told("# hi\n---\r\na: 1\n--- {b: 2}\n"), [("---\r\na: 1\n", 1), ("--- {b: 2}\n", 3)]);
        assert_eq!(told("a: 1\n...\nb: 2\n"), [("a: 1\n...\n", 0), ("b: 2\n", 2)]);
        assert_eq!(told("%YAML 1.2\n---\na: 1\n... # end\n"), [("---\na: 1\n... # end\n", 1)]);
    }

    #[test]
    fn what_only_looks_like_a_beginning_is_none() {
        let text = "a: |\n  ---\n  text\nb: ---x\n---c: 1\n";
        assert_eq!(told(text), [(text, 0)]);
    }

    #[test]
    fn documents_without_anything_are_left_out_and_their_number_is_bounded() {
        assert_eq!(told(""), []);
        assert_eq!(told("---\n---\n# nothing\n...\n---\n"), []);
        assert_eq!(told(&"---\n".repeat(1_000_000)), []);
        let error = sections(&"--- 1\n".repeat(MOST_DOCUMENTS + 1)).expect_err("too many");
        assert_eq!(error.place, Some(Place { line: MOST_DOCUMENTS + 1, column: 1 }), "{error}");
    }
}
