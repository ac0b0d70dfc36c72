//! One condition of a segment (contract 2.2, "Operators").

use std::cmp::Ordering;
use std::collections::HashSet;

use fancy_regex::{Regex, RegexBuilder};
use semver::Version;
use serde_json::Value;

use super::hash::percentage;
use super::identity::{Identity, Trait};
use super::property::Property;
use super::{Environment, python};
use crate::model;

/// How many steps back a pattern may take before it counts as not matching.
const BACKTRACKS: usize = 100_000;
/// The most memory a compiled pattern may take.
const PATTERN_BYTES: usize = 1 << 20;

/// A condition, ready to be asked.
#[derive(Debug)]
pub(crate) struct Condition {
    pub(crate) operator: Box<str>,
    pub(crate) property: Property,
    /// The right side as the document has it.
    pub(crate) value: Value,
    test: Test,
}

/// What is asked of the property's value.
#[derive(Debug)]
enum Test {
    Equal(Operand),
    NotEqual(Operand),
    Greater(Operand),
    GreaterOrEqual(Operand),
    Less(Operand),
    LessOrEqual(Operand),
    Contains(Operand),
    NotContains(Box<str>),
    Matches(Regex),
    Modulo(f64, f64),
    In(HashSet<Box<str>>),
    Split(f64),
    IsSet,
    IsNotSet,
    /// What the server can never find true.
    Never,
}

/// The right side of a comparison, cast to every type that the left side may have.
#[derive(Debug)]
struct Operand {
    text: Box<str>,
    int: Option<i128>,
    float: Option<f64>,
    /// Whether text is compared as versions, and with which; `None` inside is no version.
    version: Option<Option<Version>>,
}

impl Condition {
    /// Compiles the condition. What the server would never find true is an answer, not an error; the note says why.
    pub(super) fn compile(model: model::Condition) -> (Self, Option<String>) {
        let (property, mut note) = Property::of(model.property_.as_deref().unwrap_or(""), &model.operator);
        let text = || plain(&model.value);
        let test = match model.operator.as_str() {
            "EQUAL" => Test::Equal(Operand::of(text())),
            "NOT_EQUAL" => Test::NotEqual(Operand::of(text())),
            "GREATER_THAN" => Test::Greater(Operand::of(text())),
            "GREATER_THAN_INCLUSIVE" => Test::GreaterOrEqual(Operand::of(text())),
            "LESS_THAN" => Test::Less(Operand::of(text())),
            "LESS_THAN_INCLUSIVE" => Test::LessOrEqual(Operand::of(text())),
            "CONTAINS" => Test::Contains(Operand::of(text())),
            "NOT_CONTAINS" => Test::NotContains(text().into()),
            "REGEX" => noted(pattern(&text()).map(Test::Matches), &mut note),
            "MODULO" => noted(
                divisor_and_rest(&text())
                    .ok_or_else(|| no("divisor|rest", &model))
                    .map(|(d, r)| Test::Modulo(d, r)),
                &mut note,
            ),
            "PERCENTAGE_SPLIT" => noted(
                python::float(&text()).ok_or_else(|| no("percentage", &model)).map(Test::Split),
                &mut note,
            ),
            "IN" => Test::In(members(&model.value)),
            "IS_SET" => Test::IsSet,
            "IS_NOT_SET" => Test::IsNotSet,
            other => noted(Err(format!("Flagsmith has no operator {other:?}; it never matches")), &mut note),
        };
        (Self { operator: model.operator.into(), property, value: model.value, test }, note)
    }

    /// Whether the condition holds in the segment whose id is `segment`.
    pub(super) fn holds(&self, segment: &str, environment: &Environment, identity: &Identity<'_>) -> bool {
        if let (Test::Split(most), Property::Identity) = (&self.test, &self.property) {
            return percentage(&segment, &environment.key_of(identity.identifier)) <= *most;
        }
        let value = self.property.value(environment, identity);
        match (&self.test, value) {
            (Test::IsSet, value) => value.is_some(),
            (Test::IsNotSet, value) => value.is_none(),
            (_, None) => false,
            (Test::Split(most), Some(value)) => percentage(&segment, &value) <= *most,
            (test, Some(value)) => test.holds(&value),
        }
    }
}

impl Test {
    /// Asks of a value that is there.
    fn holds(&self, value: &Trait<'_>) -> bool {
        match self {
            Self::Equal(operand) => {
                operand.compare(value).is_some_and(|order| order == Some(Ordering::Equal))
            }
            Self::NotEqual(operand) => {
                operand.compare(value).is_some_and(|order| order != Some(Ordering::Equal))
            }
            Self::Greater(operand) => operand.is(value, Ordering::is_gt),
            Self::GreaterOrEqual(operand) => operand.is(value, Ordering::is_ge),
            Self::Less(operand) => operand.is(value, Ordering::is_lt),
            Self::LessOrEqual(operand) => operand.is(value, Ordering::is_le),
            Self::Contains(operand) => operand.is_in(value),
            Self::NotContains(part) => matches!(value, Trait::Text(text) if !text.contains(&**part)),
            Self::Matches(pattern) => match value {
                Trait::Text(text) => pattern.is_match(&**text),
                other => pattern.is_match(&other.to_string()),
            }
            .unwrap_or(false),
            Self::Modulo(divisor, rest) => {
                let n = match value {
                    Trait::Bool(b) => f64::from(u8::from(*b)),
                    Trait::Int(n) => *n as f64,
                    Trait::Float(n) => *n,
                    Trait::Text(_) => return false,
                };
                python::modulo(n, *divisor) == Some(*rest)
            }
            Self::In(members) => match value {
                Trait::Text(text) => members.contains(&**text),
                Trait::Int(n) => members.contains(&*n.to_string()),
                Trait::Bool(_) | Trait::Float(_) => false,
            },
            Self::Split(_) | Self::IsSet | Self::IsNotSet | Self::Never => false,
        }
    }
}

