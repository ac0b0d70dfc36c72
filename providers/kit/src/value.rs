//! The one converter of flag values: the SDK's, JSON's and Rust's.
//!
//! What cannot be carried exactly is an error and not something close to it: a whole number beyond 64 bits, a double that
//! is asked for as a whole number and has a fraction or lies beyond 2^53, a whole number beyond 2^53 asked for as a double.

use std::collections::HashMap;

use open_feature::{EvaluationError, FlagMetadata, FlagMetadataValue, StructValue, Value};

use crate::answer::{Held, Type};
use crate::error;

/// From here on not every whole number is a double.
const EXACT: i64 = 1 << 53;
/// How deep a value may be nested; JSON parsers stop at the same depth.
const DEPTH: usize = 128;

/// A Rust type that a flag can be asked for.
pub trait FlagValue: Sized {
    /// What it is asked for as.
    const TYPE: Type;

    /// Reads the flag's value.
    ///
    /// # Errors
    /// `TYPE_MISMATCH`: the value is of another kind, or cannot be carried exactly.
    fn read(held: Held<'_>) -> Result<Self, EvaluationError>;

    /// Takes an owned value, without a copy where there need not be one.
    ///
    /// # Errors
    /// As [`FlagValue::read`].
    fn take(value: Value) -> Result<Self, EvaluationError> {
        Self::read(Held::Value(&value))
    }
}

impl FlagValue for bool {
    const TYPE: Type = Type::Bool;

    #[inline]
    fn read(held: Held<'_>) -> Result<Self, EvaluationError> {
        match held {
            Held::Bool(value)
            | Held::Value(&Value::Bool(value))
            | Held::Json(&serde_json::Value::Bool(value)) => Ok(value),
            _ => Err(error::mismatch(kind(held), Type::Bool)),
        }
    }
}

impl FlagValue for i64 {
    const TYPE: Type = Type::Int;

    #[inline]
    fn read(held: Held<'_>) -> Result<Self, EvaluationError> {
        match held {
            Held::Int(value) | Held::Value(&Value::Int(value)) => Ok(value),
            Held::Float(value) | Held::Value(&Value::Float(value)) => whole(value),
            Held::Json(serde_json::Value::Number(number)) => match number.as_i64() {
                Some(value) => Ok(value),
                None if number.is_u64() => {
                    Err(error::unfit(format!("{number} does not fit into 64 signed bits")))
                }
                None => whole(number.as_f64().unwrap_or(f64::NAN)),
            },
            _ => Err(error::mismatch(kind(held), Type::Int)),
        }
    }
}

impl FlagValue for f64 {
    const TYPE: Type = Type::Float;

    #[inline]
    fn read(held: Held<'_>) -> Result<Self, EvaluationError> {
        match held {
            Held::Float(value) | Held::Value(&Value::Float(value)) => Ok(value),
            Held::Int(value) | Held::Value(&Value::Int(value)) => double(value),
            Held::Json(serde_json::Value::Number(number)) => match (number.as_i64(), number.as_f64()) {
                (Some(value), _) => double(value),
                (None, Some(value)) if !number.is_u64() => Ok(value),
                _ => Err(error::unfit(format!("{number} is beyond 2^53, where a float is no longer exact"))),
            },
            _ => Err(error::mismatch(kind(held), Type::Float)),
        }
    }
}

impl FlagValue for String {
    const TYPE: Type = Type::String;

    #[inline]
    fn read(held: Held<'_>) -> Result<Self, EvaluationError> {
        text(held).map(str::to_owned)
    }

    fn take(value: Value) -> Result<Self, EvaluationError> {
        match value {
            Value::String(text) => Ok(text),
            other => Err(error::mismatch(kind(Held::Value(&other)), Type::String)),
        }
    }
}

impl FlagValue for StructValue {
    const TYPE: Type = Type::Object;

