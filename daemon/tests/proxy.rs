//! `hoistd proxy`: the services as gRPC clients see them, and the command from outside.

#![allow(clippy::expect_used, clippy::panic)]
#![allow(deprecated, reason = "the target is what clients send in the message's selector")]

mod process;

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use hoistd::services::proxy::{Proxy, Targets, routes};
use hoistd::telemetry::Streams;
use process::Daemon;
use proto::flagd::sync::v1 as current;
use proto::sync::v1 as legacy;
use tokio::sync::watch;
use tonic::body::Body;
use tonic::{Code, Status, Streaming};
use tower::util::BoxCloneSyncService;

const PATIENCE: Duration = Duration::from_secs(30);
/// Nothing of this may change on the way.
const VERBATIM: &str =
    "{ \"flags\" : { \"a\": {\"$ref\": 1.50} },\n\"metadata\": {\"x\": null}, \"more\": [] }";

type Wire = BoxCloneSyncService<http::Request<Body>, http::Response<Body>, std::convert::Infallible>;
type Client = current::flag_sync_service_client::FlagSyncServiceClient<Wire>;
type Legacy = legacy::flag_sync_service_client::FlagSyncServiceClient<Wire>;

struct World {
    folder: tempfile::TempDir,
    targets: Arc<Targets>,
    close: watch::Sender<bool>,
    client: Client,
    legacy: Legacy,
}

fn world() -> World {
    let folder = tempfile::tempdir().expect("a folder");
    put(folder.path(), VERBATIM);
    let (targets, close) = (Targets::open(hoistd::args::Environment::default()), watch::Sender::new(false));
    let streams = Arc::<Streams>::default();
    let wire =
        Wire::new(routes(Proxy { targets: Arc::clone(&targets), closing: close.subscribe(), streams }));
    World { folder, targets, close, client: Client::new(wire.clone()), legacy: Legacy::new(wire) }
}

/// Puts the document in place whole.
fn put(folder: &Path, document: &str) {
    fs::write(folder.join("draft"), document).expect("written");
    fs::rename(folder.join("draft"), folder.join("flags.json")).expect("renamed");
}

impl World {
    fn target(&self) -> String {
        format!("file:{}", self.folder.path().join("flags.json").display())
    }

    async fn follow(&self, selector: &str) -> Result<Streaming<current::SyncFlagsResponse>, Status> {
        let request = current::SyncFlagsRequest { selector: selector.to_owned(), ..Default::default() };
        let answer = tokio::time::timeout(PATIENCE, self.client.clone().sync_flags(request)).await;
        answer.expect("in time").map(tonic::Response::into_inner)
    }

    async fn fetch(&self, selector: &str) -> Result<String, Status> {
        let request = current::FetchAllFlagsRequest { selector: selector.to_owned(), ..Default::default() };
        let answer = self.client.clone().fetch_all_flags(request).await?.into_inner();
        Ok(String::from_utf8(answer.flag_configuration.to_vec()).expect("UTF-8"))
    }
}

async fn next(stream: &mut Streaming<current::SyncFlagsResponse>) -> Option<String> {
    let message =
        tokio::time::timeout(PATIENCE, stream.message()).await.expect("in time").expect("no error")?;
    assert_eq!(message.sync_context, None);
    Some(String::from_utf8(message.flag_configuration.to_vec()).expect("UTF-8"))
}

#[tokio::test]
async fn documents_pass_as_they_are_to_all_who_ask() {
    let world = world();
    let mut first = world.follow(&world.target()).await.expect("a stream");
    assert_eq!(next(&mut first).await.as_deref(), Some(VERBATIM));
    let mut second = world.follow(&world.target()).await.expect("a stream");
    assert_eq!(next(&mut second).await.as_deref(), Some(VERBATIM), "whoever joins later has it at once");
    assert_eq!(world.fetch(&world.target()).await.expect("flags"), VERBATIM);
    let request = legacy::SyncFlagsRequest { selector: world.target(), ..Default::default() };
    let mut old = world.legacy.clone().sync_flags(request).await.expect("a stream").into_inner();
    let message = old.message().await.expect("no error").expect("a message");
    assert_eq!(message.state, i32::from(legacy::SyncState::All));
    assert_eq!(&message.flag_configuration[..], VERBATIM.as_bytes());
    assert_eq!(world.targets.count(), 1);

    put(world.folder.path(), "{");
    put(world.folder.path(), r#"{"flags":{}}"#);
    for stream in [&mut first, &mut second] {
        assert_eq!(next(stream).await.as_deref(), Some(r#"{"flags":{}}"#), "what is broken is not passed on");
    }
    world.close.send_replace(true);
    assert_eq!(next(&mut first).await, None);
}

#[tokio::test]
async fn what_is_no_target_is_unknown() {
    let world = world();
    let missing = format!("{}.json", world.target());
    for (selector, expected) in [
        ("", "must name a target"),
        ("source=x", "must name a target"),
        ("http://127.0.0.1:1/flags.json", "must name a target"),
        ("core.openfeature.dev/ns/name", ""),
        (missing.as_str(), "no such file"),
    ] {
        let status = world.follow(selector).await.err().unwrap_or_else(|| panic!("{selector}: a stream"));
        assert_eq!(status.code(), Code::Unknown, "{selector}: {status}");
        assert!(status.message().contains(expected), "{selector}: {status}");
        assert_eq!(world.fetch(selector).await.expect_err(selector).code(), Code::Unknown);
    }
    let refused = world.client.clone().get_metadata(current::GetMetadataRequest {}).await;
    assert_eq!(refused.expect_err("refused").code(), Code::Unimplemented);
}

#[tokio::test]
async fn a_target_without_clients_is_dropped() {
    let world = world();
    let mut stream = world.follow(&world.target()).await.expect("a stream");
    next(&mut stream).await;
    assert_eq!(world.targets.count(), 1);
    drop(stream);
    let dropped = async {
        while world.targets.count() > 0 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let left = std::time::Instant::now();
    tokio::time::timeout(PATIENCE, dropped).await.expect("in time");
    assert!(left.elapsed() >= Duration::from_secs(4), "{:?}", left.elapsed());
}

#[test]
fn the_command_serves_and_ends() {
    for words in [&["proxy", "start"][..], &["proxy"]] {
        let words = [words, &["-p", "0", "-m", "0", "-z", "json"]].concat();
        let proxy = Daemon::launch(
            &words,
            &[("FLAGD_PORT", "1"), ("FLAGD_MANAGEMENT_PORT", "1")],
            "serving management",
        );
        assert_ne!(proxy.ports["sync"], 1);
        let mut management = proxy.client("management");
        for (path, ready) in [("/healthz", None), ("/readyz?format=json", Some(true))] {
            management.send("GET", path, "text/plain", b"");
            let (status, body) = management.answer();
            assert_eq!((status, body["ready"].as_bool()), (200, ready), "{path}");
        }
        proxy.signal("TERM");
        assert!(proxy.end().0.success());
    }
    // `PORT` is the one variable it heeds: this one is no port.
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_hoistd"))
        .args(["proxy", "start"])
        .env_clear()
        .env("PORT", "none")
        .output()
        .expect("hoistd runs");
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("invalid value \"none\""));
}
