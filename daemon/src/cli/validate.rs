//! `hoistd validate FILES...`: everything wrong with flag documents, before a daemon sees them.
//!
//! The daemon's own compiler decides what is an error. The JSON Schema adds what it would serve all the same but other
//! tools refuse.

mod report;

use std::io::{self, Read, Write};
use std::path::Path;
use std::sync::Arc;

use engine::{Definition, Malformed, Options, Problem, Severity, compile};
use schemas::Violation;
use serde_json::Value;
use store::Format;

use super::document::{Document, MOST_BYTES};
use crate::args::{ReportFormat, ValidateArgs};

/// What was found in one file.
#[derive(Debug)]
pub(crate) struct Checked {
    /// The file, as it was named.
    pub(crate) file: String,
    /// How many flags can be served.
    pub(crate) flags: usize,
    /// In the order of their places.
    pub(crate) problems: Vec<Problem>,
    /// The text, for excerpts; empty if it could not be read.
    pub(crate) text: String,
}

/// Checks every file and reports to `out`; `-` means `input`. Returns whether the files pass: no problem at all, or no
/// error where warnings are allowed.
///
/// # Errors
/// When `out` cannot be written. A file that cannot be read is a problem of that file.
pub fn run(args: &ValidateArgs, input: &mut dyn Read, out: &mut dyn Write) -> io::Result<bool> {
    let mut checked = Vec::new();
    for path in &args.files {
        checked.push(check_file(path, input));
    }
    match args.format {
        ReportFormat::Human => report::human(&checked, out)?,
        ReportFormat::Json => report::json(&checked, out)?,
        ReportFormat::Github => report::github(&checked, out)?,
    }
    let mut problems = checked.iter().flat_map(|file| &file.problems);
    Ok(!problems.any(|problem| !args.allow_warnings || problem.severity == Severity::Error))
}

fn check_file(path: &Path, input: &mut dyn Read) -> Checked {
    let file = path.display().to_string();
    match Document::read(path, input) {
        Ok(document) => {
            let (flags, problems) = check(&document);
            let text = String::from_utf8_lossy(&document.bytes).into_owned();
            Checked { file, flags, problems, text }
        }
        Err(message) => Checked {
            file,
            flags: 0,
            problems: vec![refusal(Malformed { message, place: None })],
            text: String::new(),
        },
    }
}

/// The number of flags that can be served, and the problems.
pub(super) fn check(document: &Document) -> (usize, Vec<Problem>) {
    let Document { bytes, format } = document;
    let json = match store::json_text(bytes, *format, MOST_BYTES) {
        Ok(json) => json,
        Err(error) => return (0, vec![refusal(error)]),
    };
    let definition = match Definition::parse(&json) {
        Ok(definition) => definition,
        Err(error) => {
            // A place in JSON that was made of YAML means nothing to its author.
            let place = error.place.filter(|_| *format == Format::Json);
            return (0, vec![refusal(Malformed { place, ..error })]);
        }
    };
    let compiled = compile(&definition, &Arc::from(""), &Options::default(), None);
    let mut problems = compiled.problems;
    add_violations(&json, &mut problems);
    store::place_problems(&mut problems, bytes, *format);
    problems.sort_by_key(|problem| problem.place.map(|place| (place.line, place.column)));
    (compiled.layer.flags().len(), problems)
}

/// A document that cannot be read at all, as a problem of the whole.
fn refusal(error: Malformed) -> Problem {
    Problem {
        severity: Severity::Error,
        flag: None,
        path: "".into(),
        message: error.message,
        hint: None,
        place: error.place,
        file: None,
    }
}

/// Adds the schema's complaints as warnings, without those that the compiler has made already.
fn add_violations(json: &str, problems: &mut Vec<Problem>) {
    // A number beyond a double is the compiler's to complain about; there is no tree to check then.
    let Ok(tree) = serde_json::from_str::<Value>(json) else { return };
    for violation in schemas::validate_flags(&tree) {
        if problems.iter().any(|problem| covers(problem, &violation.path)) {
            continue;
        }
        let Violation { path, message } = violation;
        problems.push(Problem {
            severity: Severity::Warning,
            flag: flag_at(&tree, &path),
            message,
            hint: None,
            // In YAML this is no place at all; `store` finds the right one.
            place: engine::locate(json, &path),
            path: path.into(),
            file: None,
        });
    }
}

/// Whether `problem` says what the schema says about `path`: it is about the same place, about something in it, or about
/// a flag that was refused with all that is in it.
fn covers(problem: &Problem, path: &str) -> bool {
    let inside = |outer: &str, inner: &str| {
        inner.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    let of_a_field = path.matches('/').count() >= 3;
    *problem.path == *path
        || (of_a_field && inside(path, &problem.path))
        || (problem.severity == Severity::Error && inside(&problem.path, path))
}

/// The key of the flag that `path` leads into.
fn flag_at(tree: &Value, path: &str) -> Option<Box<str>> {
    let mut segments = path.split('/').skip(1);
    let (field, name) = (segments.next()?, segments.next()?.replace("~1", "/").replace("~0", "~"));
    match tree.get(field).filter(|_| field.eq_ignore_ascii_case("flags"))? {
        Value::Array(flags) => Some(flags.get(name.parse::<usize>().ok()?)?.get("key")?.as_str()?.into()),
        _ => Some(name.into()),
    }
}
