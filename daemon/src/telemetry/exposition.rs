//! What is counted, as families of samples: written as Prometheus's text format (version 0.0.4), or handed on as it is.

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
    /// Buckets, a sum and a count.
    Histogram,
}

/// Families under construction, one after the other.
#[derive(Debug, Default)]
pub struct Exposition {
    families: Vec<Family>,
}

/// Samples of one name.
#[derive(Debug)]
pub struct Family {
    /// The name that Prometheus knows it by.
    pub name: &'static str,
    /// What kind of number the samples are.
    pub kind: Kind,
    /// What they mean.
    pub help: String,
    /// The samples, each with its labels.
    pub samples: Vec<Sample>,
}

/// One sample.
#[derive(Debug)]
pub struct Sample {
    /// Label names and values in the order they are written.
    pub labels: Vec<(String, String)>,
    /// What was measured.
    pub value: Measured,
}

/// What was measured.
#[derive(Debug)]
pub enum Measured {
    /// A number, as it is written.
    Number(String),
    /// A distribution. There is one count per bound, and one more for what lies above them all.
    Histogram {
        /// The upper bounds of the buckets.
        bounds: Vec<f64>,
        /// How many values fell into each bucket.
        counts: Vec<u64>,
        /// The sum of all values.
        sum: f64,
    },
}

/// Label names and values in the order they are written.
pub type Labels<'l> = &'l [(&'l str, &'l str)];

impl Exposition {
    /// Begins a family; the samples that follow belong to it.
    pub fn family(&mut self, name: &'static str, kind: Kind, help: &str) -> &mut Self {
        self.families.push(Family { name, kind, help: help.to_owned(), samples: Vec::new() });
        self
    }

    /// One sample of the current family.
    pub fn sample(&mut self, labels: Labels<'_>, value: impl Display) -> &mut Self {
        self.put(labels, Measured::Number(value.to_string()))
    }

    /// One histogram of the current family. `counts` has one entry per bound and one more for what lies above them all.
    pub fn histogram(&mut self, labels: Labels<'_>, bounds: &[f64], counts: &[u64], sum: f64) -> &mut Self {
        self.put(labels, Measured::Histogram { bounds: bounds.to_vec(), counts: counts.to_vec(), sum })
    }

    fn put(&mut self, labels: Labels<'_>, value: Measured) -> &mut Self {
        if let Some(family) = self.families.last_mut() {
            let owned = |(name, label): &(&str, &str)| ((*name).to_owned(), (*label).to_owned());
            family.samples.push(Sample { labels: labels.iter().map(owned).collect(), value });
        }
        self
    }

    /// Everything as it was put in.
    pub fn families(&self) -> &[Family] {
        &self.families
    }

    /// The whole text.
    pub fn finish(self) -> String {
        let mut text = Text::default();
        self.families.iter().for_each(|family| text.family(family));
        text.0
    }
}

#[derive(Default)]
struct Text(String);

impl Text {
    fn family(&mut self, family: &Family) {
        let Family { name, help, samples, .. } = family;
        let kind = match family.kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        self.push(format_args!("# HELP {name} {help}\n# TYPE {name} {kind}\n"));
        for Sample { labels, value } in samples {
            match value {
                Measured::Number(number) => self.line((name, ""), labels, None, number),
                Measured::Histogram { bounds, counts, sum } => {
                    let mut total = 0;
                    for (at, count) in counts.iter().enumerate() {
                        total += count;
                        let bound = bounds.get(at).map_or_else(|| "+Inf".to_owned(), f64::to_string);
                        self.line((name, "_bucket"), labels, Some(&bound), total);
                    }
                    self.line((name, "_sum"), labels, None, sum);
                    self.line((name, "_count"), labels, None, total);
                }
            }
        }
    }

    fn line(
        &mut self,
        (name, suffix): (&str, &str),
        labels: &[(String, String)],
        bound: Option<&str>,
        value: impl Display,
    ) {
        self.0.push_str(name);
        self.0.push_str(suffix);
        let labels = labels.iter().map(|(name, label)| (name.as_str(), label.as_str()));
        let mut opener = '{';
        for (name, label) in labels.chain(bound.map(|bound| ("le", bound))) {
            self.0.push(opener);
            self.0.push_str(name);
            self.0.push_str("=\"");
            self.escaped(label);
            self.0.push('"');
            opener = ',';
        }
        if opener == ',' {
            self.0.push('}');
        }
        self.push(format_args!(" {value}\n"));
    }

    fn escaped(&mut self, label: &str) {
        for character in label.chars() {
            match character {
                '\\' => self.0.push_str("\\\\"),
                '"' => self.0.push_str("\\\""),
                '\n' => self.0.push_str("\\n"),
                other => self.0.push(other),
            }
        }
    }

    fn push(&mut self, arguments: std::fmt::Arguments<'_>) {
        // Writing to a String cannot fail.
        let _ = self.0.write_fmt(arguments);
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
