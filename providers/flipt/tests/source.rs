//! The source against a server whose every answer the test decides: what is asked, and what no fault does.

#![allow(clippy::expect_used, clippy::panic, reason = "a test that cannot go on says why")]

extern crate store as hoist_store;

#[path = "../../../store/tests/server/mod.rs"]
mod server;
#[path = "../../../store/tests/suite/mod.rs"]
mod suite;

use std::time::{Duration, SystemTime};

use engine::{Bump, Context, Question, Selector, Type, Value};
use hoist_provider_flipt::source::KIND;
use serde_json::{Map, Value as Json, json};
use server::{Answer, Server};
use store::{Origin, Settings, State, Store};

const DIGEST: &str = "0123456789012345678901234567890123456789";

/// A flag that is on for the user `ann`.
fn document(user: &str) -> String {
    let constraint = json!({"type": "ENTITY_ID_CONSTRAINT_COMPARISON_TYPE", "property": "entityId", "operator": "eq", "value": user});
    let segment = json!({"key": "them", "matchType": "ALL_SEGMENT_MATCH_TYPE", "constraints": [constraint]});
    json!({"digest": DIGEST.replace('9', user), "namespace": {"key": "shop"}, "flags": [{
        "key": "flag", "type": "BOOLEAN_FLAG_TYPE", "enabled": false, "rules": [], "rollouts": [
            {"type": "SEGMENT_ROLLOUT_TYPE", "rank": 1, "segment": {"value": true, "segments": [segment]}}],
    }]})
    .to_string()
}

fn follow(server: &Server, options: Json) -> Store {
    follow_with(server, options, Settings::new(SystemTime::now))
}

fn follow_with(server: &Server, options: Json, settings: Settings) -> Store {
    let fixed =
        json!({"authHeader": "Bearer s3cret", "interval": 1, "streaming": false, "namespace": "shop"});
    let mut all: Map<String, Json> = fixed.as_object().expect("an object").clone();
    all.extend(options.as_object().cloned().unwrap_or_default());
    let origin = Origin::new("flipt", &server.url(""), all);
    let source = (KIND.build)(&origin).expect("a source");
    Store::open(settings, vec![(origin, source)])
}

fn is_on(store: &Store, user: &str) -> Option<bool> {
    let snapshot = store.read();
    let flag = snapshot.find(&Selector::Any, "flag")?;
    let attributes = [("targetingKey", Value::Str(user))];
    let (context, bump) = (Context::new(&attributes), Bump::new());
    let question = Question { want: Type::Bool, context: &context, now: 0, bump: &bump, bulk: false };
    flag.answer(&question, &mut ()).ok()?.variant?.value().as_bool()
}

