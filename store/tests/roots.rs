//! A start does not wait for the platform's roots: they are loaded when a server shows its first certificate.

#![cfg(all(target_os = "linux", feature = "git", feature = "blob"))]
#![allow(clippy::expect_used, reason = "a test that cannot go on says why")]

mod server;

use std::fs::{self, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use hoist_store::{BUILT_IN, Origin, find, http_date};
use serde_json::{Map, json};

/// Has this program be the one that is watched, and is the folder it works in.
const FOLDER: &str = "HOIST_TEST_ROOTS_FOLDER";
/// The URL that the watched one asks in the end.
const ASK: &str = "HOIST_TEST_ROOTS_ASK";
/// More than anything here takes.
const PATIENCE: Duration = Duration::from_secs(30);
/// What Linux calls an open that does not wait for the other end of a pipe.
const O_NONBLOCK: i32 = 0o4000;

/// The roots are a pipe that nobody has written to: whoever loads them waits there, and can be seen from the other end.
#[tokio::test]
async fn no_source_loads_the_roots_to_be_set_up() {
    if let Some(folder) = std::env::var_os(FOLDER) {
        return set_up_and_ask(Path::new(&folder), &std::env::var(ASK).expect("a URL")).await;
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    let pipe = folder.path().join("roots");
    assert!(Command::new("mkfifo").arg(&pipe).status().expect("mkfifo").success());
    let server = server::Server::start(true).await;
    let mut child = watched(folder.path(), &pipe, &server.url("/flags.json"));
    until("the sources are set up", || {
        assert!(!has_reader(&pipe), "a source loads the roots to be set up");
        folder.path().join("set-up").exists()
    })
    .await;
    until("a connection has the roots loaded", || has_reader(&pipe)).await;
    until("it was told that there are none", || child.try_wait().expect("a process").is_some()).await;
    assert!(child.wait().expect("ended").success());
}

/// Sets up a source of each kind that may use TLS, and only then connects.
async fn set_up_and_ask(folder: &Path, url: &str) {
    let built: Vec<_> = [
        ("http", "https://localhost:1/flags.json"),
        ("http", "http://localhost:1/flags.json"),
        ("grpc", "localhost:1"),
        ("git", "git+https://localhost:1/r.git?path=flags.json"),
        ("s3", "s3://bucket/flags.json"),
    ]
    .into_iter()
    .map(|(kind, uri)| {
        let options = json!({"tls": true}).as_object().cloned().expect("an object");
        (find(BUILT_IN, kind).expect("built in").build)(&Origin::new(kind, uri, options)).expect(uri)
    })
    .collect();
    assert_eq!(built.len(), 5);
    fs::write(folder.join("set-up"), "").expect("written");
    assert_eq!(http_date(&Origin::new("http", url, Map::new()), PATIENCE).await, None, "nobody to trust");
}

fn watched(folder: &Path, pipe: &Path, url: &str) -> Child {
    Command::new(std::env::current_exe().expect("this program"))
        .args(["--exact", "no_source_loads_the_roots_to_be_set_up"])
        .envs([(FOLDER, folder.as_os_str()), (ASK, url.as_ref()), ("SSL_CERT_FILE", pipe.as_os_str())])
        .stdout(Stdio::null())
        .spawn()
        .expect("a process")
}

/// Whether somebody has the pipe open to read; they find it empty then.
fn has_reader(pipe: &Path) -> bool {
    OpenOptions::new().write(true).custom_flags(O_NONBLOCK).open(pipe).is_ok()
}

async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let waited = tokio::time::timeout(PATIENCE, async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    });
    assert!(waited.await.is_ok(), "{what}: not within {PATIENCE:?}");
}
