//! A run in one table: a line for each question, a column for each who was asked.

use std::fmt::Write as _;

use serde_json::Value;

use crate::report::short;
use crate::series::Series;

/// The first figure of every table that has it, as Markdown; and how often the first subject's is each other's.
pub(crate) fn markdown(report: &Value) -> String {
    let tables = list(&report["tables"]);
    let Some(figure) = tables.first().and_then(|table| table["series"][0]["figure"].as_str()) else {
        return String::new();
    };
    let of_figure = |table: &Value| -> Vec<Series> {
        let all = list(&table["series"]).iter().filter_map(Series::from_json);
        all.filter(|series| series.figure == figure).collect()
    };
    let mut subjects: Vec<String> = Vec::new();
    for series in tables.iter().flat_map(of_figure) {
        if !subjects.contains(&series.subject) {
            subjects.push(series.subject);
        }
    }
    let mut out =
        format!("\n| {figure} | {} |\n|---|{}\n", subjects.join(" | "), "---|".repeat(subjects.len()));
    for table in tables {
        let all = of_figure(table);
        let Some(first) = all.first() else { continue };
        let title = table["title"].as_str().unwrap_or_default();
        let cell = |subject: &String| {
            let series = all.iter().find(|series| series.subject == *subject);
            series.map_or_else(String::new, |series| cell(series, first))
        };
        let cells: Vec<String> = subjects.iter().map(cell).collect();
        let _ = writeln!(out, "| {title} | {} |", cells.join(" | "));
    }
    out
}

/// The middle and how far rounds were apart; behind it, unless it is `first`'s own, how often `first`'s is this one's.
fn cell(series: &Series, first: &Series) -> String {
    let own = format!("{} ({:.0} %)", short(series.median()), series.spread() * 100.0);
    match first.times(series) {
        _ if series.subject == first.subject => own,
        Ok(times) => format!("{own}, {times:.2}"),
        Err(_) => format!("{own}, refused"),
    }
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
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
            report.take(table);
        }
        report.take(Table::new("empty"));
        let expected = "\n| us | hoistd | no-op |\n|---|---|---|\n\
            | quiet | 10.0 (5 %) | 8.00 (0 %), 1.25 |\n\
            | restless | 10.0 (55 %) | 8.00 (0 %), refused |\n";
        assert_eq!(markdown(&report.to_json()), expected);
    }
}
