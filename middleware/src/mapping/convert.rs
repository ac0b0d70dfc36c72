//! From what a request holds to a value of the SDK, by the declared type.

use std::borrow::Cow;

use open_feature::EvaluationContextFieldValue as Field;
use serde_json::Value;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::Refusal;

/// The type an attribute is declared to have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A claim keeps its JSON type, everything else is text.
    Natural,
    Text,
    Boolean,
    Integer,
    Number,
    DateTime,
    Structure,
}

/// What a request holds.
pub(super) enum Raw<'a> {
    Text(Cow<'a, str>),
    Json(&'a Value),
    Value(Field),
}

/// The value that `raw` is under `kind`; `None` if it is empty.
pub(super) fn convert(raw: Raw<'_>, kind: Kind, length: usize) -> Result<Option<Field>, Refusal> {
    match raw {
        Raw::Text(text) if text.is_empty() => Ok(None),
        Raw::Text(text) if text.len() > length => Err(Refusal::TooLong),
        Raw::Text(text) => from_text(&text, kind).map(Some),
        Raw::Json(Value::Null) => Ok(None),
        Raw::Json(Value::String(text)) => convert(Raw::Text(Cow::Borrowed(text)), kind, length),
        Raw::Json(value @ (Value::Array(_) | Value::Object(_))) => {
            if kind != Kind::Structure {
                return Err(Refusal::Type);
            }
            if value.to_string().len() > length {
                return Err(Refusal::TooLong);
            }
            Ok(Some(Field::new_struct(value.clone())))
        }
        Raw::Json(value) => from_scalar(value, kind).map(Some),
        Raw::Value(Field::String(text)) => convert(Raw::Text(Cow::Owned(text)), kind, length),
        Raw::Value(value) => from_value(value, kind).map(Some),
    }
}

fn from_text(text: &str, kind: Kind) -> Result<Field, Refusal> {
    let value = match kind {
        Kind::Natural | Kind::Text => Some(Field::String(text.to_owned())),
        Kind::Boolean => match text {
            "true" | "1" => Some(Field::Bool(true)),
            "false" | "0" => Some(Field::Bool(false)),
            _ => None,
        },
        Kind::Integer => text.parse().ok().map(Field::Int),
        Kind::Number => text.parse().ok().filter(|number: &f64| number.is_finite()).map(Field::Float),
        Kind::DateTime => OffsetDateTime::parse(text, &Rfc3339).ok().map(Field::DateTime),
        Kind::Structure => serde_json::from_str::<Value>(text).ok().map(Field::new_struct),
    };
    value.ok_or(Refusal::Type)
}

/// A boolean or a number of a claim.
fn from_scalar(value: &Value, kind: Kind) -> Result<Field, Refusal> {
    let value = match kind {
        Kind::Natural => natural(value),
        Kind::Text => Some(Field::String(value.to_string())),
        Kind::Boolean => value.as_bool().map(Field::Bool),
        Kind::Integer => value.as_i64().map(Field::Int),
        Kind::Number => value.as_f64().map(Field::Float),
        Kind::DateTime => value
            .as_i64()
            .and_then(|seconds| OffsetDateTime::from_unix_timestamp(seconds).ok())
            .map(Field::DateTime),
        Kind::Structure => None,
    };
    value.ok_or(Refusal::Type)
}

fn natural(value: &Value) -> Option<Field> {
    let number = || value.as_i64().map(Field::Int).or_else(|| value.as_f64().map(Field::Float));
    value.as_bool().map(Field::Bool).or_else(number)
}

/// A value that the application made itself: only its type is checked.
fn from_value(value: Field, kind: Kind) -> Result<Field, Refusal> {
    let fits = match kind {
        Kind::Natural => true,
        Kind::Text => value.is_str(),
        Kind::Boolean => value.is_bool(),
        Kind::Integer => value.is_i64(),
        Kind::Number => value.is_f64(),
        Kind::DateTime => value.is_date_time(),
        Kind::Structure => value.is_struct(),
    };
    if fits { Ok(value) } else { Err(Refusal::Type) }
}

/// A targeting key: text, or a whole number in decimal.
pub(super) fn key(value: Field) -> Option<String> {
    match value {
        Field::String(text) => Some(text),
        Field::Int(number) => Some(number.to_string()),
        _ => None,
    }
}
