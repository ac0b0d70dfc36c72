//! Lays an evaluation context for the engine. Text stays where it is; only spines go to the arena.

use std::collections::HashMap;

use bumpalo::collections::Vec;
use engine::{Bump, Value};
use kit::{Attribute, TARGETING_KEY};
use open_feature::{EvaluationContext, EvaluationError};

/// The attributes of `context`, the targeting key last, so that it wins over a custom field of its name.
///
/// # Errors
/// `INVALID_CONTEXT`: a custom field cannot be read, see [`kit::attribute`].
pub(crate) fn lay<'a>(
    context: &'a EvaluationContext,
    bump: &'a Bump,
) -> Result<&'a [(&'a str, Value<'a>)], EvaluationError> {
    let mut attributes = Vec::with_capacity_in(context.custom_fields.len() + 1, bump);
    for (key, field) in &context.custom_fields {
        attributes.push((key.as_str(), value_of(kit::attribute(key, field)?, bump)));
    }
    if let Some(key) = &context.targeting_key {
        attributes.push((TARGETING_KEY, Value::Str(key)));
    }
    Ok(attributes.into_bump_slice())
}

// Rules know one kind of number, the double, as flagd's do (contract 3.8); what is beyond 2^53 loses its last digits there.
fn value_of<'a>(attribute: Attribute<'a>, bump: &'a Bump) -> Value<'a> {
    match attribute {
        Attribute::Bool(value) => Value::Bool(value),
        Attribute::Int(value) => Value::Num(value as f64),
        Attribute::Float(value) => Value::Num(value),
        Attribute::Str(text) => Value::Str(text),
        Attribute::DateTime(moment) => Value::Str(bump.alloc_str(&kit::datetime(moment))),
        Attribute::Fields(fields) => map(fields, bump),
        Attribute::Value(value) => nested(value, bump),
        Attribute::Json(json) => Value::from_json(json, bump),
    }
}

fn nested<'a>(value: &'a open_feature::Value, bump: &'a Bump) -> Value<'a> {
    use open_feature::Value as Sdk;
    match value {
        Sdk::Bool(value) => Value::Bool(*value),
        Sdk::Int(value) => Value::Num(*value as f64),
        Sdk::Float(value) => Value::Num(*value),
        Sdk::String(text) => Value::Str(text),
        Sdk::Array(items) => {
            Value::List(bump.alloc_slice_fill_iter(items.iter().map(|item| nested(item, bump))))
        }
        Sdk::Struct(value) => map(&value.fields, bump),
    }
}

fn map<'a>(fields: &'a HashMap<String, open_feature::Value>, bump: &'a Bump) -> Value<'a> {
    Value::Map(
        bump.alloc_slice_fill_iter(fields.iter().map(|(key, value)| (key.as_str(), nested(value, bump)))),
    )
}
