//! The source against a server whose every answer the test decides: what is asked, what is told, and what no fault does.

#![allow(clippy::expect_used, clippy::panic, reason = "a test that cannot go on says why")]

extern crate store as hoist_store;

#[path = "../../../store/tests/server/mod.rs"]
mod server;
#[path = "../../../store/tests/suite/mod.rs"]
mod suite;

use std::time::{Duration, SystemTime};

use engine::{Bump, Context, Question, Selector, Type, Value};
use serde_json::{Map, Value as Json, json};
use server::{Answer, Server};
use store::{Origin, Settings, State, Store};

/// A flag that is on for the user `ann`.
fn document(user: &str) -> String {
    json!({"version": 2, "features": [{
        "name": "shop", "type": "release", "enabled": true, "project": "default", "stale": false, "impressionData": false,
        "strategies": [{"name": "default", "parameters": {},
            "constraints": [{"contextName": "userId", "operator": "IN", "values": [user]}]}],
        "variants": [],
    }]})
    .to_string()
}

fn follow(server: &Server, options: Json) -> Store {
    follow_with(server, options, Settings::new(SystemTime::now))
}

fn follow_with(server: &Server, options: Json, settings: Settings) -> Store {
    let mut all = Map::new();
    for (name, value) in [("authHeader", json!("default:development.s3cret")), ("interval", json!(1))] {
        all.insert(name.to_owned(), value);
    }
    all.extend(options.as_object().expect("an object").clone());
    let origin = Origin::new("unleash", &server.url("/api"), all);
    let source = (hoist_provider_unleash::source::KIND.build)(&origin).expect("a source");
    Store::open(settings, vec![(origin, source)])
}

