//! Flags change under constant load on every protocol: no request fails, no answer is torn, every change is told.
//!
//! `HOIST_REWRITES` sets how often the file is rewritten (300 unless told).
#![allow(clippy::expect_used, clippy::panic, clippy::print_stdout)]

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use proto::flagd::evaluation::v1::EventStreamRequest;
use proto::flagd::evaluation::v1::service_client::ServiceClient;
use proto::flagd::sync::v1::SyncFlagsRequest;
use proto::flagd::sync::v1::flag_sync_service_client::FlagSyncServiceClient;
use tests::load::{Load, channel, document};
use tests::world::{DaemonOptions, Ports, another_daemon};
use tokio::sync::mpsc;

/// How long a change may take to be told.
const PATIENCE: Duration = Duration::from_secs(15);

#[tokio::test(flavor = "multi_thread")]
async fn rewrites_under_load_lose_nothing() {
    let rewrites = std::env::var("HOIST_REWRITES").ok().and_then(|n| n.parse().ok()).unwrap_or(300);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("flags.json");
    std::fs::write(&path, document(1).to_string()).expect("a writable file");
    let daemon = DaemonOptions::new(["-f".to_owned(), format!("file:{}", path.display())]).start();
    let written = Arc::new(AtomicU64::new(1));
    let mut events = follow_events(daemon.ports()).await;
    let mut versions = follow_sync(daemon.ports()).await;
    let load = Load::start(daemon.ports(), Arc::clone(&written)).await;

    for version in 2..=rewrites + 1 {
        written.store(version, Ordering::SeqCst);
        rewrite(&path, version);
        told(&mut events, "the event stream", version).await;
        let synced = told(&mut versions, "the sync stream", version).await;
        assert_eq!(synced, version, "the sync stream brought another version");
    }

    let mut tallies = load.finish().await;
    for tally in &mut tallies {
        println!("{}: {} answers, {} wrong", tally.client, tally.answers, tally.wrong.len());
        if another_daemon() {
            // flagd 0.16.1 lists the flags and then looks up each again, maybe in a later version.
            tally.wrong.retain(|wrong| !wrong.starts_with("torn"));
        }
    }
    for tally in &tallies {
        assert!(tally.wrong.is_empty(), "{}: {:#?}", tally.client, tally.wrong);
        assert!(tally.answers > 0, "{} was never answered", tally.client);
    }
    assert!(events.try_recv().is_err(), "an event came without a change");
}

/// In turn: over the old content, by renaming, and in two halves, as a careless writer does.
fn rewrite(path: &Path, version: u64) {
    let text = document(version).to_string();
    match version % 3 {
        0 => std::fs::write(path, text).expect("a writable file"),
        1 => {
            let next = path.with_extension("next");
            std::fs::write(&next, text).expect("a writable file");
            std::fs::rename(next, path).expect("a file that can be replaced");
        }
        _ => {
            let (head, tail) = text.split_at(text.len() / 2);
            std::fs::write(path, head).expect("a writable file");
            let mut file = std::fs::OpenOptions::new().append(true).open(path).expect("a writable file");
            std::io::Write::write_all(&mut file, tail.as_bytes()).expect("a writable file");
        }
    }
}

async fn told<T>(news: &mut mpsc::UnboundedReceiver<T>, who: &str, version: u64) -> T {
    match tokio::time::timeout(PATIENCE, news.recv()).await {
        Ok(Some(item)) => item,
        Ok(None) => panic!("{who} ended before version {version}"),
        Err(_) => panic!("{who} said nothing of version {version}"),
    }
}

/// One item per `configuration_change`; each must name both flags.
async fn follow_events(ports: Ports) -> mpsc::UnboundedReceiver<()> {
    let mut client = ServiceClient::new(channel(ports.evaluation).await);
    let mut stream = client.event_stream(EventStreamRequest {}).await.expect("an event stream").into_inner();
    let ready = stream.message().await.expect("a healthy stream").expect("a first event");
    assert_eq!(ready.r#type, "provider_ready");
    let (tell, told) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok(Some(event)) = stream.message().await {
            if event.r#type != "configuration_change" {
                continue;
            }
            let told = serde_json::to_value(event.data).unwrap_or_default();
            for flag in ["paired", "ruled"] {
                assert_eq!(told["flags"][flag]["type"], "update", "{told}");
            }
            if tell.send(()).is_err() {
                return;
            }
        }
    });
    told
}

/// The version of every snapshot after the first.
async fn follow_sync(ports: Ports) -> mpsc::UnboundedReceiver<u64> {
    let mut client = FlagSyncServiceClient::new(channel(ports.sync).await);
    let mut stream =
        client.sync_flags(SyncFlagsRequest::default()).await.expect("a sync stream").into_inner();
    stream.message().await.expect("a healthy stream").expect("a first snapshot");
    let (tell, told) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok(Some(snapshot)) = stream.message().await {
            let document: serde_json::Value =
                serde_json::from_slice(&snapshot.flag_configuration).unwrap_or_default();
            let version = document["flags"]["paired"]["metadata"]["version"].as_f64().unwrap_or_default();
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
            if tell.send(version as u64).is_err() {
                return;
            }
        }
    });
    told
}
