//! The standard flags: what every backend of the provider suite holds.

use open_feature::{StructValue, Value};
use serde_json::json;

/// The largest whole number that is exact everywhere, doubles included.
pub const LARGE: i64 = (1 << 53) - 1;
/// Text beyond ASCII.
pub const TEXT: &str = "Grüße \u{1F600}\n\"quoted\"";

/// The object flag's value.
#[must_use]
pub fn object() -> serde_json::Value {
    json!({"list": [1, "two", {"three": true}], "nested": {"share": 1.5, "empty": {}}, "text": TEXT})
}

/// The same as the SDK has it.
#[must_use]
pub fn object_value() -> StructValue {
    let three = StructValue::default().with_field("three", true);
    let list = Value::Array(vec![Value::Int(1), "two".into(), three.into()]);
    let nested = StructValue::default().with_field("share", 1.5).with_field("empty", StructValue::default());
    StructValue::default().with_field("list", list).with_field("nested", nested).with_field("text", TEXT)
}

/// All of them as a document of flagd, with `toggle` as told.
#[must_use]
pub fn document(toggle: bool) -> serde_json::Value {
    let plain = |value: serde_json::Value| json!({"state": "ENABLED", "variants": {"v": value}, "defaultVariant": "v"});
    let rule = |condition: serde_json::Value| {
        json!({"state": "ENABLED", "variants": {"yes": true, "no": false}, "defaultVariant": "no",
            "targeting": {"if": [condition, "yes", null]}})
    };
    let mut described = plain(json!(true));
    described["metadata"] = json!({"owner": "shop", "tier": 2, "share": 0.5, "beta": true});
    json!({"flags": {
        "on": plain(json!(true)),
        "off": plain(json!(false)),
        "int": plain(json!(7)),
        "negative": plain(json!(-3)),
        "large": plain(json!(LARGE)),
        "float": plain(json!(0.5)),
        "text": plain(json!(TEXT)),
        "empty": plain(json!("")),
        "object": plain(object()),
        "described": described,
        "disabled": {"state": "DISABLED", "variants": {"v": true}, "defaultVariant": "v"},
        "undecided": {"state": "ENABLED", "variants": {"v": true}},
        "by-key": rule(json!({"===": [{"var": "targetingKey"}, "ann"]})),
        "by-plan": rule(json!({"===": [{"var": "plan"}, "pro"]})),
        "by-age": rule(json!({">": [{"var": "age"}, 40]})),
        "by-nested": rule(json!({"in": ["admin", {"var": "account.roles"}]})),
        "toggle": plain(json!(toggle)),
    }})
}
