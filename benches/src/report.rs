//! Tables of series: as text, as JSON, and as Markdown made from that JSON.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::probe::Cost;
use crate::series::Series;
use crate::{Failure, brief, machine};

/// Figures of a [`Cost`].
const NANOSECONDS: &str = "thread CPU ns/call";
const ALLOCATIONS: &str = "allocations/call";

/// Everything one run measured.
#[derive(Debug)]
pub(crate) struct Report {
    machine: Value,
    load: Vec<String>,
    tables: Vec<Table>,
}

/// One question and what each subject answered.
#[derive(Debug)]
pub(crate) struct Table {
    title: String,
    series: Vec<Series>,
    notes: Vec<String>,
}

impl Table {
    pub(crate) fn new(title: impl Into<String>) -> Self {
        Self { title: title.into(), series: Vec::new(), notes: Vec::new() }
    }

    /// Adds one round of a figure.
    pub(crate) fn add(&mut self, subject: &str, figure: &str, round: f64) {
        let known =
            self.series.iter_mut().find(|series| series.subject == subject && series.figure == figure);
        if let Some(series) = known {
            series.rounds.push(round);
        } else {
            let (subject, figure) = (subject.to_owned(), figure.to_owned());
            self.series.push(Series { subject, figure, rounds: vec![round] });
        }
    }

    /// Adds a sentence below the table.
    pub(crate) fn note(&mut self, note: impl Into<String>) {
        self.notes.push(note.into());
    }

    /// Says how often `other`'s `figure` that of `subject` is, for every other subject.
    pub(crate) fn compare(&mut self, subject: &str, figure: &str) {
        let Some(own) =
            self.series.iter().find(|series| series.subject == subject && series.figure == figure)
        else {
            return;
        };
        let others = self.series.iter().filter(|series| series.figure == figure && series.subject != subject);
        let notes: Vec<String> = others
            .map(|other| format!("{figure}: {subject} / {}: {}", other.subject, own.over(other)))
            .collect();
        self.notes.extend(notes);
    }

    /// Adds one round of what a call costs.
    pub(crate) fn add_cost(&mut self, subject: &str, cost: Cost) {
        self.add(subject, NANOSECONDS, cost.nanoseconds);
        self.add(subject, ALLOCATIONS, cost.allocations);
    }

    /// Says how often the time of `other`'s calls that of `subject`'s is, where both were measured.
    pub(crate) fn compare_cost_with(&mut self, subject: &str, other: &str) {
        let find =
            |name| self.series.iter().find(|series| series.subject == name && series.figure == NANOSECONDS);
        let Some((own, others)) = find(subject).zip(find(other)) else { return };
        let note = format!("{NANOSECONDS}: {other} / {subject}: {}", others.over(own));
        self.notes.push(note);
    }

    /// The same for every other subject.
    pub(crate) fn compare_cost(&mut self, subject: &str) {
        let others =
            self.series.iter().filter(|other| other.figure == NANOSECONDS && other.subject != subject);
        for other in others.map(|other| other.subject.clone()).collect::<Vec<_>>() {
            self.compare_cost_with(subject, &other);
        }
    }

    fn to_json(&self) -> Value {
        let series: Vec<Value> = self.series.iter().map(Series::to_json).collect();
        json!({"title": self.title, "series": series, "notes": self.notes})
    }
}

impl Report {
    pub(crate) fn begin() -> Self {
        Self { machine: machine::fingerprint(), load: vec![machine::load_average()], tables: Vec::new() }
    }

    /// Takes a table, and prints it for whoever waits.
    pub(crate) fn take(&mut self, table: Table) {
        print!("{}", table_markdown(&table.to_json()));
        self.load.push(machine::load_average());
        self.tables.push(table);
    }

    pub(crate) fn end(&mut self) {
        self.load.push(machine::load_average());
    }

    /// Where and under which load all of it was measured.
    pub(crate) fn text(&self) -> String {
        machine_markdown(&self.to_json())
    }

    pub(crate) fn to_json(&self) -> Value {
        let tables: Vec<Value> = self.tables.iter().map(Table::to_json).collect();
        json!({"machine": self.machine, "load_average": self.load, "tables": tables})
    }

    pub(crate) fn write(&self, path: &Path) -> Result<(), Failure> {
        fs::write(path, format!("{:#}\n", self.to_json()))
            .map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(())
    }
}

/// Prints the tables of earlier runs, or of each run the first figure of all tables in one.
pub(crate) fn markdown(files: &[PathBuf], brief: bool) -> Result<(), Failure> {
    for path in files {
        let read = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
        let text = fs::read_to_string(path).map_err(|error| read(&error))?;
        let report: Value = serde_json::from_str(&text).map_err(|error| read(&error))?;
        print!("{}", machine_markdown(&report));
        if brief {
            print!("{}", brief::markdown(&report));
            continue;
        }
        for table in report["tables"].as_array().into_iter().flatten() {
            print!("{}", table_markdown(table));
        }
    }
    Ok(())
}

fn machine_markdown(report: &Value) -> String {
    let mut out = String::from("\n");
    for (name, value) in report["machine"].as_object().into_iter().flatten() {
        let _ = write!(out, "{name}: {}; ", value.as_str().unwrap_or_default());
    }
    let load: Vec<&str> =
        report["load_average"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let _ = writeln!(out, "load average from table to table: {}.", load.join(", "));
    out
}

fn table_markdown(table: &Value) -> String {
    let mut out = String::new();
    let _ = writeln!(out, "\n### {}\n", table["title"].as_str().unwrap_or_default());
    out.push_str("| subject | figure | median | min | spread |\n|---|---|---:|---:|---:|\n");
    for series in table["series"].as_array().into_iter().flatten() {
        let text = |name: &str| series[name].as_str().unwrap_or_default().to_owned();
        let number = |name: &str| short(series[name].as_f64().unwrap_or(f64::NAN));
        let spread = series["spread"].as_f64().unwrap_or(f64::NAN) * 100.0;
        let (subject, figure) = (text("subject"), text("figure"));
        let _ = writeln!(
            out,
            "| {subject} | {figure} | {} | {} | {spread:.0} % |",
            number("median"),
            number("min")
        );
    }
    let notes: Vec<&str> =
        table["notes"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    if !notes.is_empty() {
        out.push('\n');
    }
    for note in notes {
        let _ = writeln!(out, "- {note}");
    }
    out
}

/// Three digits are all that a measurement is worth.
pub(crate) fn short(number: f64) -> String {
    match number.abs() {
        0.0 => "0".to_owned(),
        size if size < 10.0 => format!("{number:.2}"),
        size if size < 100.0 => format!("{number:.1}"),
        _ => format!("{number:.0}"),
    }
}
