//! Reads `.feature` files: as much of Gherkin as the testbed uses, with outlines already expanded.

use std::collections::BTreeSet;
use std::path::Path;

/// One line that starts with Given, When, Then, And or But, without that word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The sentence.
    pub text: String,
    /// The rows of the table below it, header first; empty without one.
    pub table: Vec<Vec<String>>,
}

/// One runnable scenario: the background's steps first, an outline's placeholders replaced by one row of its examples.
#[derive(Debug, Clone)]
pub struct Case {
    /// The file's name without its extension.
    pub feature: String,
    /// The scenario's name.
    pub scenario: String,
    /// The cells of the example row, joined by `, `; empty for a plain scenario.
    pub example: String,
    /// Tags of the feature, the scenario and the examples, without `@`.
    pub tags: BTreeSet<String>,
    /// What to do, in order.
    pub steps: Vec<Step>,
}

impl Case {
    /// Whether any of these tags is on it.
    #[must_use]
    pub fn has_any(&self, tags: &[&str]) -> bool {
        tags.iter().any(|tag| self.tags.contains(*tag))
    }
}

impl std::fmt::Display for Case {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.feature, self.scenario)?;
        if self.example.is_empty() { Ok(()) } else { write!(f, " [{}]", self.example) }
    }
}

/// A scenario or outline while it is being read.
#[derive(Default)]
struct Draft {
    name: String,
    tags: BTreeSet<String>,
    steps: Vec<Step>,
    examples: Vec<Examples>,
    outline: bool,
}

struct Examples {
    tags: BTreeSet<String>,
    table: Vec<Vec<String>>,
}

/// Where the next step or table row belongs.
enum Room {
    Feature,
    Background,
    Scenario,
    Examples,
}

/// Reads every case of a file; panics with the line when it is not understood.
#[must_use]
pub(super) fn read(path: &Path) -> Vec<Case> {
    let text = std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let feature = path.file_stem().unwrap_or_default().to_string_lossy();
    parse(&feature, &text)
}

fn parse(feature: &str, text: &str) -> Vec<Case> {
    let mut reader = Reader::default();
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        assert!(reader.take(line), "{feature}.feature:{}: not understood: {line}", number + 1);
    }
    reader.scenarios.iter().flat_map(|draft| expand(feature, &reader, draft)).collect()
}

struct Reader {
    /// Within a description of many lines.
    prose: bool,
    room: Room,
    pending: BTreeSet<String>,
    tags: BTreeSet<String>,
    background: Vec<Step>,
    scenarios: Vec<Draft>,
}

impl Default for Reader {
    fn default() -> Self {
        Self {
            prose: false,
            room: Room::Feature,
            pending: BTreeSet::new(),
            tags: BTreeSet::new(),
            background: Vec::new(),
            scenarios: Vec::new(),
        }
    }
}

impl Reader {
    /// Takes one trimmed line; `false` when it makes no sense here.
    fn take(&mut self, line: &str) -> bool {
        if line.starts_with("\"\"\"") {
            self.prose = !self.prose;
            return true;
        }
        if self.prose || line.is_empty() || line.starts_with('#') {
            return true;
        }
        if line.starts_with('@') {
            self.pending.extend(line.split_whitespace().map(|tag| tag.trim_start_matches('@').to_owned()));
            return true;
        }
        if line.starts_with('|') {
            return self.take_row(cells(line));
        }
        if let Some((keyword, rest)) = line.split_once(':')
            && self.take_heading(keyword, rest.trim())
        {
            return true;
        }
        self.take_step(line)
    }

    fn take_heading(&mut self, keyword: &str, name: &str) -> bool {
        let tags = |reader: &mut Self| std::mem::take(&mut reader.pending);
        match keyword {
            "Feature" => self.tags = tags(self),
            "Background" => self.room = Room::Background,
            "Scenario" | "Scenario Outline" => {
                let draft = Draft {
                    name: name.to_owned(),
                    tags: tags(self),
                    outline: keyword == "Scenario Outline",
                    ..Draft::default()
                };
                self.scenarios.push(draft);
                self.room = Room::Scenario;
            }
            "Examples" | "Scenarios" => {
                let examples = Examples { tags: tags(self), table: Vec::new() };
                let Some(draft) = self.scenarios.last_mut() else { return false };
                draft.examples.push(examples);
                self.room = Room::Examples;
            }
            _ => return false,
        }
        true
    }

