//! What was found, for a person, a program, or GitHub.

use std::io::{self, Write};

use engine::{Place, Problem, Severity};
use serde_json::json;

use super::Checked;

/// Characters of a source line that an excerpt shows.
const EXCERPT: usize = 120;

/// One paragraph per problem, with the line it is on, and a sum at the end.
pub(super) fn human(checked: &[Checked], out: &mut dyn Write) -> io::Result<()> {
    for file in checked {
        for problem in &file.problems {
            let place =
                problem.place.map_or(String::new(), |Place { line, column }| format!(":{line}:{column}"));
            let flag = about(problem);
            writeln!(out, "{}{place}: {}: {flag}{}", file.file, word(problem), plain(&problem.message))?;
            if let Some(place) = problem.place {
                excerpt(&file.text, place, out)?;
            }
            if let Some(hint) = &problem.hint {
                writeln!(out, "  hint: {}", plain(hint))?;
            }
        }
        if file.problems.is_empty() {
            writeln!(out, "{}: ok, {}", file.file, counted(file.flags, "flag"))?;
        }
    }
    let (errors, warnings) = sums(checked);
    if errors + warnings > 0 {
        let files = counted(checked.len(), "file");
        writeln!(out, "{files}: {}, {}", counted(errors, "error"), counted(warnings, "warning"))?;
    }
    Ok(())
}

/// One JSON document.
pub(super) fn json(checked: &[Checked], out: &mut dyn Write) -> io::Result<()> {
    let files: Vec<_> = checked
        .iter()
        .map(|file| {
            let problems: Vec<_> = file.problems.iter().map(as_json).collect();
            json!({ "file": file.file, "flags": file.flags, "problems": problems })
        })
        .collect();
    let (errors, warnings) = sums(checked);
    let report = json!({ "files": files, "errors": errors, "warnings": warnings });
    writeln!(out, "{report:#}")
}

fn as_json(problem: &Problem) -> serde_json::Value {
    json!({
        "severity": word(problem),
        "flag": problem.flag,
        "path": problem.path,
        "line": problem.place.map(|place| place.line),
        "column": problem.place.map(|place| place.column),
        "message": problem.message,
        "hint": problem.hint,
    })
}

/// One workflow command per problem, which GitHub Actions shows beside the line.
pub(super) fn github(checked: &[Checked], out: &mut dyn Write) -> io::Result<()> {
    for file in checked {
        for problem in &file.problems {
            let place = problem
                .place
                .map_or(String::new(), |Place { line, column }| format!(",line={line},col={column}"));
            let hint = problem.hint.as_ref().map_or(String::new(), |hint| format!("; {hint}"));
            let message = format!("{}{}{hint}", about(problem), problem.message);
            writeln!(out, "::{} file={}{place}::{}", word(problem), property(&file.file), data(&message))?;
        }
    }
    Ok(())
}

/// Escapes the message of a workflow command.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// Escapes a property of a workflow command.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

fn word(problem: &Problem) -> &'static str {
    match problem.severity {
        Severity::Warning => "warning",
        Severity::Error => "error",
    }
}

fn about(problem: &Problem) -> String {
    problem.flag.as_ref().map_or(String::new(), |flag| format!("flag `{}`: ", plain(flag)))
}

fn sums(checked: &[Checked]) -> (usize, usize) {
    let all = || checked.iter().flat_map(|file| &file.problems);
    let errors = all().filter(|problem| problem.severity == Severity::Error).count();
    (errors, all().count() - errors)
}

fn counted(count: usize, thing: &str) -> String {
    format!("{count} {thing}{}", if count == 1 { "" } else { "s" })
}

/// The line of `place` with a caret under the column, cut to what a terminal shows.
fn excerpt(text: &str, place: Place, out: &mut dyn Write) -> io::Result<()> {
    let Some(line) = text.lines().nth(place.line - 1) else { return Ok(()) };
    let before = (place.column - 1).saturating_sub(EXCERPT / 2);
    let before = if line.chars().nth(EXCERPT).is_some() { before } else { 0 };
    let shown: String = line.chars().skip(before).take(EXCERPT).collect();
    let number = place.line.to_string();
    writeln!(out, "  {number} | {}", plain(&shown))?;
    writeln!(out, "  {:1$} | {2:3$}^", "", number.len(), "", place.column - 1 - before)
}

/// Text from a document as a terminal may see it: one space for each control character.
fn plain(text: &str) -> String {
    text.chars().map(|char| if char.is_control() { ' ' } else { char }).collect()
}
