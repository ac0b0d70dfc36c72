//! Providers by configuration.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use hoist::kit::{State, Type};
use hoist::{PROVIDERS, from_config, from_variables};
use open_feature::{EvaluationContext, EvaluationErrorCode, Value};
use serde_json::json;

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
    let provider = from_config(&json!({"provider": "env-var"})).unwrap();
    assert!(matches!(ask(&provider, "path", Type::String).await, Ok(Some(Value::String(_)))));
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
    let naming = wrong(json!({"provider": "env-var", "HOIST_ENV_VAR_NAMING": "x"}));
    assert_eq!(naming, "provider env-var: HOIST_ENV_VAR_NAMING=\"x\": use one of upper-snake, as-is");
    assert_eq!(wrong(json!("file")), "the configuration of the provider: it must be a table of settings");
    assert!(wrong(json!({"provider": "file,file"})).contains("two providers are named \"file\""));
}
