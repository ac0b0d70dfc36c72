//! A document like those that are served: most flags are static, some have rules.

#![allow(unreachable_pub, reason = "each test binary uses it")]

use serde_json::{Map, Value, json};

/// Of a hundred flags 60 are static, 25 have a condition and 15 several; hardly two of these are the same.
pub fn document(flags: usize, version: usize) -> String {
    let rule = |at: usize| match at % 20 {
        0..12 => None,
        12..17 => Some(
            json!({"if": [{"ends_with": [{"var": "email"}, format!("@{}.example.com", at % 500)]}, "on", "off"]}),
        ),
        _ => Some(json!({"if": [
            {"and": [{"in": [{"var": "country"}, ["DE", "FR", "US", "GB"]]}, {">=": [{"var": "age"}, at]}]}, "on",
            {"fractional": [{"cat": [{"var": "$flagd.flagKey"}, {"var": "targetingKey"}]}, ["on", at % 100], ["off", 100 - at % 100]]}
        ]})),
    };
    let flag = |at: usize| {
        let mut flag =
            json!({"state": "ENABLED", "variants": {"on": true, "off": false}, "defaultVariant": "off"});
        if let Some(rule) = rule(at) {
            flag["targeting"] = rule;
        }
        if at == 0 && version % 2 == 1 {
            flag["defaultVariant"] = json!("on");
        }
        (format!("flag-{at}"), flag)
    };
    let flags: Map<String, Value> = (0..flags).map(flag).collect();
    json!({ "flags": flags }).to_string()
}
