//! Providers by configuration.
#![allow(clippy::unwrap_used)]

#[path = "../../../store/tests/server/mod.rs"]
mod server;

use std::time::Duration;

use hoist::kit::{State, Type};
use hoist::{PROVIDERS, from_config, from_variables};
use open_feature::{EvaluationContext, EvaluationErrorCode, Value};
use serde_json::json;
use server::Server;

const SOON: Duration = Duration::from_secs(5);

async fn ask(
    provider: &hoist::Provider,
    key: &str,
    want: Type,
) -> Result<Option<Value>, EvaluationErrorCode> {
    let answer = provider.resolve(key, want, &EvaluationContext::default()).await;
    answer.map(|answer| answer.value).map_err(|error| error.code)
}

#[tokio::test]
async fn a_name_picks_a_provider() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("flags.yaml");
    std::fs::write(&path, "flags: {a: {state: ENABLED, variants: {x: 1}, defaultVariant: x}}").unwrap();
    let path = path.to_str().unwrap();
    for (provider, name) in
        [("file", "file"), ("File", "file"), ("in_memory", "in-memory"), ("in-memory", "in-memory")]
    {
        let section = json!({"provider": provider, "HOIST_FLAGS_PATH": path, "HOIST_IN_MEMORY_FLAGS": {"a": 1, "o": {"b": []}}});
        let provider = from_config(&section).unwrap();
        provider.ready(SOON).await.unwrap();
        assert_eq!(provider.name(), name);
        assert_eq!(ask(&provider, "a", Type::Int).await, Ok(Some(Value::Int(1))), "{name}");
    }
    let features = folder.path().join("features.yaml");
    std::fs::write(&features, "flags: [{key: a, type: BOOLEAN_FLAG_TYPE, enabled: true}]").unwrap();
    let provider = from_config(&json!({"provider": "flipt", "FLIPT_FEATURES": features.to_str()})).unwrap();
    provider.ready(SOON).await.unwrap();
    assert_eq!(ask(&provider, "a", Type::Bool).await, Ok(Some(Value::Bool(true))));
    let provider = from_config(&json!({"provider": "env-var"})).unwrap();
    assert!(matches!(ask(&provider, "path", Type::String).await, Ok(Some(Value::String(_)))));
}

/// A provider of one flag, `limit`, whose value is 10.
async fn limited_to_ten(section: serde_json::Value, name: &str) {
    let provider = from_config(&section).unwrap();
    provider.ready(SOON).await.unwrap();
    assert_eq!(provider.name(), name);
    assert_eq!(ask(&provider, "limit", Type::Int).await, Ok(Some(Value::Int(10))), "{name}");
}

#[tokio::test]
async fn flagd_is_reached_by_its_own_variables() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("flags.yaml");
    std::fs::write(&path, "flags: {limit: {state: ENABLED, variants: {low: 10}, defaultVariant: low}}")
        .unwrap();
    let section =
        json!({"provider": "flagd", "FLAGD_RESOLVER": "file", "FLAGD_OFFLINE_FLAG_SOURCE_PATH": path});
    limited_to_ten(section, "flagd").await;
}

#[tokio::test]
async fn ofrep_is_reached_by_its_own_variables() {
    let server = Server::start(false).await;
    let answer = json!({"key": "limit", "value": 10, "reason": "STATIC", "variant": "low"});
    server.script().document = Some(answer.to_string());
    let section =
        json!({"provider": "ofrep", "OFREP_ENDPOINT": server.url(""), "OFREP_HEADERS": "x-team=shop"});
    limited_to_ten(section, "ofrep").await;
    let script = server.script();
    let (head, _) = script.seen.last().unwrap();
    assert_eq!(head.uri.path(), "/ofrep/v1/evaluate/flags/limit");
    assert_eq!(head.headers["x-team"], "shop");
}

#[tokio::test]
async fn unleash_is_reached_by_its_own_variables() {
    let server = Server::start(false).await;
    let variant = json!({"name": "low", "weight": 1000, "payload": {"type": "number", "value": "10"}});
    let strategy = json!({"name": "default", "variants": [variant]});
    let document =
        json!({"version": 2, "features": [{"name": "limit", "enabled": true, "strategies": [strategy]}]});
    server.script().document = Some(document.to_string());
    let section = json!({"provider": "unleash", "UNLEASH_URL": server.url("/api"),
        "UNLEASH_API_TOKEN": "default:development.s3cret", "UNLEASH_DISABLE_METRICS": true});
    limited_to_ten(section, "unleash").await;
    let script = server.script();
    let (head, _) = script.seen.first().unwrap();
    assert_eq!(head.uri.path(), "/api/client/features");
    assert_eq!(head.headers["authorization"], "default:development.s3cret");
}

#[tokio::test]
async fn unset_is_the_file_and_a_missing_file_is_no_error() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("flags.json");
    let at = path.to_str().unwrap().to_owned();
    let provider = from_variables(|name| (name == "HOIST_FLAGS_PATH").then(|| at.clone())).unwrap();
    let why = provider.ready(Duration::from_millis(200)).await.unwrap_err();
    assert_ne!(why.state, State::Ready);
    assert_eq!(ask(&provider, "a", Type::Bool).await, Err(EvaluationErrorCode::ProviderNotReady));
    let document =
        json!({"flags": {"a": {"state": "ENABLED", "variants": {"on": true}, "defaultVariant": "on"}}});
    std::fs::write(&path, document.to_string()).unwrap();
    provider.ready(Duration::from_secs(20)).await.unwrap();
    assert_eq!(ask(&provider, "a", Type::Bool).await, Ok(Some(Value::Bool(true))));
}

#[tokio::test]
async fn several_are_asked_in_turn_and_a_shadow_behind_their_back() {
    let section = json!({"provider": "env-var, in-memory", "HOIST_IN_MEMORY_FLAGS": {"only-here": 7}});
    let provider = from_config(&section).unwrap();
    assert_eq!(provider.name(), "multi");
    assert_eq!(ask(&provider, "only-here", Type::Int).await, Ok(Some(Value::Int(7))));
    assert!(ask(&provider, "path", Type::String).await.is_ok());

    let section =
        json!({"provider": "in-memory", "shadow": "env-var", "HOIST_IN_MEMORY_FLAGS": {"path": "mine"}});
    let provider = from_config(&section).unwrap();
    assert_eq!(ask(&provider, "path", Type::String).await, Ok(Some(Value::String("mine".to_owned()))));
}

#[tokio::test]
async fn errors_say_what_there_is() {
    let wrong = |section: serde_json::Value| from_config(&section).unwrap_err().to_string();
    let unknown = wrong(json!({"provider": "launch-brightly"}));
    for choice in PROVIDERS {
        assert!(unknown.contains(choice.name), "{unknown}");
    }
    let listed = "provider in-memory: HOIST_IN_MEMORY_FLAGS: ";
    assert!(wrong(json!({"provider": "in-memory", "HOIST_IN_MEMORY_FLAGS": "{"})).starts_with(listed));
    let address = wrong(json!({"provider": "unleash", "UNLEASH_URL": "flags.test"}));
    assert_eq!(address, "provider unleash: unleash: the url must begin with http:// or https://");
    let naming = wrong(json!({"provider": "env-var", "HOIST_ENV_VAR_NAMING": "x"}));
    assert_eq!(naming, "provider env-var: HOIST_ENV_VAR_NAMING=\"x\": use one of upper-snake, as-is");
    assert_eq!(wrong(json!("file")), "the configuration of the provider: it must be a table of settings");
    assert!(wrong(json!({"provider": "file,file"})).contains("two providers are named \"file\""));
}
