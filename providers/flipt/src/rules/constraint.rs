//! One constraint of a segment (contract 1.2, "Constraints"). The right side is read once, at load.

use std::cmp::Ordering;
use std::collections::HashSet;

use engine::parse_float;
use serde::de::DeserializeOwned;

use super::attributes::Attribute;
use super::{datetime, trimmed};
use crate::model;

/// What a value must be.
#[derive(Debug)]
pub(super) enum Test {
    /// Nothing but space, or more than that.
    Blank(bool),
    Text(TextTest),
    Number(Comparison<f64>),
    NumberIn {
        members: Box<[f64]>,
        wanted: bool,
    },
    Bool(bool),
    Time(Comparison<(i64, u32)>),
    /// What the server can never find true.
    Never,
}

/// What text must be. Empty text is nothing of this.
#[derive(Debug)]
pub(super) enum TextTest {
    Is { text: Box<str>, wanted: bool },
    In { members: HashSet<Box<str>>, wanted: bool },
    Contains { part: Box<str>, wanted: bool },
    Begins(Box<str>),
    Ends(Box<str>),
}

/// How a value must stand to another.
#[derive(Debug)]
pub(super) struct Comparison<T> {
    how: How,
    with: T,
}

#[derive(Clone, Copy, Debug)]
enum How {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// What a constraint compares as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Number,
    Bool,
    Time,
    Entity,
    Unknown,
}

impl Kind {
    pub(super) fn of(name: &str) -> Self {
        match name {
            "STRING_CONSTRAINT_COMPARISON_TYPE" | "STRING_COMPARISON_TYPE" => Self::Text,
            "NUMBER_CONSTRAINT_COMPARISON_TYPE" | "NUMBER_COMPARISON_TYPE" => Self::Number,
            "BOOLEAN_CONSTRAINT_COMPARISON_TYPE" | "BOOLEAN_COMPARISON_TYPE" => Self::Bool,
            "DATETIME_CONSTRAINT_COMPARISON_TYPE" | "DATETIME_COMPARISON_TYPE" => Self::Time,
            "ENTITY_ID_CONSTRAINT_COMPARISON_TYPE" | "ENTITY_ID_COMPARISON_TYPE" => Self::Entity,
            _ => Self::Unknown,
        }
    }
}

impl Test {
    /// Compiles a constraint. What the server would never find true is an answer, not an error; the note says why.
    pub(super) fn compile(kind: Kind, model: &model::Constraint) -> (Self, Option<String>) {
        let (operator, value) = (model.operator.as_str(), model.value.as_str());
        let test = match (kind, operator) {
            (Kind::Text | Kind::Entity, "empty") => Some(Self::Blank(true)),
            (Kind::Text | Kind::Entity, "notempty") => Some(Self::Blank(false)),
            (Kind::Number | Kind::Bool | Kind::Time, "notpresent") => Some(Self::Blank(true)),
            (Kind::Number | Kind::Bool | Kind::Time, "present") => Some(Self::Blank(false)),
            (Kind::Text | Kind::Entity, _) => text_test(operator, value).map(Self::Text),
            (Kind::Number, "isoneof" | "isnotoneof") => list(value).map(|members: Vec<f64>| Self::NumberIn {
                members: members.into(),
                wanted: operator == "isoneof",
            }),
            (Kind::Number, _) => compare(operator, parse_float(value)).map(Self::Number),
            (Kind::Bool, "true") => Some(Self::Bool(true)),
            (Kind::Bool, "false") => Some(Self::Bool(false)),
            (Kind::Bool, _) => None,
            (Kind::Time, _) => compare(operator, datetime::parse(value)).map(Self::Time),
            (Kind::Unknown, _) => None,
        };
        let note = || {
            let model::Constraint { kind, property, .. } = model;
            format!("{kind} {property:?} {operator} {value:?} means nothing to Flipt; it never matches")
        };
        let note = test.is_none().then(note);
        (test.unwrap_or(Self::Never), note)
    }

    /// Asks of an attribute.
    pub(super) fn holds(&self, value: Option<Attribute<'_>>) -> bool {
        match (self, value) {
            (Self::Never, _) => false,
            (Self::Number(comparison), Some(Attribute::Number(n))) => comparison.holds(&n),
            (Self::Blank(wanted), None) => *wanted,
            (Self::Blank(wanted), Some(value)) => trimmed(&value.into_text()).is_empty() == *wanted,
            (_, None) => false,
            (test, Some(value)) => {
                let text = value.into_text();
                !text.is_empty() && test.holds_of_text(&text)
            }
        }
    }

