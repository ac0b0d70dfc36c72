//! Attributes for servers that take text alone.

use serde_json::Value;

/// Text as it is, everything else as JSON writes it, null as nothing.
pub(super) fn as_text(value: Value) -> Value {
    match value {
        Value::String(text) => Value::String(text),
        Value::Null => Value::String(String::new()),
        other => Value::String(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_kind_has_a_text() {
        for (value, text) in [
            (json!("a"), "a"),
            (json!(true), "true"),
            (json!(-3), "-3"),
            (json!(0.1), "0.1"),
            (json!([1]), "[1]"),
        ] {
            assert_eq!(as_text(value), json!(text));
        }
    }
}
