//! The source against a server whose every answer the test decides: what is asked, what is told, and what no fault does.

#![allow(clippy::expect_used, clippy::panic, reason = "a test that cannot go on says why")]

extern crate store as hoist_store;

#[path = "../../../store/tests/server/mod.rs"]
mod server;
#[path = "../../../store/tests/suite/mod.rs"]
mod suite;
#[path = "../../../store/tests/vendor/mod.rs"]
mod vendor;

use std::time::{Duration, Instant};

use hoist_provider_flagsmith::source::KIND;
use serde_json::{Map, Value as Json, json};
use server::{Answer, Server};
use store::{Followed, Origin, Settings, State, Store};
use suite::until;
use vendor::{Backend, Vendor, follow, keeps_flags_through, loaded_within, options, refusals, settings};

const KEY: &str = "ser.s3cret";

struct Flagsmith;

impl Vendor for Flagsmith {
    const FLAG: &'static str = "shop";

    fn document(user: &str) -> String {
        let state = |enabled: bool| json!({"feature": {"id": 1, "name": "shop", "type": "STANDARD"}, "enabled": enabled, "django_id": 1});
        json!({
            "api_key": "env", "project": {}, "feature_states": [state(false)],
            "identity_overrides": [{"identifier": user, "identity_features": [state(true)]}],
        })
        .to_string()
    }

    fn followed(server: &Server, more: &Json) -> Followed {
        let all = options(json!({"authHeader": KEY, "interval": 1}), more);
        let origin = Origin::new("flagsmith", &server.url("/api/v1/"), all);
        let source = (KIND.build)(&origin).expect("a source");
        (origin, source)
    }

    /// The name of the default variant is the feature's value.
    fn with_flags(flags: &Map<String, Json>) -> Json {
        let states = flags.iter().map(|(key, flag)| {
            json!({"feature": {"id": 1, "name": key, "type": "STANDARD"}, "enabled": true, "django_id": 1,
                "feature_state_value": flag["defaultVariant"]})
        });
        json!({"api_key": "env", "project": {}, "feature_states": states.collect::<Vec<_>>()})
    }
}

fn document(user: &str) -> String {
    Flagsmith::document(user)
}

fn is_on(store: &Store, user: &str) -> Option<bool> {
    vendor::is_on::<Flagsmith>(store, user)
}

async fn loaded(server: &Server, options: &Json) -> Store {
    vendor::loaded::<Flagsmith>(server, options).await
}

#[tokio::test]
async fn suite_over_flagsmith() {
    suite::play(Backend::<Flagsmith>::start(json!({})).await).await;
}

#[tokio::test]
async fn it_asks_with_the_key_where_flagsmith_looks_for_it() {
    let server = Server::start(false).await;
    loaded(&server, &json!({})).await;
    let script = server.script();
    let (head, _) = &script.seen[0];
    assert_eq!(head.uri.path(), "/api/v1/environment-document/");
    assert_eq!(head.headers["x-environment-key"], KEY);
    assert!(!head.headers.contains_key("authorization"));
}

#[tokio::test]
async fn an_unchanged_document_is_a_304() {
    let server = Server::start(false).await;
    let written = |second: u8| {
        let date = format!("Thu, 01 Jan 2026 00:00:{second:02} GMT");
        let exact = ("x-flagsmith-document-updated-at", format!("17672256{second:02}.25"));
        server.script().dated = Some((date, exact.0, exact.1));
    };
    written(1);
    let store = loaded(&server, &json!({})).await;
    until("a 304", &store, |_| server.script().not_modified > 0).await;
    assert_eq!(store.sources()[0].state, State::Ok);
    written(2);
    server.script().document = Some(document("bob"));
    until("changed", &store, |store| is_on(store, "bob") == Some(true)).await;
    assert_eq!(is_on(&store, "ann"), Some(false));
}

#[tokio::test]
async fn a_server_that_is_down_at_start_is_waited_for() {
    vendor::comes_round::<Flagsmith>(&json!({})).await;
}

#[tokio::test]
async fn a_key_that_is_refused_and_broken_answers_drop_nothing() {
    let server = Server::start(false).await;
    let store = loaded(&server, &json!({})).await;
    keeps_flags_through::<Flagsmith>(&server, &store, &refusals()).await;
    let html = Answer::Status(200, vec![("content-type", "text/html".to_owned())], "<html>".to_owned());
    keeps_flags_through::<Flagsmith>(&server, &store, &[html]).await;
}

#[tokio::test]
async fn a_body_beyond_the_limit_is_refused() {
    let server = Server::start(false).await;
    let small = Settings { max_bytes: 1 << 20, ..settings() };
    let store = loaded_within::<Flagsmith>(&server, &json!({}), small).await;
    keeps_flags_through::<Flagsmith>(&server, &store, &[Answer::Endless]).await;
}

#[tokio::test]
async fn a_server_that_asks_for_rest_gets_it() {
    vendor::rests::<Flagsmith>(&json!({})).await;
}

#[tokio::test]
async fn a_server_that_fails_is_not_stormed() {
    let server = Server::start(false).await;
    server.script().always = Some(Answer::Status(500, vec![], String::new()));
    let store = follow::<Flagsmith>(&server, &json!({}), settings());
    let begun = Instant::now();
    until("tried again", &store, |_| server.script().seen.len() >= 7).await;
    // The least that the waits before these can come to, a tenth of 100 ms, 200 ms, 400 ms and so on.
    assert!(begun.elapsed() > Duration::from_millis(600), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn a_start_without_the_server_serves_what_was_good() {
    vendor::serves_what_was_good::<Flagsmith>(&json!({})).await;
}

#[tokio::test]
async fn usage_is_told_if_that_is_wanted() {
    let server = Server::start(false).await;
    let store = loaded(&server, &json!({"reportUsage": true, "reportInterval": 1})).await;
    for _ in 0..4 {
        is_on(&store, "ann");
    }
    let told = || -> u64 {
        let script = server.script();
        let seen = script.seen.iter().filter(|(head, _)| head.uri.path() == "/api/v1/analytics/flags/");
        seen.map(|(head, body)| {
            assert_eq!(
                (head.method.as_str(), head.headers["x-environment-key"].as_bytes()),
                ("POST", KEY.as_bytes())
            );
            serde_json::from_str::<Json>(body).expect("JSON")["shop"].as_u64().expect("a count")
        })
        .sum()
    };
    // Whoever waited for the flag asked too.
    until("told", &store, |_| told() >= 5).await;
}

#[tokio::test]
async fn usage_is_told_while_polls_fail() {
    let server = Server::start(false).await;
    let store = loaded(&server, &json!({"reportUsage": true, "reportInterval": 1})).await;
    server.script().always = Some(Answer::Status(500, vec![], String::new()));
    until("failing", &store, |store| store.sources()[0].state == State::Unreachable).await;
    let before = server.script().seen.len();
    is_on(&store, "ann");
    let tried = || server.script().seen[before..].iter().any(|(head, _)| head.method == "POST");
    until("told", &store, |_| tried()).await;
}

#[tokio::test]
async fn usage_is_not_told_unasked() {
    let server = Server::start(false).await;
    let store = loaded(&server, &json!({"reportInterval": 1})).await;
    let before = server.script().seen.len();
    until("polled", &store, |_| server.script().seen.len() >= before + 3).await;
    assert!(server.script().seen.iter().all(|(head, _)| head.method == "GET"));
}
