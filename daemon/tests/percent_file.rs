//! A percent file as an origin: served, explained and imported like any other.

#![allow(clippy::expect_used, clippy::panic, reason = "a test that cannot go on says why")]

mod process;

use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use process::Daemon;
use serde_json::{Value, json};

const FLAGS: &str = r#"{"schemaVersion": 1, "flags": [
    {"key": "new-shop", "enabled": true, "rolloutPercent": 30},
    {"key": "all", "enabled": true, "rolloutPercent": 0},
    {"key": "off", "enabled": false, "rolloutPercent": 100}
]}"#;

/// Buckets by FNV-1a of `key:subject`: ann 57, user-0 12, user-13 20; 0 % means everyone.
const SHARES: [(&str, &str, bool); 5] = [
    ("new-shop", "ann", false),
    ("new-shop", "user-0", true),
    ("new-shop", "user-13", true),
    ("all", "ann", true),
    ("off", "ann", false),
];

fn answer(daemon: &Daemon, key: &str, subject: &str) -> Value {
    let body = json!({"context": {"targetingKey": subject}});
    daemon.client("ofrep").post(&format!("/ofrep/v1/evaluate/flags/{key}"), &body).1
}

#[test]
fn its_flags_are_served_and_followed() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("flags.json");
    fs::write(&path, FLAGS).expect("written");
    let uri = format!("percent-file:{}", path.display());
    let words = ["start", "-p", "0", "-m", "0", "-g", "0", "-r", "0", "--log-format", "json", "--uri", &uri];
    let daemon = Daemon::start(&words, "ready");
    for (key, subject, value) in SHARES {
        assert_eq!(answer(&daemon, key, subject)["value"], json!(value), "{key} for {subject}");
    }
    // Followed as any file is.
    let more = FLAGS.replace("\"enabled\": false", "\"enabled\": true");
    let next = folder.path().join("next");
    fs::write(&next, more).expect("written");
    fs::rename(&next, &path).expect("replaced");
    let deadline = Instant::now() + Duration::from_secs(20);
    while answer(&daemon, "off", "ann")["value"] != json!(true) {
        assert!(Instant::now() < deadline, "the change is not served");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn it_is_imported_with_a_report() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("flags.json");
    fs::write(&path, FLAGS).expect("written");
    let output =
        Command::new(env!("CARGO_BIN_EXE_hoistd")).args(["import", "percent-file"]).arg(&path).output();
    let output = output.expect("hoistd runs");
    let document: Value = serde_json::from_slice(&output.stdout).expect("a flag document");
    assert!(document["flags"]["all"].is_object(), "{document}");
    let report = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(report.contains("new-shop"), "{report}");
}
