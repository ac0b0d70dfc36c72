//! Streams that come and go, sources that come and go: the daemon answers all the time and its memory does not creep.
//!
//! `HOIST_SOAK` sets for how many seconds (10 unless told); from 600 on the slope of its memory is judged.
#![allow(clippy::expect_used, clippy::panic, clippy::print_stdout)]

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use proto::flagd::evaluation::v1::EventStreamRequest;
use proto::flagd::evaluation::v1::service_client::ServiceClient;
use proto::flagd::sync::v1::SyncFlagsRequest;
use proto::flagd::sync::v1::flag_sync_service_client::FlagSyncServiceClient;
use serde_json::json;
use tests::load::{channel, document};
use tests::world::{DaemonOptions, HttpOrigin, Ports, http, resident};
use tokio::task::JoinSet;

/// Clients that open and close streams.
const CHURNERS: usize = 20;
/// The most that memory may grow in ten minutes, after the first fifth of the time.
const SLOPE: f64 = 1_048_576.0;

#[tokio::test(flavor = "multi_thread")]
async fn memory_does_not_creep() {
    let seconds = std::env::var("HOIST_SOAK").ok().and_then(|seconds| seconds.parse().ok()).unwrap_or(10);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("flags.json");
    std::fs::write(&path, document(1).to_string()).expect("a writable file");
    let web = HttpOrigin::start(&remote(1));
    let sources = json!([{"uri": web.url(), "provider": "http", "interval": 1}]).to_string();
    let state = folder.path().join("state").display().to_string();
    let words = [
        format!("--uri=file:{}", path.display()),
        format!("--sources={sources}"),
        format!("--state-dir={state}"),
    ];
    let daemon = DaemonOptions::new(words).start();
    let (stop, opened) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let mut work = JoinSet::new();
    for _ in 0..CHURNERS {
        work.spawn(churn(daemon.ports(), Arc::clone(&stop), Arc::clone(&opened)));
    }
    work.spawn(flap(path, web, Arc::clone(&stop)));
    let (begin, mut samples) = (Instant::now(), Vec::new());
    while begin.elapsed() < Duration::from_secs(seconds) {
        tokio::time::sleep(Duration::from_millis(500)).await;
        let ports = daemon.ports();
        let answer = tokio::task::spawn_blocking(move || {
            http::post(ports.ofrep, "/ofrep/v1/evaluate/flags/paired", &json!({}))
        });
        let answer = answer.await.expect("no panic").expect("an answer, all the time");
        assert_eq!(answer.status, 200, "{}", answer.text());
        samples.push((begin.elapsed().as_secs_f64(), resident(daemon.pid()) as f64));
    }
    stop.store(true, Ordering::SeqCst);
    while let Some(ended) = work.join_next().await {
        ended.expect("no churner fails");
    }
    let warm = &samples[samples.len() / 5..];
    let slope = slope(warm) * 600.0;
    let (first, last) = (warm.first().expect("samples").1, warm.last().expect("samples").1);
    println!(
        "{seconds} s, {} streams: memory {:.0} KiB after warming up, {:.0} KiB at the end, {:.0} KiB per 10 minutes",
        opened.load(Ordering::SeqCst),
        first / 1_024.0,
        last / 1_024.0,
        slope / 1_024.0
    );
    assert!(opened.load(Ordering::SeqCst) > seconds, "streams did come and go");
    assert!(last < first + 16.0 * 1_048_576.0, "{samples:?}");
    if seconds >= 600 {
        assert!(slope < SLOPE, "memory grows by {slope} bytes in ten minutes");
    }
}

fn remote(version: u64) -> String {
    document(version).to_string().replace("\"paired\"", "\"remote\"").replace("\"ruled\"", "\"far\"")
}

/// The slope of the straight line that fits best.
fn slope(samples: &[(f64, f64)]) -> f64 {
    let count = samples.len() as f64;
    let mean = |of: fn(&(f64, f64)) -> f64| samples.iter().map(of).sum::<f64>() / count;
    let (x, y) = (mean(|sample| sample.0), mean(|sample| sample.1));
    let above: f64 = samples.iter().map(|sample| (sample.0 - x) * (sample.1 - y)).sum();
    above / samples.iter().map(|sample| (sample.0 - x).powi(2)).sum::<f64>().max(f64::EPSILON)
}

/// Opens a stream of either kind, hears a word or two, and goes away without a word.
async fn churn(ports: Ports, stop: Arc<AtomicBool>, opened: Arc<AtomicU64>) {
    while !stop.load(Ordering::SeqCst) {
        let mut sync = FlagSyncServiceClient::new(channel(ports.sync).await);
        let mut stream = sync.sync_flags(SyncFlagsRequest::default()).await.expect("a stream").into_inner();
        stream.message().await.expect("a healthy stream").expect("a first snapshot");
        let mut events = ServiceClient::new(channel(ports.evaluation).await);
        let mut told = events.event_stream(EventStreamRequest {}).await.expect("a stream").into_inner();
        told.message().await.expect("a healthy stream").expect("a first event");
        // Whichever change comes next, or none.
        let _ = tokio::time::timeout(Duration::from_millis(200), told.message()).await;
        opened.fetch_add(2, Ordering::SeqCst);
    }
}

/// Has both sources change, break, vanish and return.
async fn flap(path: std::path::PathBuf, web: HttpOrigin, stop: Arc<AtomicBool>) {
    for version in 2.. {
        if stop.load(Ordering::SeqCst) {
            return;
        }
        match version % 5 {
            0 => write(&path, "{\"flags\": {"),
            1 => drop(std::fs::remove_file(&path)),
            _ => write(&path, &document(version).to_string()),
        }
        match version % 7 {
            0 => web.set(None),
            1 => web.set(Some("garbage")),
            _ => web.set(Some(&remote(version))),
        }
        tokio::time::sleep(Duration::from_millis(150)).await;
    }
}

fn write(path: &Path, text: &str) {
    std::fs::write(path, text).expect("a writable file");
}
