//! Values as the scenarios write them and as JSON carries them.

use serde_json::Value;

/// The value that a scenario writes as text with its type beside it.
///
/// # Errors
/// When the text is not of the type.
pub(super) fn typed(kind: &str, text: &str) -> Result<Value, String> {
    let wrong = |e: &dyn std::fmt::Display| format!("{text:?} is no {kind}: {e}");
    match kind {
        "Boolean" => text.parse::<bool>().map(Value::from).map_err(|e| wrong(&e)),
        "Integer" => text.parse::<i64>().map(Value::from).map_err(|e| wrong(&e)),
        "Float" => text.parse::<f64>().map(Value::from).map_err(|e| wrong(&e)),
        "Object" => serde_json::from_str(text).map_err(|e| wrong(&e)),
        _ => Ok(Value::from(text)),
    }
}

/// Equality that does not tell `1` from `1.0`, at any depth.
pub fn same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => one.as_f64() == other.as_f64(),
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| same(one, other))
        }
        (Value::Object(one), Value::Object(other)) => {
            one.len() == other.len()
                && one.iter().all(|(key, value)| other.get(key).is_some_and(|other| same(value, other)))
        }
        _ => one == other,
    }
}

#[cfg(test)]
mod tests {
    use super::{same, typed};
    use serde_json::json;

    #[test]
    fn numbers_are_equal_by_value() {
        assert!(same(&json!({"a": [1, 2.5]}), &json!({"a": [1.0, 2.5]})));
        assert!(!same(&json!({"a": 1}), &json!({"a": 1, "b": 1})));
        assert!(!same(&json!("1"), &json!(1)));
    }

    #[test]
    fn text_is_read_by_its_type() {
        assert_eq!(typed("Float", "1"), Ok(json!(1.0)));
        assert_eq!(typed("String", "1"), Ok(json!("1")));
        assert!(typed("Integer", "x").is_err());
    }
}