    fn read(held: Held<'_>) -> Result<Self, EvaluationError> {
        match held {
            Held::Json(json @ serde_json::Value::Object(_)) => from_json(json).and_then(Self::take),
            Held::Value(Value::Struct(value)) => Ok(value.clone()),
            _ => Err(error::mismatch(kind(held), Type::Object)),
        }
    }

    fn take(value: Value) -> Result<Self, EvaluationError> {
        match value {
            Value::Struct(value) => Ok(value),
            other => Err(error::mismatch(kind(Held::Value(&other)), Type::Object)),
        }
    }
}

/// A structure or a list as the SDK has it.
impl FlagValue for Value {
    const TYPE: Type = Type::Object;

    fn read(held: Held<'_>) -> Result<Self, EvaluationError> {
        owned(held)
    }

    fn take(value: Value) -> Result<Self, EvaluationError> {
        Ok(value)
    }
}

/// A structure or a list as JSON.
impl FlagValue for serde_json::Value {
    const TYPE: Type = Type::Object;

    fn read(held: Held<'_>) -> Result<Self, EvaluationError> {
        match held {
            Held::Json(json) => Ok(json.clone()),
            Held::Value(value) => to_json(value),
            Held::Bool(value) => Ok(value.into()),
            Held::Int(value) => Ok(value.into()),
            Held::Float(value) => number(value),
            Held::Str(value) => Ok(value.into()),
        }
    }
}

/// The text of a string flag, borrowed.
///
/// # Errors
/// `TYPE_MISMATCH`: the value is of another kind.
#[inline]
pub(crate) fn text(held: Held<'_>) -> Result<&str, EvaluationError> {
    match held {
        Held::Str(text) => Ok(text),
        Held::Value(Value::String(text)) | Held::Json(serde_json::Value::String(text)) => Ok(text),
        _ => Err(error::mismatch(kind(held), Type::String)),
    }
}

/// An owned copy as the SDK has it.
pub(crate) fn owned(held: Held<'_>) -> Result<Value, EvaluationError> {
    match held {
        Held::Bool(value) => Ok(Value::Bool(value)),
        Held::Int(value) => Ok(Value::Int(value)),
        Held::Float(value) => Ok(Value::Float(value)),
        Held::Str(value) => Ok(Value::String(value.to_owned())),
        Held::Json(json) => from_json(json),
        Held::Value(value) => Ok(value.clone()),
    }
}

/// JSON as the SDK's value. Whole numbers stay whole. The SDK has no `null`: a `null` member of an object is left out.
///
/// # Errors
/// `TYPE_MISMATCH`: a `null` that is not a member, a whole number beyond 64 signed bits, or nesting beyond 128 levels.
pub fn from_json(json: &serde_json::Value) -> Result<Value, EvaluationError> {
    read_json(json, DEPTH)
}

fn read_json(json: &serde_json::Value, depth: usize) -> Result<Value, EvaluationError> {
    use serde_json::Value as Json;
    let Some(depth) = depth.checked_sub(1) else {
        return Err(error::unfit(format!("the value is nested deeper than {DEPTH} levels")));
    };
    Ok(match json {
        Json::Null => return Err(error::unfit("the value holds a null that is no member of an object")),
        Json::Bool(value) => Value::Bool(*value),
        Json::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(value), _) => Value::Int(value),
            (None, Some(value)) if !number.is_u64() => Value::Float(value),
            _ => return Err(error::unfit(format!("{number} does not fit into 64 signed bits"))),
        },
        Json::String(text) => Value::String(text.clone()),
        Json::Array(items) => {
            Value::Array(items.iter().map(|item| read_json(item, depth)).collect::<Result<_, _>>()?)
        }
        Json::Object(members) => {
            let mut fields = StructValue::default();
            fields.fields.reserve(members.len());
            for (key, member) in members.iter().filter(|(_, member)| !member.is_null()) {
                fields.fields.insert(key.clone(), read_json(member, depth)?);
            }
            Value::Struct(fields)
        }
    })
}

