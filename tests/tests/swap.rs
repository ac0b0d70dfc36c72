//! The swap: one application, built once, asks one backend after the other for the same flags, and only its environment differs.
#![allow(clippy::unwrap_used)]

use std::any::Any;
use std::fs;

use serde_json::{Value, json};
use tests::world::{DaemonOptions, Example, HttpOrigin};

/// What the application says, wherever its flags live.
const SAID: [&str; 2] = ["ann: hello, 50 to a page, the new checkout", "bob: hello, 20 to a page"];

/// A backend with the flags, and what an operator sets to have the application use it.
struct Place {
    /// What the provider is called.
    name: &'static str,
    variables: Vec<(&'static str, String)>,
    /// What must live meanwhile.
    _backend: Box<dyn Any>,
}

fn place(name: &'static str, variables: Vec<(&'static str, String)>, backend: impl Any) -> Place {
    Place { name, variables, _backend: Box::new(backend) }
}

/// The flags as flagd has them.
fn document() -> Value {
    let pro = json!({"===": [{"var": "plan"}, "pro"]});
    json!({"flags": {
        "greeting": {"state": "ENABLED", "variants": {"plain": "hello"}, "defaultVariant": "plain"},
        "page-size": {"state": "ENABLED", "variants": {"small": 20, "large": 50}, "defaultVariant": "small",
            "targeting": {"if": [pro, "large"]}},
        "new-checkout": {"state": "ENABLED", "variants": {"on": true, "off": false}, "defaultVariant": "off",
            "targeting": {"if": [pro, "on"]}},
    }})
}

fn folder() -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("flags.json");
    fs::write(&path, document().to_string()).unwrap();
    (folder, path.display().to_string())
}

fn file() -> Place {
    let (folder, path) = folder();
    place("file", vec![("HOIST_FLAGS_PATH", path)], folder)
}

fn flagd_file() -> Place {
    let (folder, path) = folder();
    let variables = vec![
        ("HOIST_PROVIDER", "flagd".to_owned()),
        ("FLAGD_RESOLVER", "file".to_owned()),
        ("FLAGD_OFFLINE_FLAG_SOURCE_PATH", path),
    ];
    place("flagd", variables, folder)
}

