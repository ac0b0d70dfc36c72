//! Many streams and many changes: everybody ends at the last state, and the daemon's memory stays where it was.
//!
//! `HOIST_UPDATES` sets how many changes there are, ten a second (60 unless told), `HOIST_STREAMS` how many streams of either
//! kind (200 unless told).
#![allow(clippy::expect_used, clippy::panic, clippy::print_stdout)]

use std::path::Path;
use std::time::{Duration, Instant};

use proto::flagd::evaluation::v1::EventStreamRequest;
use proto::flagd::evaluation::v1::service_client::ServiceClient;
use proto::flagd::sync::v1::SyncFlagsRequest;
use proto::flagd::sync::v1::flag_sync_service_client::FlagSyncServiceClient;
use tests::load::{channel, document};
use tests::world::{DaemonOptions, Ports, resident};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// Streams that share a connection.
const PER_CONNECTION: usize = 50;
/// How long the last change may take to reach everybody.
const PATIENCE: Duration = Duration::from_secs(30);
/// How much memory the changes may cost, whatever their number.
const GROWTH: u64 = 16 << 20;

fn number(variable: &str, otherwise: usize) -> usize {
    std::env::var(variable).ok().and_then(|number| number.parse().ok()).unwrap_or(otherwise)
}

#[tokio::test(flavor = "multi_thread")]
async fn everybody_sees_the_last_state() {
    let (updates, streams) = (number("HOIST_UPDATES", 60), number("HOIST_STREAMS", 200));
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("flags.json");
    write(&path, 1);
    let daemon = DaemonOptions::new(["-f".to_owned(), format!("file:{}", path.display())]).start();
    let (ports, last) = (daemon.ports(), updates as u64 + 1);
    let (began, begin) = watch::channel(None::<Instant>);
    let mut followers = JoinSet::new();
    let mut open = Vec::new();
    for first in (0..streams).step_by(PER_CONNECTION) {
        let count = PER_CONNECTION.min(streams - first);
        open.extend(follow_sync(ports, count, last, &mut followers).await);
        open.extend(follow_events(ports, count, begin.clone(), &mut followers).await);
    }
    for mut open in open {
        open.wait_for(|open| *open).await.expect("the stream opens");
    }
    let before = resident(daemon.pid());
    let mut most = before;
    for version in 2..=last {
        let next = tokio::time::Instant::now() + Duration::from_millis(100);
        if version == last {
            began.send_replace(Some(Instant::now()));
        }
        write(&path, version);
        most = most.max(resident(daemon.pid()));
        tokio::time::sleep_until(next).await;
    }
    let mut slowest = Duration::ZERO;
    let all = async {
        while let Some(told) = followers.join_next().await {
            slowest = slowest.max(told.expect("no follower fails"));
        }
    };
    tokio::time::timeout(PATIENCE, all).await.expect("everybody sees the last state");
    let after = resident(daemon.pid());
    println!(
        "{updates} changes, {streams} sync and {streams} event streams: memory {} KiB before, {} at most, {} after",
        before >> 10,
        most >> 10,
        after >> 10
    );
    assert!(after.max(most) < before + GROWTH, "memory grew from {before} to {most}, then {after}");
}

fn write(path: &Path, version: u64) {
    let next = path.with_extension("next");
    std::fs::write(&next, document(version).to_string()).expect("a writable file");
    std::fs::rename(next, path).expect("a file that can be replaced");
}

/// Sync streams that end when they have seen version `last`, and never see one before another that came earlier.
async fn follow_sync(
    ports: Ports,
    count: usize,
    last: u64,
    followers: &mut JoinSet<Duration>,
) -> Vec<watch::Receiver<bool>> {
    let client = FlagSyncServiceClient::new(channel(ports.sync).await);
    let follow = |_| {
        let (opened, open) = watch::channel(false);
        let mut client = client.clone();
        followers.spawn(async move {
            let begin = Instant::now();
            let mut stream =
                client.sync_flags(SyncFlagsRequest::default()).await.expect("a stream").into_inner();
            let mut newest = 0;
            while newest < last {
                let snapshot = stream.message().await.expect("a healthy stream").expect("more to come");
                let seen = version(&snapshot.flag_configuration);
                assert!(seen >= newest, "version {seen} came after {newest}");
                newest = seen;
                opened.send_replace(true);
            }
            begin.elapsed()
        });
        open
    };
    (0..count).map(follow).collect()
}

fn version(configuration: &[u8]) -> u64 {
    let document: serde_json::Value = serde_json::from_slice(configuration).unwrap_or_default();
    let version = &document["flags"]["paired"]["metadata"]["version"];
    version.as_u64().or_else(|| format!("{}", version.as_f64()?).parse().ok()).unwrap_or_default()
}

/// Event streams that end when they are told of a change after the last one was written.
async fn follow_events(
    ports: Ports,
    count: usize,
    begin: watch::Receiver<Option<Instant>>,
    followers: &mut JoinSet<Duration>,
) -> Vec<watch::Receiver<bool>> {
    let client = ServiceClient::new(channel(ports.evaluation).await);
    let follow = |_| {
        let (opened, open) = watch::channel(false);
        let (mut client, begin) = (client.clone(), begin.clone());
        followers.spawn(async move {
            let mut stream = client.event_stream(EventStreamRequest {}).await.expect("a stream").into_inner();
            loop {
                let event = stream.message().await.expect("a healthy stream").expect("more to come");
                opened.send_replace(true);
                let last = *begin.borrow();
                if let Some(last) = last.filter(|_| event.r#type == "configuration_change") {
                    return last.elapsed();
                }
            }
        });
        open
    };
    (0..count).map(follow).collect()
}
