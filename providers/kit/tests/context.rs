//! Contexts as JSON, and providers whose kind was forgotten.
#![allow(clippy::unwrap_used)]

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use hoist_provider_kit::{
    Answer, Emitter, Provider, Resolver, Task, Type, attributes_to_json, context_to_json, error,
};
use open_feature::provider::{FeatureProvider, NoOpProvider};
use open_feature::{
    EvaluationContext, EvaluationContextFieldValue, EvaluationError, EvaluationErrorCode, OpenFeature,
    StructValue, Value,
};
use serde_json::json;
use time::OffsetDateTime;

fn nested(value: impl std::any::Any + Send + Sync) -> EvaluationContextFieldValue {
    EvaluationContextFieldValue::new_struct(value)
}

#[test]
fn every_kind_of_attribute_becomes_json() {
    let account = StructValue::default()
        .with_field("roles", vec!["a", "b"])
        .with_field("deep", StructValue::default().with_field("n", 1.5));
    let moment = OffsetDateTime::from_unix_timestamp(1_709_202_600).unwrap();
    let offset = time::UtcOffset::from_hms(2, 0, 0).unwrap();
    let context = EvaluationContext::default()
        .with_targeting_key("ann")
        .with_custom_field("targetingKey", "bob")
        .with_custom_field("beta", true)
        .with_custom_field("age", 9_007_199_254_740_993_i64)
        .with_custom_field("score", 0.5)
        .with_custom_field("since", moment.to_offset(offset))
        .with_custom_field("account", nested(account))
        .with_custom_field("list", nested(Value::from(vec![1, 2])))
        .with_custom_field("json", nested(json!({"null": null})))
        .with_custom_field("map", nested(HashMap::from([("k".to_owned(), Value::from("v"))])));
    let attributes = json!({
        "targetingKey": "bob", "beta": true, "age": 9_007_199_254_740_993_i64, "score": 0.5,
        "since": "2024-02-29T10:30:00Z", "account": {"roles": ["a", "b"], "deep": {"n": 1.5}}, "list": [1, 2],
        "json": {"null": null}, "map": {"k": "v"},
    });
    assert_eq!(serde_json::Value::Object(attributes_to_json(&context).unwrap()), attributes);
    let mut whole = attributes;
    whole["targetingKey"] = "ann".into();
    assert_eq!(serde_json::Value::Object(context_to_json(&context).unwrap()), whole);
}

#[test]
fn what_json_cannot_carry_is_named() {
    struct Opaque;
    for (field, why) in [
        (nested(Opaque), "context attribute `x` is a struct of a type that cannot be read"),
        (f64::NAN.into(), "context attribute `x`: NaN is a float that JSON cannot carry"),
    ] {
        let context = EvaluationContext::default().with_custom_field("x", field);
        let error = context_to_json(&context).unwrap_err();
        assert_eq!(error.code, EvaluationErrorCode::InvalidContext);
        assert!(error.message.as_deref().unwrap().starts_with(why), "{error:?}");
    }
}

/// Says how it was started, and holds a task that tells when it ends.
struct Named {
    events: Emitter,
    told: AtomicBool,
    _work: Task,
}

struct TellsEnd(tokio::sync::mpsc::Sender<()>);

impl Drop for TellsEnd {
    fn drop(&mut self) {
        let _ = self.0.try_send(());
    }
}

impl Resolver for Named {
    const NAME: &'static str = "named";

    async fn resolve(&self, key: &str, _: Type, _: &EvaluationContext) -> Result<Answer, EvaluationError> {
        match key {
            "told" => Ok(Answer::new(self.told.load(Ordering::SeqCst))),
            _ => Err(error::not_found(key)),
        }
    }

    fn events(&self) -> &Emitter {
        &self.events
    }

    fn initialize(&self, context: &EvaluationContext) {
        self.told.store(context.targeting_key.as_deref() == Some("host"), Ordering::SeqCst);
    }
}

#[tokio::test]
async fn a_provider_whose_kind_is_forgotten_is_the_same_provider() {
    let (sender, mut ended) = tokio::sync::mpsc::channel(1);
    let guard = TellsEnd(sender);
    let work = Task::spawn(async move {
        let _guard = guard;
        std::future::pending::<()>().await;
    })
    .unwrap();
    let events = Emitter::new("named");
    let provider = Provider::new(Named { events: events.clone(), told: AtomicBool::new(false), _work: work });
    let before = provider.handle();
    let provider = provider.erase();
    assert_eq!(FeatureProvider::metadata(&provider).name, "named");
    let early = provider.resolve("told", Type::Bool, &EvaluationContext::default()).await.unwrap_err();
    assert_eq!(early.code, EvaluationErrorCode::ProviderNotReady);
    events.became_ready();

    let mut provider = provider;
    let host = EvaluationContext::default().with_targeting_key("host");
    FeatureProvider::initialize(&mut provider, &host).await;
    let told = provider.resolve("told", Type::Bool, &EvaluationContext::default()).await;
    assert_eq!(told.map(|answer| answer.value), Ok(Some(Value::Bool(true))));

    let mut api = OpenFeature::default();
    api.set_provider(provider).await;
    let client = api.create_client();
    assert_eq!(
        client.get_bool_value("told", None, None).await,
        Ok(false),
        "the SDK has an empty context for it"
    );
    api.shutdown().await;
    let ended = tokio::time::timeout(Duration::from_secs(10), ended.recv()).await;
    assert_eq!(ended, Ok(Some(())), "its background work ends with it");
    let late = before.resolve("told", Type::Bool, &EvaluationContext::default()).await.unwrap_err();
    assert_eq!(late.message.as_deref(), Some("provider named is shut down"));
}

#[tokio::test]
async fn a_provider_of_others_is_initialized_and_asked() {
    let foreign = Provider::foreign(NoOpProvider::default(), &EvaluationContext::default()).await;
    assert_eq!(foreign.name(), FeatureProvider::metadata(&NoOpProvider::default()).name);
    foreign.ready(Duration::ZERO).await.unwrap();
    for want in Type::ALL {
        assert!(foreign.resolve("any", want, &EvaluationContext::default()).await.is_err());
    }
}

#[test]
fn background_work_without_a_runtime_is_a_typed_error() {
    let refused = Task::spawn(async {}).unwrap_err();
    assert!(refused.to_string().starts_with("no tokio runtime here"));
}
