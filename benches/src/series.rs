//! What several rounds measured, and whether two of them can be compared.

use serde_json::{Value, json};

/// Rounds that differ by more than this share of their median say too little to be compared (contract A3).
pub(crate) const MAX_SPREAD: f64 = 0.15;

/// One figure of one subject, once per round.
#[derive(Debug, Clone)]
pub(crate) struct Series {
    /// Who was measured.
    pub(crate) subject: String,
    /// What, with its unit.
    pub(crate) figure: String,
    /// Each round's.
    pub(crate) rounds: Vec<f64>,
}

impl Series {
    /// The middle round.
    pub(crate) fn median(&self) -> f64 {
        let mut sorted = self.rounds.clone();
        sorted.sort_by(f64::total_cmp);
        match sorted.len() {
            0 => f64::NAN,
            many if many % 2 == 1 => sorted[many / 2],
            many => f64::midpoint(sorted[many / 2 - 1], sorted[many / 2]),
        }
    }

    /// The least round.
    pub(crate) fn min(&self) -> f64 {
        self.rounds.iter().copied().fold(f64::INFINITY, f64::min)
    }

    /// How far apart the rounds are, as a share of their median.
    pub(crate) fn spread(&self) -> f64 {
        let max = self.rounds.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let median = self.median();
        if median == 0.0 { 0.0 } else { (max - self.min()) / median }
    }

    /// How often `other`'s figure this one's is; how far rounds differ, where that is too far to say so.
    pub(crate) fn times(&self, other: &Self) -> Result<f64, f64> {
        let worse = self.spread().max(other.spread());
        if worse > MAX_SPREAD || !worse.is_finite() {
            return Err(worse);
        }
        Ok(self.median() / other.median())
    }

    /// The same in words.
    pub(crate) fn over(&self, other: &Self) -> String {
        match self.times(other) {
            Ok(times) => format!("{times:.2}"),
            Err(spread) => format!("refused: rounds differ by {:.0} %", spread * 100.0),
        }
    }

    /// What [`to_json`](Self::to_json) wrote.
    pub(crate) fn from_json(json: &Value) -> Option<Self> {
        let text = |name: &str| json[name].as_str().map(str::to_owned);
        let rounds = json["rounds"].as_array()?.iter().filter_map(Value::as_f64).collect();
        Some(Self { subject: text("subject")?, figure: text("figure")?, rounds })
    }

    pub(crate) fn to_json(&self) -> Value {
        json!({"subject": self.subject, "figure": self.figure, "median": self.median(), "min": self.min(),
            "spread": self.spread(), "rounds": self.rounds})
    }
}

#[cfg(test)]
mod tests {
    use super::Series;

    fn series(rounds: &[f64]) -> Series {
        Series { subject: "a".to_owned(), figure: "us".to_owned(), rounds: rounds.to_vec() }
    }

    #[test]
    fn the_middle_is_the_middle() {
        assert!((series(&[3.0, 1.0, 2.0]).median() - 2.0).abs() < f64::EPSILON);
        assert!((series(&[4.0, 1.0, 2.0, 3.0]).median() - 2.5).abs() < f64::EPSILON);
    }

    #[test]
    fn restless_rounds_are_not_compared() {
        let calm = series(&[10.0, 10.5, 10.2]);
        assert_eq!(calm.over(&series(&[5.0, 5.1, 5.2])), "2.00");
        assert_eq!(calm.over(&series(&[5.0, 5.1, 6.1])), "refused: rounds differ by 22 %");
    }
}