/// The SDK's value as JSON, members sorted by key.
///
/// # Errors
/// `TYPE_MISMATCH`: a float that is not finite, which JSON cannot carry.
pub fn to_json(value: &Value) -> Result<serde_json::Value, EvaluationError> {
    Ok(match value {
        Value::Bool(value) => (*value).into(),
        Value::Int(value) => (*value).into(),
        Value::Float(value) => number(*value)?,
        Value::String(text) => text.as_str().into(),
        Value::Array(items) => items.iter().map(to_json).collect::<Result<_, _>>()?,
        Value::Struct(value) => fields_to_json(&value.fields)?,
    })
}

/// [`to_json`] of a structure's fields.
pub(crate) fn fields_to_json(fields: &HashMap<String, Value>) -> Result<serde_json::Value, EvaluationError> {
    let mut fields: Vec<_> = fields.iter().collect();
    fields.sort_unstable_by_key(|(key, _)| key.as_str());
    let members = fields.into_iter().map(|(key, value)| Ok((key.clone(), to_json(value)?)));
    members.collect::<Result<serde_json::Map<_, _>, _>>().map(serde_json::Value::Object)
}

/// Flag metadata from JSON members: booleans, numbers and strings. Others are left out, the SDK has no place for them.
pub fn metadata_from_json<'j>(
    members: impl IntoIterator<Item = (&'j str, &'j serde_json::Value)>,
) -> FlagMetadata {
    use serde_json::Value as Json;
    let mut metadata = FlagMetadata::default();
    for (key, value) in members {
        let value = match value {
            Json::Bool(value) => FlagMetadataValue::Bool(*value),
            Json::String(text) => FlagMetadataValue::String(text.clone()),
            Json::Number(number) => match (number.as_i64(), number.as_f64()) {
                (Some(value), _) => FlagMetadataValue::Int(value),
                (None, Some(value)) => FlagMetadataValue::Float(value),
                (None, None) => continue,
            },
            Json::Null | Json::Array(_) | Json::Object(_) => continue,
        };
        metadata.add_value(key, value);
    }
    metadata
}

pub(crate) fn number(value: f64) -> Result<serde_json::Value, EvaluationError> {
    serde_json::Number::from_f64(value)
        .map(serde_json::Value::Number)
        .ok_or_else(|| error::unfit(format!("{value} is a float that JSON cannot carry")))
}

/// The whole number that `value` is.
fn whole(value: f64) -> Result<i64, EvaluationError> {
    if value.fract() != 0.0 || !value.is_finite() {
        return Err(error::unfit(format!("the flag's value is {value}, asked for as int: it is not whole")));
    }
    // Compared as doubles, where 2^53 is exact; the cast below then is too.
    if value.abs() > EXACT as f64 {
        return Err(error::unfit(format!("{value} is beyond 2^53, where a float is no exact int")));
    }
    Ok(value as i64)
}

fn double(value: i64) -> Result<f64, EvaluationError> {
    if value.unsigned_abs() > EXACT.unsigned_abs() {
        return Err(error::unfit(format!("{value} is beyond 2^53, where a float is no longer exact")));
    }
    Ok(value as f64)
}

fn kind(held: Held<'_>) -> &'static str {
    use serde_json::Value as Json;
    match held {
        Held::Bool(_) | Held::Json(Json::Bool(_)) | Held::Value(Value::Bool(_)) => "a bool",
        Held::Int(_) | Held::Value(Value::Int(_)) => "an int",
        Held::Float(_) | Held::Value(Value::Float(_)) => "a float",
        Held::Json(Json::Number(_)) => "a number",
        Held::Str(_) | Held::Json(Json::String(_)) | Held::Value(Value::String(_)) => "a string",
        Held::Json(Json::Array(_)) | Held::Value(Value::Array(_)) => "a list",
        Held::Json(Json::Object(_)) | Held::Value(Value::Struct(_)) => "an object",
        Held::Json(Json::Null) => "null",
    }
}
