//! The provider in an application: in process, and by the server.

#![allow(clippy::expect_used, clippy::panic, reason = "a test that cannot go on says why")]

#[path = "../../../store/tests/server/mod.rs"]
mod server;

use std::time::Duration;

use hoist_provider_flagsmith::{Mode, Options, provider};
use kit::{EventKind, State};
use open_feature::{
    Client, EvaluationContext, EvaluationContextFieldValue, EvaluationErrorCode, EvaluationReason,
    OpenFeature, StructValue,
};
use serde_json::{Value as Json, json};
use server::{Answer, Server};

const PATIENCE: Duration = Duration::from_secs(20);

/// A feature that is on in the segment of a region, with its limit.
fn document(region: &str) -> String {
    let state = |enabled: bool, value: Json, more: Json| {
        json!({"feature": {"id": 1, "name": "shop", "type": "STANDARD"}, "enabled": enabled,
            "feature_state_value": value, "django_id": 1, "feature_segment": more})
    };
    let condition = json!({"operator": "EQUAL", "property_": "region", "value": region});
    json!({
        "api_key": "env",
        "project": {"segments": [{"id": 9, "name": "europe",
            "rules": [{"type": "ALL", "conditions": [condition]}],
            "feature_states": [state(true, json!("10"), json!({"priority": 0}))]}]},
        "feature_states": [state(false, json!("5"), json!(null))],
    })
    .to_string()
}

fn options(server: &Server, mode: Mode) -> Options {
    Options {
        mode,
        url: server.url("/api/v1/"),
        environment_key: Some("ser.s3cret".to_owned()),
        interval: Duration::from_secs(1),
        ..Options::default()
    }
}

fn ann(region: &str) -> EvaluationContext {
    EvaluationContext::default().with_targeting_key("ann").with_custom_field("region", region)
}

async fn client(api: &mut OpenFeature, provider: kit::Provider<kit::Erased>) -> Client {
    let handle = provider.handle();
    api.set_provider(provider).await;
    handle.ready(PATIENCE).await.expect("ready");
    api.create_client()
}

