//! A run in one table: a line for each question, a column for each who was asked.

use std::fmt::Write as _;

use serde_json::Value;

use crate::report::short;

/// The first figure of every table that has it, as Markdown.
pub(crate) fn markdown(report: &Value) -> String {
    let tables = list(&report["tables"]);
    let Some(figure) = tables.first().and_then(|table| table["series"][0]["figure"].as_str()) else {
        return String::new();
    };
    let mut subjects: Vec<&str> = Vec::new();
    for series in tables.iter().flat_map(|table| list(&table["series"])) {
        let subject = text(&series["subject"]);
        if series["figure"] == figure && !subjects.contains(&subject) {
            subjects.push(subject);
        }
    }
    let mut out =
        format!("\n| {figure} | {} |\n|---|{}\n", subjects.join(" | "), "---|".repeat(subjects.len()));
    for table in tables {
        let cells: Vec<String> = subjects.iter().map(|subject| cell(table, figure, subject)).collect();
        if cells.iter().any(|cell| !cell.is_empty()) {
            let _ = writeln!(out, "| {} | {} |", text(&table["title"]), cells.join(" | "));
        }
    }
    out
}

/// The middle, how far rounds were apart, and how often the first subject's is this one's.
fn cell(table: &Value, figure: &str, subject: &str) -> String {
    let of = |series: &&Value| series["figure"] == figure && series["subject"] == subject;
    let Some(series) = list(&table["series"]).iter().find(of) else { return String::new() };
    let number = |name: &str| series[name].as_f64().unwrap_or(f64::NAN);
    let mut cell = format!("{} ({:.0} %)", short(number("median")), number("spread") * 100.0);
    let compared = format!(" / {subject}: ");
    let notes = list(&table["notes"]).iter().map(text).filter(|note| note.starts_with(figure));
    if let Some((_, times)) = notes.filter_map(|note| note.split_once(&compared)).next() {
        // Why it is refused stands before it.
        let _ = write!(cell, ", {}", times.split(':').next().unwrap_or(times));
    }
    cell
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{Report, Table};

    #[test]
    fn each_table_is_a_line_and_each_subject_a_column() {
        let mut report = Report::begin();
        for (title, least) in [("quiet", 10.0), ("restless", 5.0)] {
            let mut table = Table::new(title);
            for round in [least, 10.0, 10.5] {
                table.add("hoistd", "us", round);
                table.add("hoistd", "requests", 1.0 / round);
                table.add("no-op", "us", 8.0);
            }
            table.compare("hoistd", "us");
            report.take(table);
        }
        report.take(Table::new("empty"));
        let expected = "\n| us | hoistd | no-op |\n|---|---|---|\n\
            | quiet | 10.0 (5 %) | 8.00 (0 %), 1.25 |\n\
            | restless | 10.0 (55 %) | 8.00 (0 %), refused |\n";
        assert_eq!(markdown(&report.to_json()), expected);
    }
}
