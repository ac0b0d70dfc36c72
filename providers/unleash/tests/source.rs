//! The source against a server whose every answer the test decides: what is asked, what is told, and what no fault does.

#![allow(clippy::expect_used, clippy::panic, reason = "a test that cannot go on says why")]

extern crate store as hoist_store;

#[path = "../../../store/tests/server/mod.rs"]
mod server;
#[path = "../../../store/tests/suite/mod.rs"]
mod suite;
#[path = "../../../store/tests/vendor/mod.rs"]
mod vendor;

use hoist_provider_unleash::source::KIND;
use serde_json::{Map, Value as Json, json};
use server::Server;
use store::{Followed, Origin, Store};
use suite::until;
use vendor::{Backend, Vendor, json_answer, keeps_flags_through, loaded, options, refusals, settings};

struct Unleash;

impl Vendor for Unleash {
    const FLAG: &'static str = "shop";

    fn document(user: &str) -> String {
        json!({"version": 2, "features": [{
            "name": "shop", "type": "release", "enabled": true, "project": "default", "stale": false, "impressionData": false,
            "strategies": [{"name": "default", "parameters": {},
                "constraints": [{"contextName": "userId", "operator": "IN", "values": [user]}]}],
            "variants": [],
        }]})
        .to_string()
    }

    fn followed(server: &Server, more: &Json) -> Followed {
        let all = options(json!({"authHeader": "default:development.s3cret", "interval": 1}), more);
        let origin = Origin::new("unleash", &server.url("/api"), all);
        let source = (KIND.build)(&origin).expect("a source");
        (origin, source)
    }

    fn with_flags(flags: &Map<String, Json>) -> Json {
        let features = flags.iter().map(|(key, flag)| {
            let variant = json!({"name": flag["defaultVariant"], "weight": 1000, "weightType": "variable"});
            json!({"name": key, "enabled": true, "strategies": [{"name": "default"}], "variants": [variant]})
        });
        json!({"version": 2, "features": features.collect::<Vec<_>>()})
    }
}

fn document(user: &str) -> String {
    Unleash::document(user)
}

fn follow(server: &Server, options: Json) -> Store {
    vendor::follow::<Unleash>(server, &options, settings())
}

fn is_on(store: &Store, user: &str) -> Option<bool> {
    vendor::is_on::<Unleash>(store, user)
}

fn quiet() -> Json {
    json!({"reportUsage": false})
}

#[tokio::test]
async fn suite_over_unleash() {
    suite::play(Backend::<Unleash>::start(quiet()).await).await;
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
    let store = loaded::<Unleash>(&server, &quiet()).await;
    keeps_flags_through::<Unleash>(&server, &store, &refusals()).await;
    keeps_flags_through::<Unleash>(&server, &store, &[json_answer("{\"features\": [")]).await;
}

#[tokio::test]
async fn down_at_the_start_it_comes_round() {
    vendor::comes_round::<Unleash>(&quiet()).await;
}

#[tokio::test]
async fn a_server_that_asks_for_rest_gets_it() {
    vendor::rests::<Unleash>(&quiet()).await;
}

#[tokio::test]
async fn a_start_without_the_server_serves_what_was_good() {
    vendor::serves_what_was_good::<Unleash>(&quiet()).await;
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
