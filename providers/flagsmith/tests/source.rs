//! The source against a server whose every answer the test decides: what is asked, what is told, and what no fault does.

#![allow(clippy::expect_used, clippy::panic, reason = "a test that cannot go on says why")]

extern crate store as hoist_store;

#[path = "../../../store/tests/server/mod.rs"]
mod server;
#[path = "../../../store/tests/suite/mod.rs"]
mod suite;

use std::time::{Duration, Instant, SystemTime};

use engine::{Bump, Context, Question, Selector, Type, Value};
use serde_json::{Map, Value as Json, json};
use server::{Answer, Server};
use store::{Origin, Settings, State, Store};
use suite::until;

const KEY: &str = "ser.s3cret";

/// A feature that is on for the identity `who`.
fn document(who: &str) -> String {
    let state = |enabled: bool| json!({"feature": {"id": 1, "name": "shop", "type": "STANDARD"}, "enabled": enabled, "django_id": 1});
    json!({
        "api_key": "env", "project": {}, "feature_states": [state(false)],
        "identity_overrides": [{"identifier": who, "identity_features": [state(true)]}],
    })
    .to_string()
}

fn origin(server: &Server, options: &Json) -> Origin {
    let mut all: Map<String, Json> = Map::new();
    all.extend(json!({"authHeader": KEY, "interval": 1}).as_object().expect("an object").clone());
    all.extend(options.as_object().expect("an object").clone());
    Origin::new("flagsmith", &server.url("/api/v1/"), all)
}

fn follow(server: &Server, options: &Json, settings: Settings) -> Store {
    let origin = origin(server, options);
    let source = (hoist_provider_flagsmith::source::KIND.build)(&origin).expect("a source");
    Store::open(settings, vec![(origin, source)])
}

fn settings() -> Settings {
    Settings { stale_after: Duration::from_millis(200), ..Settings::new(SystemTime::now) }
}

fn is_on(store: &Store, who: &str) -> Option<bool> {
    let snapshot = store.read();
    let flag = snapshot.find(&Selector::Any, "shop")?;
    let attributes = [("targetingKey", Value::Str(who))];
    let (context, bump) = (Context::new(&attributes), Bump::new());
    let question = Question { want: Type::Bool, context: &context, now: 0, bump: &bump, bulk: false };
    flag.answer(&question, &mut ()).ok()?.variant?.value().as_bool()
}

async fn loaded(server: &Server, options: &Json) -> Store {
    server.script().document = Some(document("ann"));
    let store = follow(server, options, settings());
    until("loaded", &store, |store| is_on(store, "ann") == Some(true)).await;
    store
}

/// Whether the source, which has flags, is in `state` with them, stale, and says why without the key.
async fn keeps_flags_through(server: &Server, store: &Store, fault: Answer, state: State) {
    let name = format!("{fault:?}");
    server.script().always = Some(fault);
    until(&name, store, |store| store.sources()[0].state == state).await;
    until(&name, store, |store| store.sources()[0].stale.is_some()).await;
    assert_eq!(is_on(store, "ann"), Some(true), "{name}");
    let error = store.sources()[0].error.clone().expect("a reason");
    assert!(!error.contains("s3cret"), "{error}");
    server.script().always = None;
    until(&name, store, |store| store.sources()[0].state == State::Ok).await;
    until(&name, store, |store| store.sources()[0].stale.is_none()).await;
}

fn refused(status: u16) -> Answer {
    Answer::Status(status, vec![], json!({"detail": "Invalid or missing Environment key"}).to_string())
}

/// A Flagsmith that has what the suite wants to see, in its own words.
struct Backend(Server);

impl suite::Backend for Backend {
    fn follow(&self) -> (Origin, Box<dyn store::Source>) {
        let origin = origin(&self.0, &json!({}));
        let source = (hoist_provider_flagsmith::source::KIND.build)(&origin).expect("a source");
        (origin, source)
    }

    fn put(&mut self, document: &str) {
        self.0.script().document = Some(translated(document).unwrap_or_else(|| document.to_owned()));
    }

    fn vanish(&mut self) -> bool {
        self.0.script().document = None;
        true
    }
}

/// A flag document of the suite as one of Flagsmith: the name of the default variant is the feature's value.
/// What follows the document stays.
fn translated(document: &str) -> Option<String> {
    let read: Json = serde_json::from_str(document).ok()?;
    let states: Vec<Json> = read["flags"]
        .as_object()?
        .iter()
        .map(|(key, flag)| {
            json!({"feature": {"id": 1, "name": key, "type": "STANDARD"}, "enabled": true, "django_id": 1,
                "feature_state_value": flag["defaultVariant"]})
        })
        .collect();
    let rest = &document[document.trim_end().len()..];
    Some(json!({"api_key": "env", "project": {}, "feature_states": states}).to_string() + rest)
}