    fn take_step(&mut self, line: &str) -> bool {
        let words = ["Given ", "When ", "Then ", "And ", "But "];
        let text = words.iter().find_map(|word| line.strip_prefix(word));
        let steps = match self.room {
            Room::Feature => return true, // free description
            Room::Background => &mut self.background,
            Room::Scenario => match self.scenarios.last_mut() {
                Some(draft) => &mut draft.steps,
                None => return false,
            },
            Room::Examples => return false,
        };
        let Some(text) = text else { return false };
        steps.push(Step { text: text.trim().to_owned(), table: Vec::new() });
        true
    }

    fn take_row(&mut self, row: Vec<String>) -> bool {
        let scenario = self.scenarios.last_mut();
        let table = match self.room {
            Room::Feature => None,
            Room::Background => self.background.last_mut().map(|step| &mut step.table),
            Room::Scenario => scenario.and_then(|draft| draft.steps.last_mut()).map(|step| &mut step.table),
            Room::Examples => scenario.and_then(|draft| draft.examples.last_mut()).map(|e| &mut e.table),
        };
        table.map(|table| table.push(row)).is_some()
    }
}

/// The cells of a row, with the escapes `\|`, `\n` and `\\` undone.
fn cells(line: &str) -> Vec<String> {
    let mut cells = vec![String::new()];
    let mut letters = line.trim_matches('|').chars().peekable();
    while let Some(letter) = letters.next() {
        let next = (letter == '\\').then(|| letters.peek().copied()).flatten();
        let undone = match next {
            Some('|') => Some('|'),
            Some('\\') => Some('\\'),
            Some('n') => Some('\n'),
            _ => None,
        };
        if undone.is_some() {
            letters.next();
        }
        match (letter, undone, cells.last_mut()) {
            ('|', None, _) => cells.push(String::new()),
            (plain, undone, Some(cell)) => cell.push(undone.unwrap_or(plain)),
            (_, _, None) => {}
        }
    }
    cells.iter().map(|cell| cell.trim().to_owned()).collect()
}

fn expand(feature: &str, reader: &Reader, draft: &Draft) -> Vec<Case> {
    let case = |tags: Option<&BTreeSet<String>>, header: &[String], row: &[String]| Case {
        feature: feature.to_owned(),
        scenario: filled(&draft.name, header, row),
        example: row.join(", "),
        tags: reader.tags.iter().chain(&draft.tags).chain(tags.into_iter().flatten()).cloned().collect(),
        steps: reader
            .background
            .iter()
            .chain(&draft.steps)
            .map(|step| filled_step(step, header, row))
            .collect(),
    };
    if !draft.outline {
        return vec![case(None, &[], &[])];
    }
    let mut cases = Vec::new();
    for examples in &draft.examples {
        let Some((header, rows)) = examples.table.split_first() else { continue };
        cases.extend(rows.iter().map(|row| case(Some(&examples.tags), header, row)));
    }
    cases
}

fn filled_step(step: &Step, header: &[String], row: &[String]) -> Step {
    let table = step.table.iter().map(|line| line.iter().map(|cell| filled(cell, header, row)).collect());
    Step { text: filled(&step.text, header, row), table: table.collect() }
}

fn filled(text: &str, header: &[String], row: &[String]) -> String {
    header
        .iter()
        .zip(row)
        .fold(text.to_owned(), |text, (name, cell)| text.replace(&format!("<{name}>"), cell))
}

#[cfg(test)]
mod tests {
    use super::{cells, parse};

    const TEXT: &str = r#"
        @all
        Feature: f
          words
          Background:
            Given a start
          @one
          Scenario Outline: Takes <a>
            When "<a>" meets "<b>"
            Then a table
              | <a> |
            @e
            Examples: e
              | a | b |
              | 1 |   |
              | 2 | x |
          Scenario: plain
            Then done
    "#;

    #[test]
    fn outlines_become_one_case_a_row() {
        let cases = parse("f", TEXT);
        let shown: Vec<_> = cases.iter().map(ToString::to_string).collect();
        assert_eq!(shown, ["f: Takes 1 [1, ]", "f: Takes 2 [2, x]", "f: plain"]);
        assert!(cases[0].has_any(&["e"]) && cases[0].has_any(&["one"]) && cases[2].has_any(&["all"]));
        assert!(!cases[2].has_any(&["one", "e"]));
        let steps: Vec<_> = cases[1].steps.iter().map(|step| step.text.as_str()).collect();
        assert_eq!(steps, ["a start", "\"2\" meets \"x\"", "a table"]);
        assert_eq!(cases[1].steps[2].table, [["2"]]);
    }

    #[test]
    fn cells_keep_unknown_escapes() {
        assert_eq!(cells(r"| a\|b | \u0041 | |"), ["a|b", r"\u0041", ""]);
    }
}
