//! The `grpc` source against a real gRPC server: the suite that every source passes, and what only streams can do wrong.

#![allow(clippy::expect_used, clippy::panic, reason = "a test that cannot go on says why")]

mod suite;
mod sync_server;

use std::time::Duration;

use hoist_store::State;
use serde_json::json;
use suite::{Backend, becomes, document, open, serves, until};
use sync_server::Grpc;

#[tokio::test]
async fn suite_over_tcp() {
    suite::play(Grpc::tcp(false).await).await;
}

#[tokio::test]
async fn suite_over_tls() {
    suite::play(Grpc::tcp(true).await).await;
}

#[tokio::test]
async fn suite_over_a_unix_socket() {
    let grpc = Grpc::unix();
    assert!(grpc.folder.path().exists());
    suite::play(grpc).await;
}

#[tokio::test]
async fn what_is_sent_is_what_was_configured() {
    let mut grpc = Grpc::tcp(false).await;
    let port = grpc.uri.rsplit(':').next().expect("a port").to_owned();
    grpc.uri = format!("envoy://127.0.0.1:{port}/flags.service");
    grpc.options = json!({"providerID": "me", "selector": "flagSetId=a", "headers": {"X-Token": "hunter2"}})
        .as_object()
        .cloned()
        .unwrap_or_default();
    grpc.put(&document("one"));
    let store = open(&grpc);
    serves(&store, "one").await;
    let (metadata, request) = grpc.sync.seen.lock().expect("no panic under it")[0].clone();
    assert_eq!(metadata.get("x-token").map(|value| value.as_bytes()), Some(b"hunter2".as_slice()));
    #[allow(deprecated, reason = "it is what flagd sends")]
    let sent = (request.provider_id.as_str(), request.selector.as_str());
    assert_eq!(sent, ("me", "flagSetId=a"));
    assert!(!format!("{:?}", store.sources()).contains("hunter2"));
}

#[tokio::test]
async fn a_message_beyond_the_limit_is_an_error_that_says_so() {
    let mut grpc = Grpc::tcp(false).await;
    grpc.options.insert("maxMsgSize".to_owned(), json!(64));
    grpc.put(&document("one"));
    let status = becomes(&open(&grpc), State::Unreachable).await;
    assert!(status.error.as_deref().is_some_and(|error| error.contains("maxMsgSize")), "{status:?}");
}

#[tokio::test]
async fn an_unknown_authority_is_not_trusted() {
    let mut grpc = Grpc::tcp(true).await;
    grpc.put(&document("one"));
    grpc.options.remove("certPath");
    let status = becomes(&open(&grpc), State::Unreachable).await;
    assert!(status.error.as_deref().is_some_and(|error| error.contains("certificate")), "{status:?}");
}

#[tokio::test]
async fn a_lost_stream_is_soon_there_again() {
    let mut grpc = Grpc::tcp(false).await;
    grpc.put(&document("one"));
    let store = open(&grpc);
    serves(&store, "one").await;
    for variant in ["two", "three", "four"] {
        let streams = grpc.streams();
        grpc.vanish();
        becomes(&store, State::Unreachable).await;
        serves(&store, if variant == "two" { "one" } else { "two" }).await;
        grpc.put(&document(if variant == "four" { "four" } else { "two" }));
        let lost = std::time::Instant::now();
        until("a new stream", &store, |store| {
            grpc.streams() > streams && store.sources()[0].state == State::Ok
        })
        .await;
        // flagd waits 4 s at the least.
        assert!(lost.elapsed() < Duration::from_secs(3), "{:?}", lost.elapsed());
    }
    serves(&store, "four").await;
}

#[tokio::test]
async fn increments_replace_only_the_sets_they_mention() {
    let mut grpc = Grpc::tcp(false).await;
    grpc.options.insert("incrementalUpdates".to_owned(), json!(true));
    let payload = |set: &str, key: &str| {
        let flag = json!({"state": "ENABLED", "variants": {"on": true}, "defaultVariant": "on"});
        json!({"metadata": {"flagSetId": set}, "flags": {key: flag}}).to_string()
    };
    grpc.put(&payload("x", "first"));
    let store = open(&grpc);
    until("the first set", &store, |store| store.sources()[0].flags == 1).await;
    grpc.put(&payload("y", "second"));
    until("both sets", &store, |store| store.sources()[0].flags == 2).await;
    grpc.put(&payload("x", "third"));
    until("the first set replaced", &store, |store| {
        let snapshot = store.read();
        let keys: Vec<_> = snapshot.flags().iter().map(|flag| flag.key()).collect();
        keys == ["third", "second"]
    })
    .await;
}
