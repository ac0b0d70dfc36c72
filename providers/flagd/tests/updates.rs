//! An in-process provider under a flood of updates, from a server that says just what the test wants.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test that cannot go on says why"
)]

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use hoist_provider_flagd::{Mode, Options, in_process};
use kit::{Evaluate, EventKind};
use open_feature::{EvaluationContext, OpenFeature};
use proto::flagd::sync::v1::flag_sync_service_server::{FlagSyncService, FlagSyncServiceServer};
use proto::flagd::sync::v1::{
    FetchAllFlagsRequest, FetchAllFlagsResponse, GetMetadataRequest, GetMetadataResponse, SyncFlagsRequest,
    SyncFlagsResponse,
};
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tokio_stream::{Stream, StreamExt};
use tonic::transport::Server;
use tonic::{Request, Response, Status};

/// How many documents the server sends, as fast as they are taken.
const UPDATES: i64 = 100_000;
/// How long all of it may take.
const PATIENCE: Duration = Duration::from_secs(120);

/// Sends documents `0..UPDATES` on every stream, then nothing more.
struct Flood;

type Documents = Pin<Box<dyn Stream<Item = Result<SyncFlagsResponse, Status>> + Send>>;

#[tonic::async_trait]
impl FlagSyncService for Flood {
    type SyncFlagsStream = Documents;

    async fn sync_flags(&self, _: Request<SyncFlagsRequest>) -> Result<Response<Documents>, Status> {
        let flood = tokio_stream::iter(0..UPDATES).map(|n| Ok(document(n)));
        Ok(Response::new(Box::pin(flood.chain(tokio_stream::pending()))))
    }

    async fn fetch_all_flags(
        &self,
        _: Request<FetchAllFlagsRequest>,
    ) -> Result<Response<FetchAllFlagsResponse>, Status> {
        Err(Status::unimplemented("not asked for"))
    }

    async fn get_metadata(
        &self,
        _: Request<GetMetadataRequest>,
    ) -> Result<Response<GetMetadataResponse>, Status> {
        Err(Status::unimplemented("metadata endpoint disabled"))
    }
}

fn document(n: i64) -> SyncFlagsResponse {
    let text = format!(
        r#"{{"flags": {{
            "n": {{"state": "ENABLED", "variants": {{"now": {n}}}, "defaultVariant": "now"}},
            "targeted": {{"state": "ENABLED", "variants": {{"on": {n}, "off": -1}}, "defaultVariant": "off",
                "targeting": {{"if": [{{"ends_with": [{{"var": "email"}}, "@example.com"]}}, "on"]}}}}
        }}}}"#
    );
    SyncFlagsResponse { flag_configuration: text.into(), sync_context: None }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_flood_of_updates_neither_hangs_nor_grows() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    let port = listener.local_addr().expect("an address").port();
    let serving = Server::builder().add_service(FlagSyncServiceServer::new(Flood));
    let server = tokio::spawn(serving.serve_with_incoming(TcpListenerStream::new(listener)));

    let options = Options {
        resolver: Mode::InProcess,
        host: "127.0.0.1".to_owned(),
        port: Some(port),
        ..Options::default()
    };
    let provider = in_process(options).expect("good options");
    let handle = provider.handle();
    let changes = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&changes);
    handle.on(EventKind::ConfigurationChanged, move |event| {
        assert!(event.flags_changed.is_some(), "the keys are known");
        counted.fetch_add(1, Ordering::Relaxed);
    });
    let mut api = OpenFeature::default();
    api.set_provider(provider).await;
    handle.ready(PATIENCE).await.expect("ready");
    let (started, before) = (Instant::now(), resident());

    let (over, asked) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let mut tasks = Vec::new();
    for task in 0..8 {
        let (over, asked, handle) = (Arc::clone(&over), Arc::clone(&asked), handle.clone());
        let client = api.create_client();
        tasks.push(tokio::spawn(async move {
            let ann = EvaluationContext::default().with_custom_field("email", "ann@example.com");
            let mut last = 0;
            while !over.load(Ordering::Relaxed) {
                let seen = match task % 2 {
                    0 => handle.get("targeted", &ann).expect("an answer"),
                    _ => client.get_int_value("n", Some(&ann), None).await.expect("an answer"),
                };
                assert!(seen >= last, "{seen} after {last}: flags went back");
                last = seen;
                asked.fetch_add(1, Ordering::Relaxed);
                tokio::task::yield_now().await;
            }
        }));
    }
    while handle.int("n", -1, &EvaluationContext::default()) != UPDATES - 1 {
        assert!(started.elapsed() < PATIENCE, "the last update was not seen");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    over.store(true, Ordering::Relaxed);
    for task in tasks {
        task.await.expect("evaluation goes on");
    }
    let grown = resident().zip(before).map(|(now, before)| now.saturating_sub(before));
    println!(
        "{UPDATES} updates in {:.1?}: {} evaluations, {} change events, memory grew by {grown:?} kB",
        started.elapsed(),
        asked.load(Ordering::Relaxed),
        changes.load(Ordering::Relaxed),
    );
    assert!(grown.is_none_or(|kilobytes| kilobytes < 32 << 10), "memory grew by {grown:?} kB");
    server.abort();
}

/// Resident memory in kB, where the system says.
fn resident() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}
