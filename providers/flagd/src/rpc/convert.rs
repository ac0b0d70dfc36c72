//! Where protobuf meets the SDK: contexts out, answers in.

use std::collections::HashMap;

use kit::{Answer, Attribute, TARGETING_KEY, attribute, datetime, error, of_double};
use open_feature::{EvaluationContext, EvaluationError, EvaluationReason, FlagMetadata, StructValue, Value};
use prost::Message;
use prost::bytes::Bytes;
use proto::flagd::evaluation::v2::{
    EventStreamResponse, ResolveBooleanResponse, ResolveFloatResponse, ResolveIntResponse,
    ResolveObjectResponse, ResolveStringResponse,
};
use proto::{Kind, ListValue, Struct};

/// How deep a value may be nested.
const DEPTH: usize = 100;

/// An answer of any type, taken apart.
pub(super) struct Parts {
    value: Option<Asked>,
    reason: String,
    variant: Option<String>,
    metadata: Option<Struct>,
}

/// A value, of the type that was asked for.
enum Asked {
    Bool(bool),
    Int(i64),
    Float(f64),
    String(String),
    Object(Struct),
}

macro_rules! parts {
    ($($response:ident: $kind:ident),*) => {$(
        impl From<$response> for Parts {
            fn from($response { value, reason, variant, metadata }: $response) -> Self {
                Self { value: value.map(Asked::$kind), reason, variant, metadata }
            }
        }
    )*};
}

parts! {
    ResolveBooleanResponse: Bool,
    ResolveIntResponse: Int,
    ResolveFloatResponse: Float,
    ResolveStringResponse: String,
    ResolveObjectResponse: Object
}

/// The answer as the kit has it.
///
/// # Errors
/// A value that the SDK cannot carry.
pub(super) fn answer(parts: Parts) -> Result<Answer, EvaluationError> {
    let value = parts.value.map(|asked| match asked {
        Asked::Bool(value) => Ok(Value::Bool(value)),
        Asked::Int(value) => Ok(Value::Int(value)),
        Asked::Float(value) => Ok(Value::Float(value)),
        Asked::String(text) => Ok(Value::String(text)),
        Asked::Object(object) => value(Kind::StructValue(object), DEPTH),
    });
    Ok(Answer {
        value: value.transpose()?,
        variant: parts.variant,
        reason: reason(parts.reason),
        metadata: parts.metadata.map(metadata).unwrap_or_default(),
    })
}

fn reason(word: String) -> EvaluationReason {
    match word.as_str() {
        "STATIC" => EvaluationReason::Static,
        "TARGETING_MATCH" => EvaluationReason::TargetingMatch,
        "DEFAULT" => EvaluationReason::Default,
        "DISABLED" => EvaluationReason::Disabled,
        "SPLIT" => EvaluationReason::Split,
        "CACHED" => EvaluationReason::Cached,
        "ERROR" => EvaluationReason::Error,
        "UNKNOWN" | "" => EvaluationReason::Unknown,
        _ => EvaluationReason::Other(word),
    }
}

fn value(kind: Kind, depth: usize) -> Result<Value, EvaluationError> {
    let Some(depth) = depth.checked_sub(1) else {
        return Err(error::unfit(format!("the value is nested deeper than {DEPTH} levels")));
    };
    Ok(match kind {
        Kind::NullValue(_) => {
            return Err(error::unfit("the value holds a null that is no member of an object"));
        }
        Kind::BoolValue(value) => Value::Bool(value),
        Kind::NumberValue(value) => of_double(value),
        Kind::StringValue(text) => Value::String(text),
        Kind::ListValue(list) => {
            let items = list.values.into_iter().map(|item| match item.kind {
                Some(kind) => value(kind, depth),
                None => value(Kind::NullValue(0), depth),
            });
            Value::Array(items.collect::<Result<_, _>>()?)
        }
        Kind::StructValue(object) => {
            let mut fields = HashMap::with_capacity(object.fields.len());
            for (key, member) in object.fields {
                match member.kind {
                    // The SDK has no null: such a member is left out, as the kit does with JSON.
                    None | Some(Kind::NullValue(_)) => {}
                    Some(kind) => drop(fields.insert(key, value(kind, depth)?)),
                }
            }
            Value::Struct(StructValue { fields })
        }
    })
}

fn metadata(object: Struct) -> FlagMetadata {
    let mut metadata = FlagMetadata::default();
    for (key, member) in object.fields {
        match member.kind {
            Some(Kind::BoolValue(value)) => metadata.add_value(key, value),
            Some(Kind::StringValue(text)) => metadata.add_value(key, text),
            Some(Kind::NumberValue(value)) => match of_double(value) {
                Value::Int(whole) => metadata.add_value(key, whole),
                _ => metadata.add_value(key, value),
            },
            // The SDK has no place for the others.
            Some(Kind::NullValue(_) | Kind::ListValue(_) | Kind::StructValue(_)) | None => {}
        }
    }
    metadata
}

