//! An override from the command line reaches everybody who listens, and so does its end.
#![allow(clippy::expect_used, clippy::panic)]

use std::time::Duration;

use proto::flagd::evaluation::v1::EventStreamRequest;
use proto::flagd::evaluation::v1::service_client::ServiceClient;
use proto::flagd::sync::v1::SyncFlagsRequest;
use proto::flagd::sync::v1::flag_sync_service_client::FlagSyncServiceClient;
use serde_json::{Value, json};
use tests::load::{channel, document};
use tests::world::{Daemon, DaemonOptions, http};
use tokio::sync::mpsc;

const PATIENCE: Duration = Duration::from_secs(15);

async fn next(news: &mut mpsc::UnboundedReceiver<Value>, who: &str) -> Value {
    match tokio::time::timeout(PATIENCE, news.recv()).await {
        Ok(Some(item)) => item,
        _ => panic!("{who} says nothing"),
    }
}

/// Every snapshot of a sync stream.
async fn follow_sync(port: u16) -> mpsc::UnboundedReceiver<Value> {
    let mut client = FlagSyncServiceClient::new(channel(port).await);
    let mut stream = client.sync_flags(SyncFlagsRequest::default()).await.expect("a stream").into_inner();
    let (tell, told) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok(Some(snapshot)) = stream.message().await {
            let _ = tell.send(serde_json::from_slice(&snapshot.flag_configuration).unwrap_or_default());
        }
    });
    told
}

/// What each `configuration_change` says of the flags.
async fn follow_events(port: u16) -> mpsc::UnboundedReceiver<Value> {
    let mut client = ServiceClient::new(channel(port).await);
    let mut stream = client.event_stream(EventStreamRequest {}).await.expect("a stream").into_inner();
    let ready = stream.message().await.expect("a healthy stream").expect("a first event");
    assert_eq!(ready.r#type, "provider_ready");
    let (tell, told) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok(Some(event)) = stream.message().await {
            if event.r#type == "configuration_change" {
                let _ = tell.send(serde_json::to_value(event.data).unwrap_or_default()["flags"].clone());
            }
        }
    });
    told
}

/// Asks for all flags; the status, and the ETag of the answer.
fn bulk(daemon: &Daemon, etag: &str) -> (u16, String) {
    let headers = [("content-type", "application/json"), ("if-none-match", etag)];
    let answer = http::send(daemon.ports().ofrep, "POST", "/ofrep/v1/evaluate/flags", &headers, b"{}");
    let answer = answer.expect("an answer");
    (answer.status, answer.header("etag").unwrap_or_default().to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_override_and_its_end_are_changes_to_everybody() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("flags.json");
    std::fs::write(&path, document(1).to_string()).expect("a writable file");
    let state = folder.path().join("state").display().to_string();
    let words = [format!("--uri=file:{}", path.display()), format!("--state-dir={state}")];
    let daemon = DaemonOptions::new(words).start();
    let mut snapshots = follow_sync(daemon.ports().sync).await;
    let mut events = follow_events(daemon.ports().evaluation).await;
    let before = next(&mut snapshots, "the sync stream").await;
    let (_, etag) = bulk(&daemon, "");
    assert_eq!(bulk(&daemon, &etag).0, 304);

    let words = ["override", "paired", "never", "--for", "3s", "--reason", "a test", "--state-dir", &state];
    let done = Daemon::run(&words);
    assert!(done.status.success(), "{done:?}");
    let during = next(&mut snapshots, "the sync stream").await;
    let (flag, metadata) = (&during["flags"]["paired"], &during["flags"]["paired"]["metadata"]);
    assert_eq!((&flag["defaultVariant"], &metadata["override"]), (&json!("never"), &json!("a test")));
    assert_eq!(during["flags"]["ruled"], before["flags"]["ruled"]);
    let changed = next(&mut events, "the event stream").await;
    assert_eq!(changed["paired"]["type"], "update", "{changed}");
    assert!(changed["ruled"].is_null(), "{changed}");
    let (status, overridden) = bulk(&daemon, &etag);
    assert!(status == 200 && overridden != etag, "{status}, {overridden}");

    // Three seconds later, with nobody to say so.
    assert_eq!(next(&mut snapshots, "the sync stream").await["flags"], before["flags"]);
    assert_eq!(next(&mut events, "the event stream").await["paired"]["type"], "update");
    assert_eq!(bulk(&daemon, &etag).0, 304, "all is as it was");
}