async fn until(what: &str, store: &Store, holds: impl Fn(&Store) -> bool) {
    for _ in 0..1_500 {
        if holds(store) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("{what}: {:#?}", store.sources());
}

/// A Flipt that has what the suite wants to see, in its own words.
struct Backend(Server);

impl suite::Backend for Backend {
    fn follow(&self) -> (Origin, Box<dyn store::Source>) {
        let options = json!({"interval": 1, "streaming": false}).as_object().expect("an object").clone();
        let origin = Origin::new("flipt", &self.0.url(""), options);
        let source = (KIND.build)(&origin).expect("a source");
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

/// A flag document of the suite as one of Flipt. What follows the document stays.
fn translated(document: &str) -> Option<String> {
    let read: Json = serde_json::from_str(document).ok()?;
    let flags = read["flags"].as_object()?.iter();
    let flags: Vec<Json> = flags
        .map(|(key, flag)| {
            json!({"key": key, "type": "VARIANT_FLAG_TYPE", "enabled": true, "rules": [], "rollouts": [],
                "defaultVariant": {"id": "1", "key": flag["defaultVariant"], "attachment": ""}})
        })
        .collect();
    let rest = &document[document.trim_end().len()..];
    Some(json!({"digest": "", "namespace": {"key": "default"}, "flags": flags}).to_string() + rest)
}

#[tokio::test]
async fn suite_over_flipt() {
    suite::play(Backend(Server::start(false).await)).await;
}

#[tokio::test]
async fn it_asks_for_its_namespace_and_only_once_for_what_it_has() {
    let server = Server::start(false).await;
    server.script().document = Some(document("ann"));
    let store = follow(&server, json!({"environment": "production"}));
    until("loaded", &store, |store| is_on(store, "ann") == Some(true)).await;
    assert_eq!(is_on(&store, "bob"), Some(false));
    until("not modified", &store, |_| server.script().not_modified > 0).await;
    {
        let script = server.script();
        let (head, _) = &script.seen[0];
        assert_eq!(head.uri.path(), "/internal/v1/evaluation/snapshot/namespace/shop");
        for (name, value) in [
            ("authorization", "Bearer s3cret"),
            ("x-flipt-environment", "production"),
            ("x-flipt-accept-server-version", "1.47.0"),
        ] {
            assert_eq!(head.headers[name], value);
        }
    }
    server.script().document = Some(document("bob"));
    until("changed", &store, |store| is_on(store, "bob") == Some(true)).await;
    let snapshot = store.read();
    let flag = snapshot.find(&Selector::FlagSet("shop"), "flag").expect("the namespace is the flag set");
    let metadata: Json = serde_json::from_str(flag.metadata().json()).expect("JSON");
    assert_eq!(metadata["flipt.environment"], "production");
}

#[tokio::test]
async fn down_at_the_start_it_comes_round() {
    let server = Server::start(false).await;
    server.script().always = Some(Answer::Status(503, vec![], String::new()));
    let store = follow(&server, Json::Null);
    until("unreachable", &store, |store| store.sources()[0].state == State::Unreachable).await;
    assert!(!store.ready());
    server.script().always = None;
    server.script().document = Some(document("ann"));
    until("loaded", &store, |store| is_on(store, "ann") == Some(true)).await;
}

#[tokio::test]
async fn no_fault_takes_flags_away_and_each_is_seen_as_stale() {
    let server = Server::start(false).await;
    server.script().document = Some(document("ann"));
    let mut settings = Settings::new(SystemTime::now);
    settings.stale_after = Duration::from_millis(200);
    settings.max_bytes = 200_000;
    let store = follow_with(&server, json!({"timeoutS": 1}), settings);
    until("loaded", &store, |store| is_on(store, "ann") == Some(true)).await;
    let json =
        |body: String| Answer::Status(200, vec![("content-type", "application/json".to_owned())], body);
    let faults = [
        Answer::Status(401, vec![], "{\"code\":16,\"message\":\"no\",\"details\":[]}".to_owned()),
        Answer::Status(403, vec![], "{}".to_owned()),
        Answer::Status(404, vec![], "{}".to_owned()),
        Answer::Status(500, vec![], String::new()),
        json("{\"flags\": [".to_owned()),
        json("{}".to_owned()),
        json("[]".to_owned()),
        json(format!("{{\"flags\": [\"{}\"]}}", "x".repeat(200_000))),
        Answer::Truncated,
        Answer::Endless,
        Answer::Hang,
    ];
    for fault in faults {
        let name = format!("{fault:?}").chars().take(100).collect::<String>();
        server.script().always = Some(fault);
        until(&name, &store, |store| store.sources()[0].state != State::Ok).await;
        until(&name, &store, |store| store.sources()[0].stale.is_some()).await;
        assert_eq!(is_on(&store, "ann"), Some(true), "{name}");
        let error = store.sources()[0].error.clone().unwrap_or_default();
        assert!(!error.is_empty() && !error.contains("s3cret"), "{name}: {error}");
        server.script().always = None;
        until(&name, &store, |store| store.sources()[0].state == State::Ok).await;
        until(&name, &store, |store| store.sources()[0].stale.is_none()).await;
    }
}

#[tokio::test]
async fn a_server_that_asks_for_rest_gets_it() {
    let server = Server::start(false).await;
    server.script().always = Some(Answer::Status(429, vec![("retry-after", "2".to_owned())], String::new()));
    let store = follow(&server, json!({"streaming": true}));
    until("refused", &store, |store| store.sources()[0].state == State::Unreachable).await;
    let before = server.script().seen.len();
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    assert_eq!(server.script().seen.len(), before, "no retry within two seconds");
    server.script().always = None;
    server.script().document = Some(document("ann"));
    until("loaded", &store, |store| is_on(store, "ann") == Some(true)).await;
}

#[tokio::test]
async fn a_start_without_the_server_serves_what_was_good() {
    let server = Server::start(false).await;
    server.script().document = Some(document("ann"));
    let folder = tempfile::tempdir().expect("a folder");
    let kept = || Settings { state_dir: Some(folder.path().to_owned()), ..Settings::new(SystemTime::now) };
    let store = follow_with(&server, Json::Null, kept());
    until("kept", &store, |store| {
        store.sources()[0].copied.as_ref().is_some_and(|copied| copied.at.is_some())
    })
    .await;
    drop(store);
    server.script().always = Some(Answer::Status(503, vec![], String::new()));
    let store = follow_with(&server, Json::Null, kept());
    until("from disk", &store, |store| is_on(store, "ann") == Some(true)).await;
    assert!(store.sources()[0].stale.is_some());
}