/// The flags that a change is about; `None` if it does not say.
pub(super) fn changed(event: EventStreamResponse) -> Option<Vec<String>> {
    let flags = event.data?.fields.remove("flags")?;
    match flags.kind? {
        Kind::StructValue(flags) => {
            let mut keys: Vec<_> = flags.fields.into_keys().collect();
            keys.sort_unstable();
            Some(keys)
        }
        _ => None,
    }
}

/// A context as an encoded `google.protobuf.Struct`.
///
/// # Errors
/// `INVALID_CONTEXT`: a struct of a type that cannot be read.
pub(super) fn encode(context: &EvaluationContext) -> Result<Bytes, EvaluationError> {
    let mut fields = HashMap::with_capacity(context.custom_fields.len() + 1);
    for (key, field) in &context.custom_fields {
        let kind = match attribute(key, field)? {
            Attribute::Bool(value) => Kind::BoolValue(value),
            Attribute::Int(value) => Kind::NumberValue(value as f64),
            Attribute::Float(value) => Kind::NumberValue(value),
            Attribute::Str(text) => Kind::StringValue(text.to_owned()),
            Attribute::DateTime(moment) => Kind::StringValue(datetime(moment)),
            Attribute::Fields(fields) => structure(fields),
            Attribute::Value(value) => from_value(value),
            Attribute::Json(json) => from_json(json),
        };
        fields.insert(key.clone(), of(kind));
    }
    if let Some(key) = &context.targeting_key {
        fields.insert(TARGETING_KEY.to_owned(), of(Kind::StringValue(key.clone())));
    }
    Ok(Struct { fields }.encode_to_vec().into())
}

fn of(kind: Kind) -> proto::Value {
    proto::Value { kind: Some(kind) }
}

fn structure(fields: &HashMap<String, Value>) -> Kind {
    let fields = fields.iter().map(|(key, value)| (key.clone(), of(from_value(value))));
    Kind::StructValue(Struct { fields: fields.collect() })
}

fn from_value(value: &Value) -> Kind {
    match value {
        Value::Bool(value) => Kind::BoolValue(*value),
        Value::Int(value) => Kind::NumberValue(*value as f64),
        Value::Float(value) => Kind::NumberValue(*value),
        Value::String(text) => Kind::StringValue(text.clone()),
        Value::Array(items) => {
            Kind::ListValue(ListValue { values: items.iter().map(|item| of(from_value(item))).collect() })
        }
        Value::Struct(object) => structure(&object.fields),
    }
}

fn from_json(json: &serde_json::Value) -> Kind {
    match json {
        serde_json::Value::Null => Kind::NullValue(0),
        serde_json::Value::Bool(value) => Kind::BoolValue(*value),
        serde_json::Value::Number(number) => Kind::NumberValue(number.as_f64().unwrap_or(f64::NAN)),
        serde_json::Value::String(text) => Kind::StringValue(text.clone()),
        serde_json::Value::Array(items) => {
            Kind::ListValue(ListValue { values: items.iter().map(|item| of(from_json(item))).collect() })
        }
        serde_json::Value::Object(members) => Kind::StructValue(Struct {
            fields: members.iter().map(|(key, member)| (key.clone(), of(from_json(member)))).collect(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nested_values_go_out_and_come_back_as_they_are() {
        let inner = StructValue::default().with_field("n", 3_i64).with_field("f", 2.5_f64);
        let list = Value::Array(vec![Value::Bool(true), Value::String("x".to_owned()), Value::Int(-7)]);
        let outer = StructValue::default().with_field("inner", inner).with_field("list", list);
        let Kind::StructValue(sent) = from_value(&Value::Struct(outer.clone())) else { panic!("a struct") };
        let received = Struct::decode(sent.encode_to_vec().as_slice()).expect("protobuf");
        assert_eq!(value(Kind::StructValue(received), DEPTH), Ok(Value::Struct(outer)));
    }

    #[test]
    fn a_context_is_a_struct_with_its_targeting_key() {
        let context = EvaluationContext::default()
            .with_targeting_key("me")
            .with_custom_field("targetingKey", "not me")
            .with_custom_field("age", 3);
        let sent = Struct::decode(encode(&context).expect("encoded")).expect("protobuf");
        let mut keys: Vec<_> = sent.fields.keys().map(String::as_str).collect();
        keys.sort_unstable();
        assert_eq!(keys, ["age", "targetingKey"]);
        assert_eq!(sent.fields["targetingKey"].kind, Some(Kind::StringValue("me".to_owned())));
        assert_eq!(sent.fields["age"].kind, Some(Kind::NumberValue(3.0)));
    }
}
