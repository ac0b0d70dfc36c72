//! The Prometheus text format, version 0.0.4: families, samples, escaped labels.

use std::fmt::{Display, Write};

/// The media type of what [`Exposition::finish`] gives.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What kind of number a family holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only ever grows.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Cumulative buckets, a sum and a count.
    Histogram,
}

/// A text under construction, one family after the other.
#[derive(Debug, Default)]
pub struct Exposition {
    text: String,
    family: &'static str,
}

/// Label names and values in the order they are written.
pub type Labels<'l> = &'l [(&'l str, &'l str)];

impl Exposition {
    /// Begins a family; the samples that follow belong to it.
    pub fn family(&mut self, name: &'static str, kind: Kind, help: &str) -> &mut Self {
        let kind = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        self.family = name;
        self.push(format_args!("# HELP {name} {help}\n# TYPE {name} {kind}\n"));
        self
    }

    /// One sample of the current family.
    pub fn sample(&mut self, labels: Labels<'_>, value: impl Display) -> &mut Self {
        self.line("", labels, None, value);
        self
    }

    /// One histogram of the current family. `counts` has one entry per bound and one more for what lies above them all.
    pub fn histogram(&mut self, labels: Labels<'_>, bounds: &[f64], counts: &[u64], sum: f64) -> &mut Self {
        let mut total = 0;
        for (at, count) in counts.iter().enumerate() {
            total += count;
            let bound = bounds.get(at).map_or_else(|| "+Inf".to_owned(), f64::to_string);
            self.line("_bucket", labels, Some(&bound), total);
        }
        self.line("_sum", labels, None, sum);
        self.line("_count", labels, None, total);
        self
    }

    /// The whole text.
    pub fn finish(self) -> String {
        self.text
    }

    fn line(&mut self, suffix: &str, labels: Labels<'_>, bound: Option<&str>, value: impl Display) {
        self.text.push_str(self.family);
        self.text.push_str(suffix);
        let bound = bound.map(|bound| ("le", bound));
        let mut opener = '{';
        for (name, label) in labels.iter().copied().chain(bound) {
            self.text.push(opener);
            self.text.push_str(name);
            self.text.push_str("=\"");
            self.escaped(label);
            self.text.push('"');
            opener = ',';
        }
        if opener == ',' {
            self.text.push('}');
        }
        self.push(format_args!(" {value}\n"));
    }

    fn escaped(&mut self, label: &str) {
        for character in label.chars() {
            match character {
                '\\' => self.text.push_str("\\\\"),
                '"' => self.text.push_str("\\\""),
                '\n' => self.text.push_str("\\n"),
                other => self.text.push(other),
            }
        }
    }

    fn push(&mut self, arguments: std::fmt::Arguments<'_>) {
        // Writing to a String cannot fail.
        let _ = self.text.write_fmt(arguments);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_escaped_and_numbers_plain() {
        let mut out = Exposition::default();
        out.family("f_total", Kind::Counter, "Help.")
            .sample(&[("a", "q\"b\\s\nn"), ("b", "")], 3)
            .sample(&[], 1.5);
        assert_eq!(
            out.finish(),
            "# HELP f_total Help.\n# TYPE f_total counter\nf_total{a=\"q\\\"b\\\\s\\nn\",b=\"\"} 3\nf_total 1.5\n"
        );
    }

    #[test]
    fn a_histogram_is_cumulative_and_ends_in_infinity() {
        let mut out = Exposition::default();
        out.family("h", Kind::Histogram, "Help.").histogram(&[("a", "b")], &[0.5, 10.0], &[1, 2, 3], 40.25);
        let text = out.finish();
        let samples: Vec<&str> = text.lines().skip(2).collect();
        assert_eq!(
            samples,
            [
                r#"h_bucket{a="b",le="0.5"} 1"#,
                r#"h_bucket{a="b",le="10"} 3"#,
                r#"h_bucket{a="b",le="+Inf"} 6"#,
                r#"h_sum{a="b"} 40.25"#,
                r#"h_count{a="b"} 6"#,
            ]
        );
    }
}
