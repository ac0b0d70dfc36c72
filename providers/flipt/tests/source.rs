//! The source against a server whose every answer the test decides: what is asked, what is told, and what no fault does.

#![allow(clippy::expect_used, clippy::panic, reason = "a test that cannot go on says why")]

extern crate store as hoist_store;

#[path = "../../../store/tests/server/mod.rs"]
mod server;
#[path = "../../../store/tests/suite/mod.rs"]
mod suite;
#[path = "../../../store/tests/vendor/mod.rs"]
mod vendor;

use engine::Selector;
use hoist_provider_flipt::source::KIND;
use serde_json::{Map, Value as Json, json};
use server::{Answer, Server};
use store::{Followed, Origin, Settings, Store};
use suite::until;
use vendor::{Backend, Vendor, json_answer, keeps_flags_through, loaded_within, options, refusals, settings};

const DIGEST: &str = "0123456789012345678901234567890123456789";

struct Flipt;

impl Vendor for Flipt {
    const FLAG: &'static str = "flag";

    fn document(user: &str) -> String {
        let constraint = json!({"type": "ENTITY_ID_CONSTRAINT_COMPARISON_TYPE", "property": "entityId", "operator": "eq", "value": user});
        let segment =
            json!({"key": "them", "matchType": "ALL_SEGMENT_MATCH_TYPE", "constraints": [constraint]});
        json!({"digest": DIGEST.replace('9', user), "namespace": {"key": "shop"}, "flags": [{
            "key": "flag", "type": "BOOLEAN_FLAG_TYPE", "enabled": false, "rules": [], "rollouts": [
                {"type": "SEGMENT_ROLLOUT_TYPE", "rank": 1, "segment": {"value": true, "segments": [segment]}}],
        }]})
        .to_string()
    }

    fn followed(server: &Server, more: &Json) -> Followed {
        let all = options(json!({"authHeader": "Bearer s3cret", "interval": 1, "streaming": false}), more);
        let origin = Origin::new("flipt", &server.url(""), all);
        let source = (KIND.build)(&origin).expect("a source");
        (origin, source)
    }

    fn with_flags(flags: &Map<String, Json>) -> Json {
        let flags = flags.iter().map(|(key, flag)| {
            json!({"key": key, "type": "VARIANT_FLAG_TYPE", "enabled": true, "rules": [], "rollouts": [],
                "defaultVariant": {"id": "1", "key": flag["defaultVariant"], "attachment": ""}})
        });
        json!({"digest": "", "namespace": {"key": "default"}, "flags": flags.collect::<Vec<_>>()})
    }
}

fn document(user: &str) -> String {
    Flipt::document(user)
}

fn follow(server: &Server, options: Json) -> Store {
    vendor::follow::<Flipt>(server, &options, settings())
}

fn is_on(store: &Store, user: &str) -> Option<bool> {
    vendor::is_on::<Flipt>(store, user)
}

#[tokio::test]
async fn suite_over_flipt() {
    suite::play(Backend::<Flipt>::start(json!({})).await).await;
}

#[tokio::test]
async fn it_asks_for_its_namespace_and_only_once_for_what_it_has() {
    let server = Server::start(false).await;
    server.script().document = Some(document("ann"));
    let store = follow(&server, json!({"environment": "production", "namespace": "shop"}));
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
    vendor::comes_round::<Flipt>(&json!({})).await;
}

#[tokio::test]
async fn no_fault_takes_flags_away_and_each_is_seen_as_stale() {
    let server = Server::start(false).await;
    let settings = Settings { max_bytes: 200_000, ..settings() };
    let store = loaded_within::<Flipt>(&server, &json!({"timeoutS": 1}), settings).await;
    keeps_flags_through::<Flipt>(&server, &store, &refusals()).await;
    let faults = [
        Answer::Status(404, vec![], "{}".to_owned()),
        json_answer("{\"flags\": ["),
        json_answer("{}"),
        json_answer(format!("{{\"flags\": [\"{}\"]}}", "x".repeat(200_000))),
        Answer::Endless,
        Answer::Hang,
    ];
    keeps_flags_through::<Flipt>(&server, &store, &faults).await;
}

#[tokio::test]
async fn a_server_that_asks_for_rest_gets_it() {
    vendor::rests::<Flipt>(&json!({"streaming": true})).await;
}

#[tokio::test]
async fn a_start_without_the_server_serves_what_was_good() {
    vendor::serves_what_was_good::<Flipt>(&json!({})).await;
}
