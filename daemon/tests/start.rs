//! `hoistd start` from outside: coming up, following a file, going down.

#![allow(clippy::expect_used, clippy::panic)]

mod process;

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use process::{Client, Daemon};
use serde_json::{Value, json};

const EVENTS: &str = "/flagd.evaluation.v1.Service/EventStream";

fn flags(directory: &Path, default: &str) -> (PathBuf, String) {
    let path = directory.join("flags.json");
    let flag = json!({"state": "ENABLED", "defaultVariant": default, "variants": {"on": true, "off": false}});
    // Put in place whole, as configuration tools do.
    let draft = directory.join("draft");
    std::fs::write(&draft, json!({"flags": {"f": flag}}).to_string()).expect("written");
    std::fs::rename(&draft, &path).expect("renamed");
    let uri = format!("file:{}", path.display());
    (path, uri)
}

/// Opens an event stream in Connect's JSON.
fn listen(daemon: &Daemon) -> Client {
    let mut client = daemon.client("evaluation");
    client.send("POST", EVENTS, "application/connect+json", b"\0\0\0\0\x02{}");
    assert_eq!(client.head().0, 200);
    client
}

/// The next frame: its flags and its JSON.
fn event(client: &mut Client) -> (u8, Value) {
    let frame = client.chunk().expect("an event");
    (frame[0], serde_json::from_slice(&frame[5..]).expect("JSON"))
}

#[test]
fn it_follows_a_file_and_says_goodbye() {
    let directory = tempfile::tempdir().expect("a directory");
    let (_, uri) = flags(directory.path(), "on");
    follows(directory.path(), Daemon::start(&["-f", &uri], "ready"));
}

/// As in a container that has no more.
#[test]
fn it_does_so_on_one_core_too() {
    let directory = tempfile::tempdir().expect("a directory");
    let (_, uri) = flags(directory.path(), "on");
    match Daemon::start_on_one_core(&["-f", &uri], "ready") {
        Some(daemon) => follows(directory.path(), daemon),
        None => println!("skipped: no taskset"),
    }
}

fn follows(directory: &Path, mut daemon: Daemon) {
    let mut stream = listen(&daemon);
    assert_eq!(event(&mut stream), (0, json!({"type": "provider_ready", "data": {}})));
    let (status, _) = daemon.client("management").post("/readyz", &Value::Null);
    assert_eq!(status, 200);
    flags(directory, "off");
    let change = json!({"type": "configuration_change", "data": {"flags": {"f": {"type": "update"}}}});
    assert_eq!(event(&mut stream), (0, change));
    let path = "/flagd.evaluation.v2.Service/ResolveBoolean";
    let (status, answer) = daemon.client("evaluation").post(path, &json!({"flagKey": "f"}));
    assert_eq!((status, &answer["value"]), (200, &json!(false)));

    daemon.signal("TERM");
    assert_eq!(event(&mut stream), (0, json!({"type": "provider_shutdown", "data": {}})));
    assert_eq!(event(&mut stream), (2, json!({})), "a clean end");
    daemon.wait_for("shutting down");
    let (status, time) = daemon.end();
    assert_eq!(status.code(), Some(0));
    assert!(time < Duration::from_secs(5), "{time:?}");
}

#[test]
fn requests_that_began_are_answered_and_a_second_signal_does_not_wait() {
    let directory = tempfile::tempdir().expect("a directory");
    let (_, uri) = flags(directory.path(), "on");
    let mut daemon = Daemon::start(&["-f", &uri, "--shutdown-timeout", "30s"], "ready");
    let mut stuck = daemon.client("ofrep");
    stuck.announce("/ofrep/v1/evaluate/flags/f", 9);
    std::thread::sleep(Duration::from_millis(200));
    daemon.signal("INT");
    daemon.wait_for("shutting down");
    daemon.signal("INT");
    let (status, time) = daemon.end();
    assert_eq!(status.code(), Some(1));
    assert!(time < Duration::from_secs(4), "{time:?}");
}

#[test]
fn what_cannot_be_is_said_at_once() {
    let directory = tempfile::tempdir().expect("a directory");
    let (_, uri) = flags(directory.path(), "on");
    let taken = TcpListener::bind("0.0.0.0:0").expect("a port");
    let port = taken.local_addr().expect("an address").port().to_string();
    let free = ["-p", "0", "-m", "0", "-g", "0", "-r", "0"];
    for (words, texts) in [
        (vec!["-f", "file:/nowhere/flags.json"], vec!["/nowhere/flags.json", "no such file"]),
        (vec!["-f", &*uri, "-g", &*port], vec!["--sync-port", &*port]),
        (vec![], vec!["no sync implementation set"]),
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_hoistd"))
            .arg("start")
            .args(free)
            .args(&words)
            .env_clear()
            .output()
            .expect("hoistd runs");
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{words:?}: {stderr}");
        for text in texts {
            assert!(stderr.contains(text), "{words:?}: {stderr}");
        }
    }
}

#[test]
fn a_broken_document_does_not_keep_it_from_serving() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("flags.json");
    std::fs::write(&path, "{").expect("written");
    let mut daemon = Daemon::start(&["-f", &format!("file:{}", path.display())], "not ready");
    let (status, _) = daemon.client("management").post("/readyz", &Value::Null);
    assert_eq!(status, 412);
    let mut stream = listen(&daemon);
    assert_eq!(event(&mut stream).1["type"], "provider_ready", "not waiting for flags");
    flags(directory.path(), "on");
    let change = json!({"type": "configuration_change", "data": {"flags": {"f": {"type": "write"}}}});
    assert_eq!(event(&mut stream), (0, change));
    // Flags can be evaluated a moment before the source is said to be well.
    let deadline = Instant::now() + Duration::from_secs(5);
    while daemon.client("management").post("/readyz", &Value::Null).0 != 200 {
        assert!(Instant::now() < deadline, "not ready although the document is in service");
    }
    daemon.signal("TERM");
    daemon.wait_for("shutting down");
    assert_eq!(daemon.end().0.code(), Some(0));
}