impl Operand {
    fn of(text: String) -> Self {
        let version = text.strip_suffix(":semver").map(|version| Version::parse(version).ok());
        Self { int: python::int(&text), float: python::float(&text), version, text: text.into() }
    }

    /// How `value` stands to the operand; `None` if the operand cannot be cast to its type, and `None` inside for what
    /// has no order (NaN).
    #[expect(
        clippy::option_option,
        reason = "two ways of not being comparable that answer NOT_EQUAL differently"
    )]
    fn compare(&self, value: &Trait<'_>) -> Option<Option<Ordering>> {
        match value {
            Trait::Bool(b) => Some(Some(b.cmp(&!matches!(&*self.text, "False" | "false")))),
            Trait::Int(n) => Some(Some(n.cmp(&self.int?))),
            Trait::Float(n) => Some(n.partial_cmp(&self.float?)),
            Trait::Text(text) => match &self.version {
                None => Some(Some((**text).cmp(&*self.text))),
                Some(version) => {
                    let mine = Version::parse(text).ok()?;
                    Some(Some(mine.cmp_precedence(version.as_ref()?)))
                }
            },
        }
    }

    fn is(&self, value: &Trait<'_>, wanted: fn(Ordering) -> bool) -> bool {
        self.compare(value).flatten().is_some_and(wanted)
    }

    /// `CONTAINS`: only text contains anything. A version contains its pre-release and build tags, each as a whole.
    fn is_in(&self, value: &Trait<'_>) -> bool {
        let Trait::Text(text) = value else { return false };
        if self.version.is_none() {
            return text.contains(&*self.text);
        }
        let part = self.text.strip_suffix(":semver").unwrap_or(&self.text);
        Version::parse(text).is_ok_and(|version| {
            !part.is_empty() && [version.pre.as_str(), version.build.as_str()].contains(&part)
        })
    }
}

/// The test, or one that never holds and a note why.
fn noted(test: Result<Test, String>, note: &mut Option<String>) -> Test {
    test.unwrap_or_else(|why| {
        note.get_or_insert(why);
        Test::Never
    })
}

fn no(what: &str, model: &model::Condition) -> String {
    format!("{:?} is no {what} for {}; it never matches", plain(&model.value), model.operator)
}

/// A pattern that matches from the start of the text on, as Python's `re.match` does.
fn pattern(text: &str) -> Result<Regex, String> {
    RegexBuilder::new(&format!(r"\A(?:{})", with_end_of_text(text)))
        .backtrack_limit(BACKTRACKS)
        .delegate_size_limit(PATTERN_BYTES)
        .build()
        .map_err(|error| format!("REGEX {text:?} cannot be used, so it never matches: {error}"))
}

/// Python's `\Z` is the very end of the text; elsewhere that is `\z`.
fn with_end_of_text(pattern: &str) -> String {
    let mut out = String::with_capacity(pattern.len());
    let mut escaped = false;
    for c in pattern.chars() {
        out.push(if escaped && c == 'Z' { 'z' } else { c });
        escaped = c == '\\' && !escaped;
    }
    out
}

/// `divisor|rest`, as numbers.
fn divisor_and_rest(text: &str) -> Option<(f64, f64)> {
    let (divisor, rest) = text.split_once('|')?;
    Some((python::float(divisor)?, python::float(rest)?))
}

/// The members of an `IN`: a list, a JSON array written as text, or text between commas, which is not trimmed.
fn members(value: &Value) -> HashSet<Box<str>> {
    let listed = |items: &[Value]| items.iter().map(|item| member(item).into()).collect();
    match value {
        Value::Array(items) => listed(items),
        Value::String(text) => match serde_json::from_str::<Vec<Value>>(text) {
            Ok(items) if text.starts_with('[') => listed(&items),
            _ => text.split(',').map(Into::into).collect(),
        },
        other => HashSet::from([plain(other).into()]),
    }
}

/// `str(item)` of a list's element.
fn member(item: &Value) -> String {
    match item {
        Value::Null => "None".to_owned(),
        Value::Bool(b) => Trait::Bool(*b).to_string(),
        Value::Number(n) if !n.is_i64() && !n.is_u64() => {
            Trait::Float(n.as_f64().unwrap_or(f64::NAN)).to_string()
        }
        other => plain(other),
    }
}

/// The right side as text; the server stores nothing else.
pub(crate) fn plain(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
