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
            | Held::Json(&serde_json::Value::Bool(value))
            | Held::Doubles(&serde_json::Value::Bool(value)) => Ok(value),
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
            Held::Float(value) | Held::Value(&Value::Float(value)) => exact(value),
            Held::Json(serde_json::Value::Number(number))
            | Held::Doubles(serde_json::Value::Number(number)) => match number.as_i64() {
                Some(value) => Ok(value),
                None if number.is_u64() => {
                    Err(error::unfit(format!("{number} does not fit into 64 signed bits")))
                }
                None => exact(number.as_f64().unwrap_or(f64::NAN)),
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
            Held::Json(serde_json::Value::Number(number))
            | Held::Doubles(serde_json::Value::Number(number)) => match (number.as_i64(), number.as_f64()) {
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
            Held::Json(serde_json::Value::Object(_)) | Held::Doubles(serde_json::Value::Object(_)) => {
                owned(held).and_then(Self::take)
            }
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
            Held::Doubles(json) => Ok(whole_json(json)),
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
        Held::Value(Value::String(text))
        | Held::Json(serde_json::Value::String(text))
        | Held::Doubles(serde_json::Value::String(text)) => Ok(text),
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
        Held::Doubles(json) => read_json(json, DEPTH, of_double),
        Held::Value(value) => Ok(value.clone()),
    }
}

/// JSON as the SDK's value. Whole numbers stay whole. The SDK has no `null`: a `null` member of an object is left out.
///
/// # Errors
/// `TYPE_MISMATCH`: a `null` that is not a member, a whole number beyond 64 signed bits, or nesting beyond 128 levels.
pub fn from_json(json: &serde_json::Value) -> Result<Value, EvaluationError> {
    read_json(json, DEPTH, Value::Float)
}

/// A number that went through a double, as all do in protobuf's `Struct`: whole and exact, it is a whole number.
pub fn of_double(value: f64) -> Value {
    whole(value).map_or(Value::Float(value), Value::Int)
}

/// The same JSON with its whole doubles as whole numbers.
fn whole_json(json: &serde_json::Value) -> serde_json::Value {
    use serde_json::Value as Json;
    match json {
        Json::Number(number) if number.is_f64() => {
            number.as_f64().and_then(|value| whole(value).ok()).map_or_else(|| json.clone(), Json::from)
        }
        Json::Array(items) => items.iter().map(whole_json).collect(),
        Json::Object(members) => {
            members.iter().map(|(key, member)| (key.clone(), whole_json(member))).collect()
        }
        other => other.clone(),
    }
}

