//! The provider in an application: in process, and by the frontend API.

#![allow(clippy::expect_used, clippy::panic, reason = "a test that cannot go on says why")]

#[path = "../../../store/tests/server/mod.rs"]
mod server;

use std::time::Duration;

use hoist_provider_unleash::{Options, provider, remote};
use kit::{EventKind, State};
use open_feature::{EvaluationContext, EvaluationErrorCode, EvaluationReason, OpenFeature};
use serde_json::{Value as Json, json};
use server::{Answer, Server};

const PATIENCE: Duration = Duration::from_secs(20);

fn document(region: &str) -> String {
    let by_region = json!([{"contextName": "region", "operator": "IN", "values": [region]}]);
    json!({"version": 2, "features": [
        {"name": "shop", "enabled": true, "project": "p", "strategies": [{"name": "default", "constraints": by_region}]},
        {"name": "limit", "enabled": true, "strategies": [{"name": "default", "variants": [
            {"name": "low", "weight": 1000, "payload": {"type": "number", "value": "10"}}]}]},
    ]})
    .to_string()
}

fn options(server: &Server) -> Options {
    Options {
        url: server.url("/api"),
        token: Some("default:development.s3cret".to_owned()),
        interval: Duration::from_secs(1),
        report_usage: false,
        ..Options::default()
    }
}

fn ann(region: &str) -> EvaluationContext {
    EvaluationContext::default().with_targeting_key("ann").with_custom_field("region", region)
}

#[tokio::test]
async fn in_process_the_sdk_gets_unleashs_decisions() {
    let server = Server::start(false).await;
    server.script().document = Some(document("eu"));
    let provider = provider(&options(&server)).expect("a provider");
    let handle = provider.handle();
    let mut events = handle.events();
    let mut api = OpenFeature::default();
    api.set_provider(provider).await;
    handle.ready(PATIENCE).await.expect("ready");
    let client = api.create_client();
    let details = client.get_bool_details("shop", Some(&ann("eu")), None).await.expect("an answer");
    assert_eq!((details.value, details.reason), (true, Some(EvaluationReason::TargetingMatch)));
    assert_eq!(client.get_bool_value("shop", Some(&ann("us")), None).await, Ok(false));
    let limit = client.get_int_details("limit", Some(&ann("us")), None).await.expect("an answer");
    assert_eq!((limit.value, limit.variant.as_deref()), (10, Some("low")));
    assert!(limit.flag_metadata.values.contains_key("payloadType"));
    let unknown = client.get_bool_value("nowhere", None, None).await.expect_err("no such flag");
    assert_eq!(unknown.code, EvaluationErrorCode::FlagNotFound);
    let mismatch = client.get_string_value("limit", None, None).await.expect_err("a number");
    assert_eq!(mismatch.code, EvaluationErrorCode::TypeMismatch);

    server.script().document = Some(document("us"));
    let changed = async {
        loop {
            let event = events.next().await.expect("the provider lives");
            if event.kind == EventKind::ConfigurationChanged {
                return event;
            }
        }
    };
    let changed = tokio::time::timeout(PATIENCE, changed).await.expect("a change is told");
    assert_eq!(changed.flags_changed.as_deref(), Some(&["shop".to_owned()][..]));
    assert_eq!(client.get_bool_value("shop", Some(&ann("us")), None).await, Ok(true));
}

#[tokio::test]
async fn without_the_server_it_is_in_error_and_comes_round() {
    let server = Server::start(false).await;
    server.script().always = Some(Answer::Status(401, vec![], String::new()));
    let provider = provider(&options(&server)).expect("a provider");
    let handle = provider.handle();
    let mut api = OpenFeature::default();
    api.set_provider(provider).await;
    let failed = async {
        while handle.state() != State::Error {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(PATIENCE, failed).await.expect("in error");
    let client = api.create_client();
    let error = client.get_bool_value("shop", None, None).await.expect_err("no flags yet");
    assert_eq!(error.code, EvaluationErrorCode::ProviderNotReady);
    server.script().document = Some(document("eu"));
    server.script().always = None;
    handle.ready(PATIENCE).await.expect("ready");
    assert_eq!(client.get_bool_value("shop", Some(&ann("eu")), None).await, Ok(true));
}

#[tokio::test]
async fn the_frontend_api_is_asked_with_a_context_in_its_words() {
    let server = Server::start(false).await;
    let toggles = json!({"toggles": [
        {"name": "shop", "enabled": true, "variant": {"name": "disabled", "enabled": false}},
        {"name": "limit", "enabled": true,
            "variant": {"name": "low", "enabled": true, "payload": {"type": "number", "value": "10"}}},
    ]});
    server.script().document = Some(toggles.to_string());
    let provider = remote(&options(&server)).expect("a provider");
    let handle = provider.handle();
    let mut api = OpenFeature::default();
    api.set_provider(provider).await;
    handle.ready(PATIENCE).await.expect("ready");
    let client = api.create_client();
    let who = ann("eu").with_custom_field("age", 18).with_custom_field("sessionId", "s1");
    assert_eq!(client.get_bool_value("shop", Some(&who), None).await, Ok(true));
    assert_eq!(client.get_int_value("limit", Some(&who), None).await, Ok(10));
    assert_eq!(client.get_bool_value("nowhere", Some(&who), None).await, Ok(false));
    let script = server.script();
    let (head, body) = script.seen.last().expect("requests");
    let asked: Json = serde_json::from_str(body).expect("JSON");
    let expected = json!({"userId": "ann", "sessionId": "s1", "properties": {"region": "eu", "age": "18"}});
    assert_eq!((head.uri.path(), &asked["context"]), ("/api/frontend", &expected));
}

#[test]
fn options_show_no_secret_and_need_an_address() {
    let options = Options {
        token: Some("a:b.hunter2".to_owned()),
        instance_id: Some("hunter2".to_owned()),
        ..Options::default()
    };
    assert!(!format!("{options:?}").contains("hunter2"));
    let wrong = Options { url: "unleash.example.com".to_owned(), ..Options::default() };
    assert!(provider(&wrong).is_err_and(|error| error.to_string().contains("https://")));
}
