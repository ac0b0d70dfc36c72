//! The stream of version 2: what it brings, and what happens when it does not.

#![allow(clippy::expect_used, clippy::panic, reason = "a test that cannot go on says why")]

mod flipt;

use std::time::{Duration, SystemTime};

use engine::{Bump, Context, Question, Selector, Type, Value};
use flipt::{Flipt, Streams, by_region};
use hoist_provider_flipt::source::KIND;
use serde_json::{Map, Value as Json, json};
use store::{Origin, Settings, State, Store};

const STREAM: &str = "/stream";
const SNAPSHOT: &str = "/snapshot/";

/// Follows a server that is asked every hour, so that what comes sooner came by the stream, or by the watchdog if it is not an
/// hour too.
fn follow(server: &Flipt, options: Json) -> Store {
    let mut all: Map<String, Json> =
        json!({"interval": 3600, "watchdogS": 3600, "timeoutS": 5}).as_object().expect("an object").clone();
    all.extend(options.as_object().cloned().unwrap_or_default());
    let origin = Origin::new("flipt", &server.url(), all);
    let source = (KIND.build)(&origin).expect("a source");
    let settings = Settings { max_bytes: 1 << 20, ..Settings::new(SystemTime::now) };
    Store::open(settings, vec![(origin, source)])
}

fn is_on(store: &Store, region: &str) -> bool {
    let snapshot = store.read();
    let Some(flag) = snapshot.find(&Selector::Any, "shop") else { return false };
    let attributes = [("targetingKey", Value::Str("ann")), ("region", Value::Str(region))];
    let (context, bump) = (Context::new(&attributes), Bump::new());
    let question = Question { want: Type::Bool, context: &context, now: 0, bump: &bump, bulk: false };
    flag.answer(&question, &mut ()).ok().and_then(|answer| answer.variant?.value().as_bool()) == Some(true)
}

async fn until(what: &str, store: &Store, holds: impl Fn(&Store) -> bool) {
    for _ in 0..1_500 {
        if holds(store) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{what}: {:#?}", store.sources());
}

async fn streaming(server: &Flipt, store: &Store) {
    until("loaded", store, |store| is_on(store, "eu")).await;
    until("streaming", store, |_| server.script().open_streams == 1).await;
}

#[tokio::test]
async fn changes_come_as_they_happen() {
    let server = Flipt::start(json!([by_region("eu")])).await;
    let store = follow(&server, Json::Null);
    streaming(&server, &store).await;
    // The first message is what is known already.
    assert_eq!((server.asked(STREAM)[0].query.as_str(), store.sources()[0].accepted), ("", 1));
    for region in ["us", "uk", "eu"] {
        server.set(json!([by_region(region)]));
        until(region, &store, |store| is_on(store, region)).await;
    }
    assert_eq!(
        (server.asked(STREAM).len(), server.asked(SNAPSHOT).len()),
        (1, 1),
        "one connection, one question"
    );
    drop(store);
    for _ in 0..1_500 {
        if server.script().open_streams == 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the stream outlives the store");
}

#[tokio::test]
async fn a_server_without_streams_is_polled_and_left_alone() {
    let server = Flipt::start(json!([by_region("eu")])).await;
    server.script().streams = Streams::Absent;
    let store = follow(&server, json!({"interval": 1}));
    until("loaded", &store, |store| is_on(store, "eu")).await;
    server.set(json!([by_region("us")]));
    until("polled", &store, |store| is_on(store, "us")).await;
    until("polled again", &store, |_| server.script().not_modified > 1).await;
    assert_eq!(server.asked(STREAM).len(), 1, "asked once whether there are streams");
    assert_eq!(store.sources()[0].state, State::Ok, "having no streams is no fault");
}

#[tokio::test]
async fn a_dead_stream_is_found_out_and_opened_anew() {
    let server = Flipt::start(json!([by_region("eu")])).await;
    server.script().streams = Streams::Dead;
    let store = follow(&server, json!({"watchdogS": 1}));
    streaming(&server, &store).await;
    until("nothing missed", &store, |_| server.script().not_modified > 0).await;
    assert_eq!(server.asked(STREAM).len(), 1, "silence alone is no reason");
    server.script().streams = Streams::Well;
    server.set(json!([by_region("us")]));
    until("seen all the same", &store, |store| is_on(store, "us")).await;
    until("opened anew", &store, |_| server.asked(STREAM).len() == 2).await;
    server.set(json!([by_region("uk")]));
    until("streamed again", &store, |store| is_on(store, "uk")).await;
}

#[tokio::test]
async fn no_fault_of_the_stream_takes_flags_away_or_becomes_a_storm() {
    for streams in [Streams::Cut, Streams::Complains, Streams::Endless] {
        let server = Flipt::start(json!([by_region("eu")])).await;
        server.script().streams = streams;
        let store = follow(&server, Json::Null);
        until("loaded", &store, |store| is_on(store, "eu")).await;
        until("streaming", &store, |_| !server.asked(STREAM).is_empty()).await;
        server.set(json!([by_region("us")]));
        // The change is taken by asking, which follows the end of a stream.
        until(&format!("{streams:?}: seen"), &store, |store| is_on(store, "us")).await;
        let before = server.asked("/").len();
        tokio::time::sleep(Duration::from_secs(3)).await;
        let asked = server.asked("/").len() - before;
        assert!(asked <= 6, "{streams:?}: {asked} requests in three seconds");
        assert_eq!(store.sources()[0].state, State::Ok, "{streams:?}: {:?}", store.sources()[0].error);
    }
}

#[tokio::test]
async fn a_refused_token_keeps_what_there_is_and_is_told() {
    let server = Flipt::start(json!([by_region("eu")])).await;
    let store = follow(&server, json!({"watchdogS": 1}));
    streaming(&server, &store).await;
    server.script().refuse = Some(401);
    until("told", &store, |store| store.sources()[0].state == State::Unreachable).await;
    assert!(is_on(&store, "eu"));
    server.script().refuse = None;
    server.set(json!([by_region("us")]));
    until("back", &store, |store| is_on(store, "us") && store.sources()[0].state == State::Ok).await;
}
