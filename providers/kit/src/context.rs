//! The one converter of evaluation contexts.
//!
//! A context's custom fields are scalars, datetimes and structs of any Rust type. The types that can be read are
//! [`StructValue`], [`Value`], `serde_json::Value` and `HashMap<String, Value>`; a list is a struct that holds a `Value`.

use std::collections::HashMap;

use open_feature::{EvaluationContext, EvaluationContextFieldValue, EvaluationError, StructValue, Value};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::{error, value};

/// The name under which evaluators see the targeting key (flagd specification, evaluation context).
pub const TARGETING_KEY: &str = "targetingKey";

/// An attribute of a context, borrowed.
#[derive(Clone, Copy, Debug)]
pub enum Attribute<'a> {
    /// A boolean.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A number.
    Float(f64),
    /// Text.
    Str(&'a str),
    /// A moment; [`datetime`] writes it.
    DateTime(&'a OffsetDateTime),
    /// A structure of the SDK.
    Fields(&'a HashMap<String, Value>),
    /// A value of the SDK, of any kind.
    Value(&'a Value),
    /// JSON of any kind.
    Json(&'a serde_json::Value),
}

/// Reads one custom field.
///
/// # Errors
/// `INVALID_CONTEXT`: a struct of a type that cannot be read. `key` is named in the message.
pub fn attribute<'a>(
    key: &str,
    field: &'a EvaluationContextFieldValue,
) -> Result<Attribute<'a>, EvaluationError> {
    Ok(match field {
        EvaluationContextFieldValue::Bool(value) => Attribute::Bool(*value),
        EvaluationContextFieldValue::Int(value) => Attribute::Int(*value),
        EvaluationContextFieldValue::Float(value) => Attribute::Float(*value),
        EvaluationContextFieldValue::String(text) => Attribute::Str(text),
        EvaluationContextFieldValue::DateTime(moment) => Attribute::DateTime(moment),
        EvaluationContextFieldValue::Struct(any) => {
            if let Some(value) = any.downcast_ref::<StructValue>() {
                Attribute::Fields(&value.fields)
            } else if let Some(value) = any.downcast_ref::<Value>() {
                Attribute::Value(value)
            } else if let Some(json) = any.downcast_ref::<serde_json::Value>() {
                Attribute::Json(json)
            } else if let Some(fields) = any.downcast_ref::<HashMap<String, Value>>() {
                Attribute::Fields(fields)
            } else {
                return Err(error::invalid_context(format!(
                    "context attribute `{key}` is a struct of a type that cannot be read; use StructValue, Value, \
                     serde_json::Value or HashMap<String, Value>"
                )));
            }
        }
    })
}

/// A moment as rules and servers see it: RFC 3339, in UTC, as OFREP and flagd's clients write it.
pub fn datetime(moment: &OffsetDateTime) -> String {
    // Only a year beyond 9999 cannot be written; it stays readable.
    moment.to_offset(time::UtcOffset::UTC).format(&Rfc3339).unwrap_or_else(|_| moment.to_string())
}

/// The context as one JSON object, the targeting key as `targetingKey`. An explicit targeting key wins over a custom
/// field of that name.
///
/// # Errors
/// `INVALID_CONTEXT`: an attribute cannot be carried by JSON; see [`attribute`].
pub fn context_to_json(
    context: &EvaluationContext,
) -> Result<serde_json::Map<String, serde_json::Value>, EvaluationError> {
    let mut object = attributes_to_json(context)?;
    if let Some(key) = &context.targeting_key {
        object.insert(TARGETING_KEY.to_owned(), key.as_str().into());
    }
    Ok(object)
}

/// The custom fields alone as one JSON object.
///
/// # Errors
/// As [`context_to_json`].
pub fn attributes_to_json(
    context: &EvaluationContext,
) -> Result<serde_json::Map<String, serde_json::Value>, EvaluationError> {
    let fields = context.custom_fields.iter();
    fields.map(|(key, field)| Ok((key.clone(), field_to_json(key, field)?))).collect()
}

fn field_to_json(
    key: &str,
    field: &EvaluationContextFieldValue,
) -> Result<serde_json::Value, EvaluationError> {
    let json = match attribute(key, field)? {
        Attribute::Bool(value) => Ok(value.into()),
        Attribute::Int(value) => Ok(value.into()),
        Attribute::Float(value) => value::number(value),
        Attribute::Str(text) => Ok(text.into()),
        Attribute::DateTime(moment) => Ok(datetime(moment).into()),
        Attribute::Fields(fields) => value::fields_to_json(fields),
        Attribute::Value(value) => value::to_json(value),
        Attribute::Json(json) => Ok(json.clone()),
    };
    json.map_err(|error: EvaluationError| {
        let why = error.message.unwrap_or_default();
        error::invalid_context(format!("context attribute `{key}`: {why}"))
    })
}
