//! The five rules of every benchmark, and the context they are asked over.

use serde_json::{Value, json};

/// R1 static; R2 a suffix; R3 five lists of ten, the last one matching; R4 a version; R5 four shares by a joined key.
pub(crate) fn rules() -> [(&'static str, Option<Value>); 5] {
    let lists: Vec<Value> = (0..5)
        .flat_map(|list| {
            let entries: Vec<String> = (0..10)
                .map(|at| {
                    if list == 4 && at == 9 {
                        "DE".to_owned()
                    } else {
                        format!("{}{at}", ["A", "B", "C", "D", "E"][list])
                    }
                })
                .collect();
            [json!({"in": [{"var": "country"}, entries]}), json!("on")]
        })
        .chain([json!("off")])
        .collect();
    [
        ("R1", None),
        ("R2", Some(json!({"if": [{"ends_with": [{"var": "email"}, "@example.com"]}, "on", "off"]}))),
        ("R3", Some(json!({ "if": lists }))),
        ("R4", Some(json!({"if": [{"sem_ver": [{"var": "version"}, ">=", "1.2.0"]}, "on", "off"]}))),
        (
            "R5",
            Some(json!({"fractional": [{"cat": [{"var": "$flagd.flagKey"}, {"var": "email"}]},
                ["on", 25], ["off", 25], ["red", 25], ["blue", 25]]})),
        ),
    ]
}

/// Ten attributes.
pub(crate) fn context() -> Value {
    json!({"targetingKey": "user-4711", "email": "jane.doe@example.com", "country": "DE", "plan": "enterprise",
        "version": "1.4.2", "age": 42, "beta": true, "region": "eu-central-1", "device": "ios", "session": "a1b2c3d4e5"})
}

/// A document of `others` flags beside the five.
pub(crate) fn document(others: usize) -> String {
    let variants = json!({"on": true, "off": false, "red": true, "blue": false});
    let mut flags = serde_json::Map::new();
    for at in 0..others {
        let flag = json!({"state": "ENABLED", "variants": variants, "defaultVariant": "off"});
        flags.insert(format!("other-flag-{at}"), flag);
    }
    for (name, rule) in rules() {
        let mut flag = json!({"state": "ENABLED", "variants": variants, "defaultVariant": "off"});
        if let Some(rule) = rule {
            flag["targeting"] = rule;
        }
        flags.insert(name.to_owned(), flag);
    }
    json!({ "flags": flags }).to_string()
}
