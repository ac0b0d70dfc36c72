//! The context of the five rules as the SDK has it.

use open_feature::EvaluationContext;
use serde_json::Value;

/// The fields of `json`, `targetingKey` in its own place.
pub(crate) fn context(json: &Value) -> EvaluationContext {
    let mut context = EvaluationContext::default();
    for (name, value) in json.as_object().into_iter().flatten() {
        context = match value {
            Value::String(text) if name == "targetingKey" => context.with_targeting_key(text.as_str()),
            Value::String(text) => context.with_custom_field(name, text.as_str()),
            Value::Bool(truth) => context.with_custom_field(name, *truth),
            other => context.with_custom_field(name, other.as_i64().unwrap_or_default()),
        };
    }
    context
}