#[tokio::test]
async fn in_process_the_sdk_gets_flagsmiths_decisions() {
    let server = Server::start(false).await;
    server.script().document = Some(document("eu"));
    let provider = provider(&options(&server, Mode::ByKey)).expect("a provider");
    let mut events = provider.events();
    let mut api = OpenFeature::default();
    let client = client(&mut api, provider).await;
    let details = client.get_bool_details("shop", Some(&ann("eu")), None).await.expect("an answer");
    assert_eq!((details.value, details.reason), (true, Some(EvaluationReason::TargetingMatch)));
    assert!(details.flag_metadata.values.contains_key("flagsmith.segment"));
    assert_eq!(client.get_int_value("shop", Some(&ann("eu")), None).await, Ok(10));
    assert_eq!(client.get_bool_value("shop", Some(&ann("us")), None).await, Ok(false));
    let off = client.get_int_value("shop", Some(&ann("us")), None).await.expect_err("off");
    assert_eq!(off.code, EvaluationErrorCode::General("DISABLED".to_owned()));
    let unknown = client.get_bool_value("nowhere", None, None).await.expect_err("no such flag");
    assert_eq!(unknown.code, EvaluationErrorCode::FlagNotFound);

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
async fn a_key_that_is_refused_is_an_error_until_it_is_not() {
    for mode in [Mode::InProcess, Mode::Remote] {
        let server = Server::start(false).await;
        server.script().always = Some(Answer::Status(403, vec![], "{}".to_owned()));
        let provider = provider(&options(&server, mode)).expect("a provider");
        let handle = provider.handle();
        let failed = async {
            while handle.state() != State::Error {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(PATIENCE, failed).await.expect("in error");
        server.script().document = Some(if mode == Mode::Remote { "[]".to_owned() } else { document("eu") });
        server.script().always = None;
        handle.ready(PATIENCE).await.expect("ready");
    }
}

/// What `identities/` answers.
fn of_identity() -> String {
    let flag = |name: &str, value: Json, more: Json| {
        json!({"id": 1, "feature": {"id": 7, "name": name, "type": "STANDARD"}, "feature_state_value": value,
            "environment": 2, "identity": null, "feature_segment": more, "enabled": true, "variant": null})
    };
    json!({"identifier": "ann", "traits": [],
        "flags": [flag("shop", json!("10"), json!(4)), flag("plain", json!(7), json!(null))]})
    .to_string()
}

#[tokio::test]
async fn the_server_is_asked_for_identities_that_it_forgets() {
    let server = Server::start(false).await;
    server.script().document = Some(of_identity());
    let provider = provider(&options(&server, Mode::Remote)).expect("a provider");
    let mut api = OpenFeature::default();
    let client = client(&mut api, provider).await;
    let nested = StructValue::default().with_field("plan", "pro");
    let who = ann("eu")
        .with_custom_field("age", 18)
        .with_custom_field("traits", EvaluationContextFieldValue::new_struct(nested))
        .with_custom_field("tags", EvaluationContextFieldValue::new_struct(StructValue::default()));
    let details = client.get_bool_details("shop", Some(&who), None).await.expect("an answer");
    assert_eq!((details.value, details.reason), (true, Some(EvaluationReason::TargetingMatch)));
    assert_eq!(client.get_int_value("plain", Some(&who), None).await, Ok(7));
    let unknown = client.get_bool_value("nowhere", Some(&who), None).await.expect_err("no such flag");
    assert_eq!(unknown.code, EvaluationErrorCode::FlagNotFound);

    let script = server.script();
    let (head, body) = script.seen.last().expect("requests");
    assert_eq!((head.method.as_str(), head.uri.path()), ("POST", "/api/v1/identities/"));
    assert_eq!(head.headers["x-environment-key"], "ser.s3cret");
    let asked: Json = serde_json::from_str(body).expect("JSON");
    assert_eq!((&asked["identifier"], &asked["transient"]), (&json!("ann"), &json!(true)));
    let traits = asked["traits"].as_array().expect("traits");
    let mut told: Vec<(String, Json)> = traits
        .iter()
        .map(|one| (one["trait_key"].as_str().expect("a name").to_owned(), one["trait_value"].clone()))
        .collect();
    told.sort_by(|(one, _), (other, _)| one.cmp(other));
    let expected =
        [("age", json!(18)), ("plan", json!("pro")), ("region", json!("eu")), ("tags", json!("{}"))];
    assert_eq!(told, expected.map(|(name, value)| (name.to_owned(), value)));
    assert!(traits.iter().all(|one| one["transient"] == true));
}

#[tokio::test]
async fn without_a_targeting_key_the_server_is_asked_for_the_environment() {
    let server = Server::start(false).await;
    server.script().document = Some("[]".to_owned());
    let provider = provider(&options(&server, Mode::Remote)).expect("a provider");
    let mut api = OpenFeature::default();
    let client = client(&mut api, provider).await;
    let flag = json!({"feature": {"id": 7, "name": "a b", "type": "STANDARD"}, "feature_state_value": 1, "enabled": true});
    server.script().document = Some(flag.to_string());
    assert_eq!(client.get_bool_value("a b", None, None).await, Ok(true));
    let asked = server.script().seen.last().map(|(head, _)| head.uri.to_string());
    assert_eq!(asked.as_deref(), Some("/api/v1/flags/?feature=a+b"));
}

#[tokio::test]
async fn what_the_server_refuses_has_its_code_and_is_the_providers_state() {
    let server = Server::start(false).await;
    server.script().document = Some("[]".to_owned());
    let provider = provider(&options(&server, Mode::Remote)).expect("a provider");
    let handle = provider.handle();
    let mut api = OpenFeature::default();
    let client = client(&mut api, provider).await;
    let general = |word: &str| EvaluationErrorCode::General(word.to_owned());
    let missing = json!({"detail": "Given feature not found"}).to_string();
    for (status, body, code, state) in [
        (404, missing, EvaluationErrorCode::FlagNotFound, State::Ready),
        (404, "<html>".to_owned(), general("GENERAL"), State::Stale),
        (500, String::new(), general("GENERAL"), State::Stale),
        (403, String::new(), general("PROVIDER_FATAL"), State::Error),
        (400, String::new(), EvaluationErrorCode::InvalidContext, State::Error),
    ] {
        server.script().always = Some(Answer::Status(status, vec![], body));
        let error = client.get_bool_value("shop", None, None).await.expect_err("refused");
        assert_eq!((error.code, handle.state()), (code, state), "{status}");
        assert!(!format!("{:?}", error.message).contains("s3cret"));
    }
    server.script().always = None;
    server.script().document = Some(of_identity());
    assert_eq!(client.get_bool_value("shop", Some(&ann("eu")), None).await, Ok(true));
    assert_eq!(handle.state(), State::Ready);
    // Asked for a rest, nobody asks.
    server.script().always = Some(Answer::Status(429, vec![("retry-after", "60".to_owned())], String::new()));
    client.get_bool_value("shop", Some(&ann("eu")), None).await.expect_err("too many");
    let asked = server.script().seen.len();
    client.get_bool_value("shop", Some(&ann("eu")), None).await.expect_err("at rest");
    assert_eq!((server.script().seen.len(), handle.state()), (asked, State::Stale));
}

#[test]
fn options_show_no_secret_and_need_an_address() {
    let options = Options { environment_key: Some("ser.hunter2".to_owned()), ..Options::default() };
    assert!(!format!("{options:?}").contains("hunter2"));
    let wrong = Options { url: "flagsmith.example.com".to_owned(), ..Options::default() };
    assert!(provider(&wrong).is_err_and(|error| error.to_string().contains("https://")));
}