#[tokio::test]
async fn suite_over_flagsmith() {
    suite::play(Backend(Server::start(false).await)).await;
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
    let server = Server::start(false).await;
    server.script().always = Some(Answer::Status(503, vec![], String::new()));
    let store = follow(&server, &json!({}), settings());
    until("unreachable", &store, |store| store.sources()[0].state == State::Unreachable).await;
    assert!(!store.ready());
    assert_eq!(is_on(&store, "ann"), None);
    server.script().document = Some(document("ann"));
    server.script().always = None;
    until("loaded", &store, |store| is_on(store, "ann") == Some(true)).await;
}

#[tokio::test]
async fn a_key_that_is_refused_drops_nothing() {
    let server = Server::start(false).await;
    let store = loaded(&server, &json!({})).await;
    for status in [401, 403] {
        keeps_flags_through(&server, &store, refused(status), State::Unreachable).await;
    }
}

#[tokio::test]
async fn broken_answers_drop_nothing_and_are_seen() {
    let server = Server::start(false).await;
    let store = loaded(&server, &json!({})).await;
    let html = Answer::Status(200, vec![("content-type", "text/html".to_owned())], "<html>".to_owned());
    for (fault, state) in [
        (Answer::Truncated, State::Unreachable),
        (Answer::Status(500, vec![], String::new()), State::Unreachable),
        (html, State::Refused),
        (Answer::Status(200, vec![], "[]".to_owned()), State::Refused),
    ] {
        keeps_flags_through(&server, &store, fault, state).await;
    }
}

#[tokio::test]
async fn a_body_beyond_the_limit_is_refused() {
    let server = Server::start(false).await;
    server.script().document = Some(document("ann"));
    let small = Settings { max_bytes: 1 << 20, ..settings() };
    let store = follow(&server, &json!({}), small);
    until("loaded", &store, |store| is_on(store, "ann") == Some(true)).await;
    keeps_flags_through(&server, &store, Answer::Endless, State::Refused).await;
}

#[tokio::test]
async fn a_server_that_asks_for_rest_gets_it() {
    let server = Server::start(false).await;
    let rest = Answer::Status(429, vec![("retry-after", "3".to_owned())], String::new());
    server.script().next.push_back(rest);
    server.script().document = Some(document("ann"));
    let store = follow(&server, &json!({}), settings());
    until("refused", &store, |store| store.sources()[0].state == State::Unreachable).await;
    let asked = Instant::now();
    until("loaded", &store, |store| is_on(store, "ann") == Some(true)).await;
    assert!(asked.elapsed() > Duration::from_millis(2_500), "{:?}", asked.elapsed());
    assert_eq!(server.script().seen.len(), 2, "nobody asked in between");
}

#[tokio::test]
async fn a_server_that_fails_is_not_stormed() {
    let server = Server::start(false).await;
    server.script().always = Some(Answer::Status(500, vec![], String::new()));
    let store = follow(&server, &json!({}), settings());
    let begun = Instant::now();
    until("tried again", &store, |_| server.script().seen.len() >= 7).await;
    // The least that the waits before these can come to, a tenth of 100 ms, 200 ms, 400 ms and so on.
    assert!(begun.elapsed() > Duration::from_millis(600), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn a_start_without_the_server_serves_what_was_good() {
    let server = Server::start(false).await;
    server.script().document = Some(document("ann"));
    let folder = tempfile::tempdir().expect("a folder");
    let kept = || Settings { state_dir: Some(folder.path().to_owned()), ..settings() };
    let store = follow(&server, &json!({}), kept());
    until("kept", &store, |store| {
        store.sources()[0].copied.as_ref().is_some_and(|copied| copied.at.is_some())
    })
    .await;
    drop(store);
    server.script().always = Some(refused(403));
    let store = follow(&server, &json!({}), kept());
    until("from disk", &store, |store| is_on(store, "ann") == Some(true)).await;
    // The status says it a moment after the flags are there.
    until("stale", &store, |store| store.sources()[0].stale.is_some()).await;
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
async fn usage_is_not_told_unasked() {
    let server = Server::start(false).await;
    let store = loaded(&server, &json!({"reportInterval": 1})).await;
    let before = server.script().seen.len();
    until("polled", &store, |_| server.script().seen.len() >= before + 3).await;
    assert!(server.script().seen.iter().all(|(head, _)| head.method == "GET"));
}
