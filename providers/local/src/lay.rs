//! Shows an evaluation context to the engine. Text stays where it is; only spines go to the arena.

use std::collections::HashMap;

use bumpalo::collections::Vec;
use engine::{Attributes, Bump, Context, Value};
use kit::{Attribute, TARGETING_KEY};
use open_feature::{EvaluationContext, EvaluationContextFieldValue as Field, EvaluationError};

/// `context` for a flag that looks up so many attributes at most: left where it is if those are few and nothing in it needs
/// the arena, laid out otherwise.
///
/// # Errors
/// As [`lay`].
pub(crate) fn show<'a>(
    context: &'a EvaluationContext,
    reads: usize,
    bump: &'a Bump,
) -> Result<Context<'a>, EvaluationError> {
    let fields = &context.custom_fields;
    if reads == 0 {
        return Ok(Context::default());
    }
    if reads <= fields.len() && fields.values().all(|field| scalar(field).is_some()) {
        return Ok(Context::kept(bump.alloc(Kept(context))));
    }
    lay(context, bump).map(Context::new)
}

/// An evaluation context whose custom fields are all scalars.
#[derive(Debug)]
struct Kept<'c>(&'c EvaluationContext);

impl Attributes for Kept<'_> {
    fn get(&self, key: &str) -> Option<Value<'_>> {
        match &self.0.targeting_key {
            Some(user) if key == TARGETING_KEY => Some(Value::Str(user)),
            _ => look_up(&self.0.custom_fields, key).and_then(scalar),
        }
    }

    fn len(&self) -> usize {
        self.0.custom_fields.len() + 1
    }

    fn visit<'s>(&'s self, visit: &mut dyn FnMut(&'s str, Value<'s>)) {
        for (key, field) in &self.0.custom_fields {
            if let Some(value) = scalar(field) {
                visit(key, value);
            }
        }
        if let Some(user) = &self.0.targeting_key {
            visit(TARGETING_KEY, Value::Str(user));
        }
    }
}

/// Up to this many fields are gone through, which takes less than hashing a key as the SDK's map does it.
const FEW: usize = 16;

#[inline]
fn look_up<'c>(fields: &'c HashMap<String, Field>, key: &str) -> Option<&'c Field> {
    if fields.len() > FEW {
        return fields.get(key);
    }
    fields.iter().find(|(name, _)| *name == key).map(|(_, field)| field)
}

/// A field that needs no room of its own.
#[inline]
fn scalar(field: &Field) -> Option<Value<'_>> {
    match field {
        Field::Bool(value) => Some(Value::Bool(*value)),
        Field::Int(value) => Some(Value::Num(*value as f64)),
        Field::Float(value) => Some(Value::Num(*value)),
        Field::String(text) => Some(Value::Str(text)),
        Field::DateTime(_) | Field::Struct(_) => None,
    }
}

/// The attributes of `context`, the targeting key last, so that it wins over a custom field of its name.
///
/// # Errors
/// `INVALID_CONTEXT`: a custom field cannot be read, see [`kit::attribute`].
fn lay<'a>(
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