fn read_json(
    json: &serde_json::Value,
    depth: usize,
    double: fn(f64) -> Value,
) -> Result<Value, EvaluationError> {
    use serde_json::Value as Json;
    let Some(depth) = depth.checked_sub(1) else {
        return Err(error::unfit(format!("the value is nested deeper than {DEPTH} levels")));
    };
    Ok(match json {
        Json::Null => return Err(error::unfit("the value holds a null that is no member of an object")),
        Json::Bool(value) => Value::Bool(*value),
        Json::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(value), _) => Value::Int(value),
            (None, Some(value)) if !number.is_u64() => double(value),
            _ => return Err(error::unfit(format!("{number} does not fit into 64 signed bits"))),
        },
        Json::String(text) => Value::String(text.clone()),
        Json::Array(items) => {
            Value::Array(items.iter().map(|item| read_json(item, depth, double)).collect::<Result<_, _>>()?)
        }
        Json::Object(members) => {
            let mut fields = StructValue::default();
            fields.fields.reserve(members.len());
            for (key, member) in members.iter().filter(|(_, member)| !member.is_null()) {
                fields.fields.insert(key.clone(), read_json(member, depth, double)?);
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

/// Flag metadata from JSON members: booleans, numbers and strings, whole numbers as such. Others are left out, the SDK has
/// no place for them. Of two values of one key, the last counts.
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
                (None, Some(value)) => {
                    whole(value).map_or(FlagMetadataValue::Float(value), FlagMetadataValue::Int)
                }
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
fn exact(value: f64) -> Result<i64, EvaluationError> {
    whole(value).map_err(error::unfit)
}

/// As [`exact`], with the plain reason why not.
fn whole(value: f64) -> Result<i64, String> {
    if value.fract() != 0.0 || !value.is_finite() {
        return Err(format!("the flag's value is {value}, asked for as int: it is not whole"));
    }
    // 2^53 itself may have been 2^53 + 1 before it became a double.
    if value.abs() >= EXACT as f64 {
        return Err(format!("{value} is beyond 2^53, where a float is no exact int"));
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
        Held::Bool(_) | Held::Value(Value::Bool(_)) => "a bool",
        Held::Int(_) | Held::Value(Value::Int(_)) => "an int",
        Held::Float(_) | Held::Value(Value::Float(_)) => "a float",
        Held::Str(_) | Held::Value(Value::String(_)) => "a string",
        Held::Value(Value::Array(_)) => "a list",
        Held::Value(Value::Struct(_)) => "an object",
        Held::Json(json) | Held::Doubles(json) => match json {
            Json::Null => "null",
            Json::Bool(_) => "a bool",
            Json::Number(_) => "a number",
            Json::String(_) => "a string",
            Json::Array(_) => "a list",
            Json::Object(_) => "an object",
        },
    }
}

#[cfg(test)]
mod tests {
    use open_feature::EvaluationErrorCode;
    use serde_json::json;

    use super::*;

    const BEYOND: i64 = 9_007_199_254_740_993;

    fn mismatch<T: std::fmt::Debug>(result: Result<T, EvaluationError>) -> bool {
        result.is_err_and(|error| error.code == EvaluationErrorCode::TypeMismatch)
    }

    #[test]
    fn ints() {
        for (json, expected) in [
            (json!(3), Some(3)),
            (json!(-3.0), Some(-3)),
            (json!(BEYOND), Some(BEYOND)),
            (json!(i64::MIN), Some(i64::MIN)),
            (json!(u64::MAX), None),
            (json!(3.5), None),
            (json!(1e300), None),
            (json!(9_007_199_254_740_992.0), None),
            (json!(9_007_199_254_740_991.0), Some(9_007_199_254_740_991)),
            (json!("3"), None),
            (json!(true), None),
            (json!(null), None),
        ] {
            let read = i64::read(Held::Json(&json));
            match expected {
                Some(expected) => assert_eq!(read, Ok(expected), "{json}"),
                None => assert!(mismatch(read), "{json}"),
            }
        }
        assert!(mismatch(i64::read(Held::Float(f64::NAN))));
        assert!(mismatch(i64::read(Held::Float(f64::INFINITY))));
    }

    #[test]
    fn floats() {
        for (json, expected) in [
            (json!(3), Some(3.0)),
            (json!(0.1), Some(0.1)),
            (json!(-1e300), Some(-1e300)),
            (json!(BEYOND), None),
            (json!(u64::MAX), None),
            (json!("0.1"), None),
        ] {
            let read = f64::read(Held::Json(&json));
            match expected {
                Some(expected) => assert_eq!(read, Ok(expected), "{json}"),
                None => assert!(mismatch(read), "{json}"),
            }
        }
    }

    #[test]
    fn json_goes_there_and_back() {
        let json = json!({
            "bool": true, "int": BEYOND, "float": 0.1, "whole": 1.0, "text": "a\u{1F600}",
            "list": [1, [2.5, "x"], {"deep": [{"er": []}]}], "empty": {},
        });
        let value = from_json(&json).unwrap();
        assert_eq!(to_json(&value).unwrap(), json);
        assert_eq!(value.as_struct().unwrap().fields["whole"], Value::Float(1.0));
        assert_eq!(StructValue::read(Held::Json(&json)).map(Value::Struct), Ok(value));
    }

    #[test]
    fn whole_doubles_are_whole_again() {
        let json = json!({"a": [1.0, 2.5, {"b": -3.0}], "big": 1e300});
        let whole = json!({"a": [1, 2.5, {"b": -3}], "big": 1e300});
        assert_eq!(owned(Held::Doubles(&json)), from_json(&whole));
        assert_eq!(serde_json::Value::read(Held::Doubles(&json)), Ok(whole));
        assert_eq!(of_double(-0.5), Value::Float(-0.5));
    }

    #[test]
    fn nulls_are_left_out_of_objects_and_refused_elsewhere() {
        let fields = StructValue::default().with_field("a", 1);
        assert_eq!(from_json(&json!({"a": 1, "b": null})), Ok(Value::Struct(fields)));
        assert!(mismatch(from_json(&json!([1, null]))));
        assert!(mismatch(from_json(&json!(null))));
    }

    #[test]
    fn what_cannot_be_carried_is_refused() {
        let mut deep = json!(1);
        for _ in 0..200 {
            deep = json!([deep]);
        }
        assert!(mismatch(from_json(&deep)));
        assert!(mismatch(from_json(&json!({"a": [u64::MAX]}))));
        assert!(mismatch(to_json(&Value::Array(vec![Value::Float(f64::NAN)]))));
    }

    #[test]
    fn metadata_takes_what_the_sdk_has_a_place_for() {
        let json = json!({"b": true, "i": 1, "f": 0.5, "s": "x", "n": null, "o": {}, "l": []});
        let members = json.as_object().unwrap();
        let metadata = metadata_from_json(members.iter().map(|(key, value)| (key.as_str(), value)));
        let expected = FlagMetadata::default().with_value("b", true).with_value("i", 1);
        assert_eq!(metadata, expected.with_value("f", 0.5).with_value("s", "x"));
    }
}