fn is_on(store: &Store, user: &str) -> Option<bool> {
    let snapshot = store.read();
    let flag = snapshot.find(&Selector::Any, "shop")?;
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

fn quiet() -> Json {
    json!({"reportUsage": false})
}

/// An Unleash that has what the suite wants to see, in its own words.
struct Backend(Server);

impl suite::Backend for Backend {
    fn follow(&self) -> (Origin, Box<dyn store::Source>) {
        let options = json!({"interval": 1, "reportUsage": false}).as_object().expect("an object").clone();
        let origin = Origin::new("unleash", &self.0.url("/api"), options);
        let source = (hoist_provider_unleash::source::KIND.build)(&origin).expect("a source");
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

/// A flag document of the suite as one of Unleash: the default variant is the flag's only one. What follows the document stays.
fn translated(document: &str) -> Option<String> {
    let read: Json = serde_json::from_str(document).ok()?;
    let features: Vec<Json> = read["flags"]
        .as_object()?
        .iter()
        .map(|(key, flag)| {
            let variant = json!({"name": flag["defaultVariant"], "weight": 1000, "weightType": "variable"});
            json!({"name": key, "enabled": true, "strategies": [{"name": "default"}], "variants": [variant]})
        })
        .collect();
    let rest = &document[document.trim_end().len()..];
    Some(json!({"version": 2, "features": features}).to_string() + rest)
}

#[tokio::test]
async fn suite_over_unleash() {
    suite::play(Backend(Server::start(false).await)).await;
}

fn check_heads(server: &Server) {
    let script = server.script();
    let (head, _) = &script.seen[0];
    assert_eq!(head.uri.path(), "/api/client/features");
    for (name, value) in [
        ("authorization", "default:development.s3cret"),
        ("unleash-client-spec", "6.1.0"),
        ("unleash-appname", "hoistd"),
        ("unleash-interval", "1000"),
    ] {
        assert_eq!(head.headers[name], value);
    }
    assert!(head.headers["unleash-sdk"].to_str().is_ok_and(|sdk| sdk.starts_with("hoist-unleash:")));
    let id = head.headers["unleash-connection-id"].clone();
    assert!(script.seen.iter().all(|(head, _)| head.headers["unleash-connection-id"] == id));
}

#[tokio::test]
async fn it_asks_as_an_sdk_does_and_only_once_for_what_it_has() {
    let server = Server::start(false).await;
    server.script().document = Some(document("ann"));
    let store = follow(&server, quiet());
    until("loaded", &store, |store| is_on(store, "ann") == Some(true)).await;
    assert_eq!(is_on(&store, "bob"), Some(false));
    until("not modified", &store, |_| server.script().not_modified > 0).await;
    check_heads(&server);
    server.script().document = Some(document("bob"));
    until("changed", &store, |store| is_on(store, "bob") == Some(true)).await;
}

#[tokio::test]
async fn gitlab_is_asked_by_its_own_headers() {
    let server = Server::start(false).await;
    server.script().document = Some(document("ann"));
    let options = json!({"authHeader": null, "instanceId": "glffct-s3cret", "appName": "production", "reportUsage": false});
    let store = follow(&server, options);
    until("loaded", &store, |store| is_on(store, "ann") == Some(true)).await;
    let script = server.script();
    let (head, _) = &script.seen[0];
    assert_eq!(
        (&head.headers["unleash-appname"], &head.headers["unleash-instanceid"]),
        (&"production".parse().expect("a value"), &"glffct-s3cret".parse().expect("a value"),)
    );
    assert!(!head.headers.contains_key("authorization"));
}

#[tokio::test]
async fn usage_is_told_added_up() {
    let server = Server::start(false).await;
    server.script().document = Some(document("ann"));
    let store = follow(&server, json!({"reportInterval": 1}));
    until("loaded", &store, |store| is_on(store, "ann") == Some(true)).await;
    for _ in 0..4 {
        assert_eq!(is_on(&store, "bob"), Some(false));
    }
    let posted = |path: &str| -> Vec<Json> {
        let script = server.script();
        let seen = script.seen.iter().filter(|(head, _)| head.uri.path() == path);
        seen.map(|(_, body)| serde_json::from_str(body).expect("JSON")).collect()
    };
    until("reported", &store, |_| !posted("/api/client/metrics").is_empty()).await;
    let registered = posted("/api/client/register");
    assert_eq!((registered.len(), &registered[0]["appName"]), (1, &json!("hoistd")));
    let sum = |name: &str| -> u64 {
        posted("/api/client/metrics")
            .iter()
            .filter_map(|body| body["bucket"]["toggles"]["shop"][name].as_u64())
            .sum()
    };
    // Whoever polls for the answer asks too.
    assert_eq!((sum("no"), sum("yes") >= 1), (4, true));
    let first = &posted("/api/client/metrics")[0]["bucket"];
    assert!(
        first["start"].as_str() < first["stop"].as_str()
            && first["stop"].as_str().is_some_and(|at| at.ends_with('Z'))
    );
}

#[tokio::test]
async fn no_fault_takes_flags_away_and_each_is_seen() {
    let server = Server::start(false).await;
    server.script().document = Some(document("ann"));
    let mut settings = Settings::new(SystemTime::now);
    settings.stale_after = Duration::from_millis(200);
    let store = follow_with(&server, quiet(), settings);
    until("loaded", &store, |store| is_on(store, "ann") == Some(true)).await;
    let faults = [
        Answer::Status(401, vec![], "{}".to_owned()),
        Answer::Status(403, vec![], "{}".to_owned()),
        Answer::Status(500, vec![], String::new()),
        Answer::Status(
            200,
            vec![("content-type", "application/json".to_owned())],
            "{\"features\": [".to_owned(),
        ),
        Answer::Status(200, vec![("content-type", "application/json".to_owned())], "[]".to_owned()),
        Answer::Truncated,
    ];
    for fault in faults {
        let name = format!("{fault:?}");
        server.script().always = Some(fault);
        until(&name, &store, |store| store.sources()[0].state != State::Ok).await;
        until(&name, &store, |store| store.sources()[0].stale.is_some()).await;
        assert_eq!(is_on(&store, "ann"), Some(true), "{name}");
        assert!(store.sources()[0].error.is_some(), "{name}");
        let error = store.sources()[0].error.clone().unwrap_or_default();
        assert!(!error.contains("s3cret"), "{error}");
        server.script().always = None;
        until(&name, &store, |store| store.sources()[0].state == State::Ok).await;
        until(&name, &store, |store| store.sources()[0].stale.is_none()).await;
    }
}

#[tokio::test]
async fn a_server_that_asks_for_rest_gets_it() {
    let server = Server::start(false).await;
    server.script().always = Some(Answer::Status(429, vec![("retry-after", "2".to_owned())], String::new()));
    let store = follow(&server, quiet());
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
    let store = follow_with(&server, quiet(), kept());
    until("kept", &store, |store| {
        store.sources()[0].copied.as_ref().is_some_and(|copied| copied.at.is_some())
    })
    .await;
    drop(store);
    server.script().always = Some(Answer::Status(503, vec![], String::new()));
    let store = follow_with(&server, quiet(), kept());
    until("from disk", &store, |store| is_on(store, "ann") == Some(true)).await;
    assert!(store.sources()[0].stale.is_some());
}

#[tokio::test]
async fn changes_are_folded_where_the_server_sends_them() {
    let server = Server::start(false).await;
    let feature: Json = serde_json::from_str::<Json>(&document("ann")).expect("JSON")["features"][0].clone();
    let events =
        json!({"events": [{"type": "hydration", "eventId": 1, "features": [feature], "segments": []}]});
    server.script().document = Some(events.to_string());
    let store = follow(&server, json!({"delta": true, "reportUsage": false}));
    until("hydrated", &store, |store| is_on(store, "ann") == Some(true)).await;
    assert_eq!(server.script().seen[0].0.uri.path(), "/api/client/delta");
    let feature: Json = serde_json::from_str::<Json>(&document("bob")).expect("JSON")["features"][0].clone();
    let events = json!({"events": [{"type": "feature-updated", "eventId": 2, "feature": feature}]});
    server.script().document = Some(events.to_string());
    until("updated", &store, |store| is_on(store, "bob") == Some(true)).await;
}