    fn holds_of_text(&self, text: &str) -> bool {
        match self {
            Self::Text(test) => test.holds(text),
            Self::Number(comparison) => parse_float(text).is_some_and(|n| comparison.holds(&n)),
            Self::NumberIn { members, wanted } => {
                parse_float(text).is_some_and(|n| members.contains(&n) == *wanted)
            }
            Self::Bool(wanted) => parse_bool(text) == Some(*wanted),
            Self::Time(comparison) => datetime::parse(text).is_some_and(|time| comparison.holds(&time)),
            Self::Blank(_) | Self::Never => false,
        }
    }
}

impl TextTest {
    fn holds(&self, text: &str) -> bool {
        match self {
            Self::Is { text: other, wanted } => (*text == **other) == *wanted,
            Self::In { members, wanted } => members.contains(text) == *wanted,
            Self::Contains { part, wanted } => text.contains(&**part) == *wanted,
            Self::Begins(part) => trimmed(text).starts_with(&**part),
            Self::Ends(part) => trimmed(text).ends_with(&**part),
        }
    }
}

impl<T: PartialOrd> Comparison<T> {
    fn holds(&self, value: &T) -> bool {
        let order = value.partial_cmp(&self.with);
        match self.how {
            How::Equal => order == Some(Ordering::Equal),
            How::NotEqual => order != Some(Ordering::Equal),
            How::Less => order.is_some_and(Ordering::is_lt),
            How::LessOrEqual => order.is_some_and(Ordering::is_le),
            How::Greater => order.is_some_and(Ordering::is_gt),
            How::GreaterOrEqual => order.is_some_and(Ordering::is_ge),
        }
    }
}

fn text_test(operator: &str, value: &str) -> Option<TextTest> {
    Some(match operator {
        "eq" | "neq" => TextTest::Is { text: value.into(), wanted: operator == "eq" },
        "isoneof" | "isnotoneof" => {
            let members: Vec<Box<str>> = list(value)?;
            TextTest::In { members: members.into_iter().collect(), wanted: operator == "isoneof" }
        }
        "contains" | "notcontains" => {
            TextTest::Contains { part: value.into(), wanted: operator == "contains" }
        }
        "prefix" => TextTest::Begins(value.into()),
        "suffix" => TextTest::Ends(value.into()),
        _ => return None,
    })
}

fn compare<T>(operator: &str, with: Option<T>) -> Option<Comparison<T>> {
    let how = match operator {
        "eq" => How::Equal,
        "neq" => How::NotEqual,
        "lt" => How::Less,
        "lte" => How::LessOrEqual,
        "gt" => How::Greater,
        "gte" => How::GreaterOrEqual,
        _ => return None,
    };
    Some(Comparison { how, with: with? })
}

/// Whether the server cannot read what a constraint compares with. It then does without the whole segment.
pub(super) fn is_malformed(model: &model::Constraint) -> bool {
    let (operator, value) = (model.operator.as_str(), model.value.as_str());
    let is_list = matches!(operator, "isoneof" | "isnotoneof");
    let is_compared = matches!(operator, "eq" | "neq" | "lt" | "lte" | "gt" | "gte") && !value.is_empty();
    match Kind::of(&model.kind) {
        Kind::Text | Kind::Entity => is_list && list::<Box<str>>(value).is_none(),
        Kind::Number if is_list => list::<f64>(value).is_none(),
        Kind::Number => is_compared && parse_float(value).is_none(),
        Kind::Time => is_compared && datetime::parse(value).is_none(),
        Kind::Bool | Kind::Unknown => false,
    }
}

/// A JSON array as Go reads it: `null` in it is a zero value, and in its place an empty one.
pub(crate) fn list<T: DeserializeOwned + Default>(text: &str) -> Option<Vec<T>> {
    let members: Option<Vec<Option<T>>> = serde_json::from_str(text).ok()?;
    Some(members.into_iter().flatten().map(Option::unwrap_or_default).collect())
}

/// Go's `strconv.ParseBool`.
fn parse_bool(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "TRUE" | "true" | "True" => Some(true),
        "0" | "f" | "F" | "FALSE" | "false" | "False" => Some(false),
        _ => None,
    }
}
