//! The provider in an application: in process, of a file, and by the evaluation API.

#![allow(clippy::expect_used, clippy::panic, reason = "a test that cannot go on says why")]

mod flipt;

use std::time::Duration;

use flipt::{Flipt, by_region};
use hoist_provider_flipt::{Mode, Options, Values, in_process, provider, remote};
use kit::{EventKind, Local, State};
use open_feature::{EvaluationContext, EvaluationErrorCode, EvaluationReason, OpenFeature, StructValue};
use serde_json::{Value as Json, json};

const PATIENCE: Duration = Duration::from_secs(20);

/// `shop` by region; `limit` by a rule, with a default; `layout` with attachments; `off`, which is.
fn flags(region: &str) -> Json {
    let constraint = json!({"type": "STRING_CONSTRAINT_COMPARISON_TYPE", "property": "plan", "operator": "eq", "value": "pro"});
    let segment =
        json!({"key": "paying", "matchType": "ALL_SEGMENT_MATCH_TYPE", "constraints": [constraint]});
    let rule = |variant: &str, attachment: &str| {
        json!([{"id": variant, "rank": 1, "segmentOperator": "OR_SEGMENT_OPERATOR", "segments": [segment],
            "distributions": [{"variantKey": variant, "variantAttachment": attachment, "rollout": 100}]}])
    };
    let variant = |key: &str, enabled: bool, default: Json, rules: Json| {
        json!({"key": key, "type": "VARIANT_FLAG_TYPE", "enabled": enabled, "rules": rules, "rollouts": [],
            "defaultVariant": default})
    };
    json!([
        by_region(region),
        variant("limit", true, json!({"key": "10", "attachment": ""}), rule("50", "")),
        variant("layout", true, Json::Null, rule("wide", r#"{"columns": 3}"#)),
        variant("off", false, json!({"key": "x", "attachment": ""}), json!([])),
    ])
}

fn options(server: &Flipt, mode: Mode) -> Options {
    Options {
        mode,
        url: server.url(),
        token: Some("s3cret".to_owned()),
        interval: Duration::from_secs(3_600),
        ..Options::default()
    }
}

fn ann(name: &str, value: &str) -> EvaluationContext {
    EvaluationContext::default().with_targeting_key("ann").with_custom_field(name, value)
}

/// What every mode that evaluates these flags answers.
async fn ask(api: &OpenFeature) {
    let client = api.create_client();
    let (eu, pro, free) = (ann("region", "eu"), ann("plan", "pro"), ann("plan", "free"));
    let shop = client.get_bool_details("shop", Some(&eu), None).await.expect("an answer");
    assert_eq!((shop.value, shop.reason), (true, Some(EvaluationReason::TargetingMatch)));
    assert_eq!(shop.flag_metadata.values["flipt.segments"], "there".into());
    assert_eq!(client.get_bool_value("shop", Some(&free), None).await, Ok(false));
    let limit = client.get_int_details("limit", Some(&pro), None).await.expect("an answer");
    assert_eq!((limit.value, limit.variant.as_deref()), (50, Some("50")));
    // The default variant counts although nothing matched.
    let limit = client.get_int_details("limit", Some(&free), None).await.expect("an answer");
    assert_eq!((limit.value, limit.reason), (10, Some(EvaluationReason::Default)));
    assert_eq!(client.get_string_value("layout", Some(&pro), None).await.as_deref(), Ok("wide"));
    let layout =
        client.get_struct_details::<StructValue>("layout", Some(&pro), None).await.expect("an answer");
    assert_eq!(layout.value, StructValue::default().with_field("columns", 3));
    assert_eq!(layout.flag_metadata.values["flipt.namespace"], "default".into());
    let code = |error: open_feature::EvaluationError| error.code;
    let general = |word: &str| EvaluationErrorCode::General(word.to_owned());
    let none = client.get_string_value("layout", Some(&free), None).await.expect_err("no variant");
    assert_eq!(code(none), general("DEFAULT"));
    let off = client.get_string_value("off", Some(&pro), None).await.expect_err("off");
    assert_eq!(code(off), general("DISABLED"));
    let absent = client.get_bool_value("nowhere", None, None).await.expect_err("no such flag");
    assert_eq!(code(absent), EvaluationErrorCode::FlagNotFound);
    let kind = client.get_bool_value("limit", Some(&pro), None).await.expect_err("a variant flag");
    assert_eq!(code(kind), EvaluationErrorCode::TypeMismatch);
    let kind = client.get_string_value("shop", Some(&eu), None).await.expect_err("a boolean flag");
    assert_eq!(code(kind), EvaluationErrorCode::TypeMismatch);
}

#[tokio::test]
async fn in_process_changes_are_streamed_and_told() {
    let server = Flipt::start(flags("eu")).await;
    let provider = in_process(&options(&server, Mode::InProcess)).expect("a provider");
    let handle = provider.handle();
    let mut events = handle.events();
    let mut api = OpenFeature::default();
    api.set_provider(provider).await;
    handle.ready(PATIENCE).await.expect("ready");
    ask(&api).await;
    assert_eq!(server.asked("/snapshot/")[0].authorization, "Bearer s3cret");
    while server.script().open_streams == 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    server.set(flags("us"));
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
    let client = api.create_client();
    assert_eq!(client.get_bool_value("shop", Some(&ann("region", "us")), None).await, Ok(true));
}

#[tokio::test]
async fn remote_the_server_decides_and_gets_text_alone() {
    let server = Flipt::start(flags("eu")).await;
    let jwt = Options { jwt: Some("ey.s3cret".to_owned()), ..options(&server, Mode::Remote) };
    let jwt = Options { environment: Some("production".to_owned()), ..jwt };
    let provider = remote(&jwt).expect("a provider");
    let handle = provider.handle();
    let mut api = OpenFeature::default();
    api.set_provider(provider).await;
    handle.ready(PATIENCE).await.expect("ready");
    ask(&api).await;
    let client = api.create_client();
    let who = ann("region", "eu").with_custom_field("age", 18).with_custom_field("beta", true);
    assert_eq!(client.get_bool_value("shop", Some(&who), None).await, Ok(true));
    let asked = server.asked("/evaluate/v1/boolean").pop().expect("a request");
    assert_eq!((asked.authorization.as_str(), asked.environment.as_str()), ("JWT ey.s3cret", "production"));
    let context = json!({"targetingKey": "ann", "region": "eu", "age": "18", "beta": "true"});
    let expected = json!({"namespaceKey": "default", "flagKey": "shop", "entityId": "ann", "context": context,
        "environmentKey": "production"});
    assert_eq!(asked.body, expected);
    // Another namespace by the key.
    let other = client.get_bool_value("other/shop", Some(&who), None).await.expect_err("an empty namespace");
    assert_eq!(other.code, EvaluationErrorCode::FlagNotFound);
    let asked = server.asked("/evaluate/v1/boolean").pop().expect("a request");
    assert_eq!((&asked.body["namespaceKey"], &asked.body["flagKey"]), (&json!("other"), &json!("shop")));

    server.script().refuse = Some(403);
    let refused = client.get_bool_value("shop", Some(&who), None).await.expect_err("refused");
    assert_eq!(refused.code, EvaluationErrorCode::General("GENERAL".to_owned()));
    assert!(!refused.message.unwrap_or_default().contains("s3cret"));
    assert_eq!(handle.state(), State::Error);
    server.script().refuse = None;
    assert_eq!(client.get_bool_value("shop", Some(&who), None).await, Ok(true));
    assert_eq!(handle.state(), State::Ready);
}

#[tokio::test]
async fn several_flags_cost_one_question() {
    let server = Flipt::start(flags("eu")).await;
    let provider = remote(&options(&server, Mode::Remote)).expect("a provider");
    let handle = provider.handle();
    handle.ready(PATIENCE).await.expect("ready");
    let resolver = handle.resolver().expect("it lives");
    let answers = resolver.batch(&["shop", "nowhere", "limit"], &ann("region", "eu")).await.expect("answers");
    assert_eq!(answers[0].as_ref().map(|answer| answer.value.clone()), Ok(Some(true.into())));
    assert_eq!(answers[1].as_ref().map_err(|error| &error.code), Err(&EvaluationErrorCode::FlagNotFound));
    assert_eq!(answers[2].as_ref().map(|answer| answer.variant.as_deref()), Ok(Some("10")));
    assert_eq!(server.asked("/evaluate/").len(), 1);
    assert!(resolver.batch(&["x"; 1_001], &ann("region", "eu")).await.is_err(), "too many");
}

#[tokio::test]
async fn whoever_has_no_targeting_key_can_be_refused() {
    let server = Flipt::start(flags("eu")).await;
    for mode in [Mode::InProcess, Mode::Remote] {
        let options = Options { require_targeting_key: true, ..options(&server, mode) };
        let provider = provider(&options).expect("a provider");
        let handle = provider.handle();
        let mut api = OpenFeature::default();
        api.set_provider(provider).await;
        handle.ready(PATIENCE).await.expect("ready");
        let nobody = EvaluationContext::default().with_custom_field("region", "eu");
        let error =
            api.create_client().get_bool_value("shop", Some(&nobody), None).await.expect_err("nobody");
        assert_eq!(error.code, EvaluationErrorCode::TargetingKeyMissing, "{mode:?}");
    }
}

#[tokio::test]
async fn of_a_file_there_is_no_server() {
    let folder = tempfile::tempdir().expect("a directory");
    let path = folder.path().join("features.yaml");
    let text = include_str!("venus.features.yaml");
    std::fs::write(&path, text).expect("written");
    let options = Options {
        mode: Mode::File,
        features: path.to_str().expect("UTF-8").to_owned(),
        namespace: "venus".to_owned(),
        values: Values::Attachment,
        ..Options::default()
    };
    let provider = in_process(&options).expect("a provider");
    let handle = provider.handle();
    let mut api = OpenFeature::default();
    api.set_provider(provider).await;
    handle.ready(PATIENCE).await.expect("ready");
    let client = api.create_client();
    assert_eq!(
        client.get_bool_value("flag_boolean_segment", Some(&ann("env", "prod")), None).await,
        Ok(true)
    );
    let flags = handle.resolver().expect("it lives").view();
    assert!(flags.snapshot().flags().len() > 5);
    let mut events = handle.events();
    let next = path.with_extension("next");
    std::fs::write(&next, text.replace("value: prod", "value: live")).expect("written");
    std::fs::rename(&next, &path).expect("renamed");
    let changed = async {
        while events.next().await.expect("the provider lives").kind != EventKind::ConfigurationChanged {}
    };
    tokio::time::timeout(PATIENCE, changed).await.expect("a change is told");
    assert_eq!(
        client.get_string_value("flag_variant_string_eq", Some(&ann("env", "live")), None).await.as_deref(),
        Ok("on")
    );
}

#[tokio::test]
async fn without_the_server_it_is_in_error_and_comes_round() {
    let server = Flipt::start(flags("eu")).await;
    server.script().refuse = Some(401);
    let provider = in_process(&options(&server, Mode::InProcess)).expect("a provider");
    let handle = provider.handle();
    let mut api = OpenFeature::default();
    api.set_provider(provider).await;
    let failed = async {
        while handle.state() != State::Error {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(PATIENCE, failed).await.expect("in error");
    let error = api.create_client().get_bool_value("shop", None, None).await.expect_err("no flags yet");
    assert_eq!(error.code, EvaluationErrorCode::ProviderNotReady);
    server.script().refuse = None;
    handle.ready(PATIENCE).await.expect("ready");
    ask(&api).await;
}

#[tokio::test]
async fn options_that_cannot_be_used_are_refused() {
    for mode in [Mode::InProcess, Mode::Remote] {
        let wrong = Options { mode, url: "flipt.example.com".to_owned(), ..Options::default() };
        assert!(provider(&wrong).is_err_and(|error| error.to_string().contains("https://")));
        let wrong = Options { mode, namespace: String::new(), ..Options::default() };
        assert!(provider(&wrong).is_err());
    }
}