/// A daemon, and one of the providers that can ask it.
fn daemon(
    name: &'static str,
    variables: impl FnOnce(tests::world::Ports) -> Vec<(&'static str, String)>,
) -> Place {
    let (folder, path) = folder();
    let daemon = DaemonOptions::new(["-f".to_owned(), format!("file:{path}")]).start();
    let mut variables = variables(daemon.ports());
    variables.push(("HOIST_PROVIDER", name.to_owned()));
    place(name, variables, (folder, daemon))
}

fn flagd_rpc() -> Place {
    daemon("flagd", |ports| {
        vec![("FLAGD_HOST", "127.0.0.1".to_owned()), ("FLAGD_PORT", ports.evaluation.to_string())]
    })
}

fn flagd_in_process() -> Place {
    daemon("flagd", |ports| {
        let resolver = ("FLAGD_RESOLVER", "in-process".to_owned());
        vec![resolver, ("FLAGD_HOST", "127.0.0.1".to_owned()), ("FLAGD_SYNC_PORT", ports.sync.to_string())]
    })
}

fn ofrep() -> Place {
    daemon("ofrep", |ports| vec![("OFREP_ENDPOINT", format!("http://127.0.0.1:{}", ports.ofrep))])
}

/// The same flags as Unleash's client API gives them.
fn unleash() -> Place {
    let pro = |inverted: bool| json!([{"contextName": "plan", "operator": "IN", "values": ["pro"], "inverted": inverted}]);
    let varied = |kind: &str, value: &str, constraints: Value| {
        let variant = json!({"name": value, "weight": 1000, "payload": {"type": kind, "value": value}});
        json!({"name": "default", "constraints": constraints, "variants": [variant]})
    };
    let flag =
        |name: &str, strategies: Value| json!({"name": name, "enabled": true, "strategies": strategies});
    let document = json!({"version": 2, "features": [
        flag("greeting", json!([varied("string", "hello", json!([]))])),
        flag("page-size", json!([varied("number", "50", pro(false)), varied("number", "20", pro(true))])),
        flag("new-checkout", json!([{"name": "default", "constraints": pro(false)}])),
    ]});
    let server = HttpOrigin::start(&document.to_string());
    let variables = vec![
        ("HOIST_PROVIDER", "unleash".to_owned()),
        ("UNLEASH_URL", format!("{}/api", server.base())),
        ("UNLEASH_API_TOKEN", "default:development.any".to_owned()),
        ("UNLEASH_DISABLE_METRICS", "true".to_owned()),
    ];
    place("unleash", variables, server)
}

/// The same flags as Flagsmith's environment documents give them.
fn flagsmith() -> Place {
    let state = |id: u32, name: &str, enabled: bool, value: Value, segment: Value| {
        json!({"feature": {"id": id, "name": name, "type": "STANDARD"}, "enabled": enabled, "feature_state_value": value,
            "django_id": id, "feature_segment": segment, "multivariate_feature_state_values": []})
    };
    let of_pro = json!({"priority": 0});
    let pro = json!({"id": 1, "name": "pro",
        "rules": [{"type": "ALL", "conditions": [{"operator": "EQUAL", "property_": "plan", "value": "pro"}], "rules": []}],
        "feature_states": [state(12, "page-size", true, json!(50), of_pro.clone()),
            state(13, "new-checkout", true, Value::Null, of_pro)]});
    let document = json!({"id": 1, "api_key": "ser.any", "name": "test", "identity_overrides": [],
        "project": {"id": 1, "name": "shop", "segments": [pro]},
        "feature_states": [state(1, "greeting", true, json!("hello"), Value::Null),
            state(2, "page-size", true, json!(20), Value::Null),
            state(3, "new-checkout", false, Value::Null, Value::Null)]});
    let server = HttpOrigin::start(&document.to_string());
    let variables = vec![
        ("HOIST_PROVIDER", "flagsmith".to_owned()),
        ("FLAGSMITH_API_URL", format!("{}/api/v1/", server.base())),
        ("FLAGSMITH_ENVIRONMENT_KEY", "ser.any".to_owned()),
    ];
    place("flagsmith", variables, server)
}

/// The same flags as Flipt's snapshots give them.
fn flipt() -> Place {
    let constraint = json!({"type": "STRING_CONSTRAINT_COMPARISON_TYPE", "property": "plan", "operator": "eq", "value": "pro"});
    let pro = json!({"key": "pro", "matchType": "ALL_SEGMENT_MATCH_TYPE", "constraints": [constraint]});
    let variant = |key: &str, value: Value| json!({"key": key, "attachment": value.to_string()});
    let large = json!({"variantKey": "large", "variantAttachment": "50", "rollout": 100});
    let flag = |key: &str, default: Value, rules: Value| json!({"key": key, "type": "VARIANT_FLAG_TYPE", "enabled": true, "defaultVariant": default, "rules": rules});
    let rule = json!({"rank": 1, "segments": [pro], "distributions": [large]});
    let document = json!({"digest": "1", "namespace": {"key": "default"}, "flags": [
        flag("greeting", variant("plain", json!("hello")), json!([])),
        flag("page-size", variant("small", json!(20)), json!([rule])),
        {"key": "new-checkout", "type": "BOOLEAN_FLAG_TYPE", "enabled": false,
            "rollouts": [{"rank": 1, "segment": {"value": true, "segments": [pro]}}]},
    ]});
    let server = HttpOrigin::start(&document.to_string());
    let variables = vec![
        ("HOIST_PROVIDER", "flipt".to_owned()),
        ("FLIPT_URL", server.base()),
        ("FLIPT_VALUES", "attachment".to_owned()),
        ("FLIPT_STREAMING", "false".to_owned()),
    ];
    place("flipt", variables, server)
}

#[test]
fn the_same_application_says_the_same_whatever_the_backend() {
    let elsewhere = tempfile::tempdir().unwrap();
    for start in [unleash, flagsmith, flipt, file, flagd_file, flagd_rpc, flagd_in_process, ofrep] {
        let place = start();
        let variables: Vec<(&str, &str)> =
            place.variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let said = Example::start("from_env", elsewhere.path(), &[], &variables).end();
        let (first, rest) = said.split_first().unwrap();
        assert_eq!(*first, format!("flags come from {}", place.name));
        assert_eq!(rest, SAID, "{}", place.name);
        println!("{}: {rest:?}", place.name);
    }
}
