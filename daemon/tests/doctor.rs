//! `hoistd doctor` from outside.
#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used)]

mod process;

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

use process::Daemon;
use serde_json::Value;

const FREE: [&str; 8] = ["-p", "0", "-m", "0", "-g", "0", "-r", "0"];
const FLAGS: &str =
    r#"{"flags": {"x": {"state": "ENABLED", "variants": {"on": true}, "defaultVariant": "on"}}}"#;

fn doctor(folder: &Path, words: &[&str], environment: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hoistd"));
    command.arg("doctor").args(words).current_dir(folder).env_clear().envs(environment.iter().copied());
    command.output().unwrap()
}

/// The checks of a report, and whether nothing is wrong.
fn checks(folder: &Path, words: &[&str], environment: &[(&str, &str)]) -> (Vec<Value>, bool) {
    let output = doctor(folder, &[words, &["--format", "json"]].concat(), environment);
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    let report: Value =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {stderr}"));
    let errors = report["errors"].as_u64().unwrap();
    assert_eq!(output.status.code(), Some(i32::from(errors > 0)), "{report:#}");
    (report["checks"].as_array().unwrap().clone(), errors == 0)
}

/// The first check of that level and kind whose message contains `text`.
fn find<'c>(checks: &'c [Value], level: &str, what: &str, text: &str) -> &'c Value {
    let fits = |check: &&Value| {
        check["level"] == level && check["what"] == what && check["message"].as_str().unwrap().contains(text)
    };
    checks.iter().find(fits).unwrap_or_else(|| panic!("no {level} {what} {text:?} in {checks:#?}"))
}

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("flags.json"), FLAGS).unwrap();
    folder
}

#[test]
fn a_healthy_setup_is_ok() {
    let folder = folder();
    let words = [&FREE[..], &["-f", "file:flags.json", "-C", "https://a.example"]].concat();
    let output = doctor(folder.path(), &words, &[]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert!(text.contains("ok       source flags.json: 1 flags in "), "{text}");
    assert!(
        text.ends_with(": 0 errors, 0 warnings\n") || text.ends_with(" checks: 0 errors, 0 warnings\n"),
        "{text}"
    );
}

#[test]
fn sources_are_read_and_their_flags_checked() {
    let folder = folder();
    fs::write(
        folder.path().join("bad.json"),
        r#"{"flags": {"x": {"state": "ENABLED", "variants": {"on": true}, "defaultVariant": "no"}}}"#,
    )
    .unwrap();
    fs::write(folder.path().join("none.json"), r#"{"flags": {}}"#).unwrap();
    let files = "file:flags.json,file:bad.json,file:none.json,file:missing.json";
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = format!("http://me:hunter2@{}/flags.json", silent.local_addr().unwrap());
    let words = [&FREE[..], &["-f", files, "-f", &silent, "--timeout", "500ms"]].concat();
    let (checks, good) = checks(folder.path(), &words, &[]);
    assert!(!good);
    assert_eq!(find(&checks, "ok", "source", "1 flags in ")["where"], "flags.json");
    assert_eq!(find(&checks, "error", "flags", "default variant")["where"], "bad.json");
    assert_eq!(find(&checks, "warning", "source", "0 flags in 13 bytes")["where"], "none.json");
    let missing = find(&checks, "error", "source", "no such file");
    assert!(missing["advice"].as_str().unwrap().contains("check that the file exists"), "{missing}");
    find(&checks, "error", "source", "no answer within 500ms");
    assert!(!format!("{checks:?}").contains("hunter2"));
}

#[test]
fn certificates_are_judged() {
    let folder = folder();
    let make = |name: &str, until: i64| {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut parameters = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        if until != 0 {
            parameters.not_before = rcgen::date_time_ymd(2020, 1, 1);
            parameters.not_after = rcgen::date_time_ymd(2020 + i32::try_from(until).unwrap(), 1, 1);
        }
        fs::write(folder.path().join(format!("{name}.crt")), parameters.self_signed(&key).unwrap().pem())
            .unwrap();
        let path = folder.path().join(format!("{name}.key"));
        fs::write(&path, key.serialize_pem()).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    };
    make("good", 0);
    make("old", 1);
    let with = |cert: &str, key: &str| {
        checks(folder.path(), &[&FREE[..], &["-f", "file:flags.json", "-c", cert, "-k", key]].concat(), &[]).0
    };
    find(&with("good.crt", "good.key"), "ok", "tls", " days left");
    find(&with("old.crt", "old.key"), "error", "tls", "expired");
    find(&with("good.crt", "old.key"), "error", "tls", "do not work together");
    find(&with("good.crt", "none.key"), "error", "tls", "cannot read none.key");
    let open = folder.path().join("good.key");
    fs::set_permissions(&open, fs::Permissions::from_mode(0o644)).unwrap();
    find(&with("good.crt", "good.key"), "warning", "tls", "every user");
}

#[test]
fn ports_are_free_or_somebodys() {
    let folder = folder();
    let taken = TcpListener::bind("[::]:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let words = ["-p", &port, "-m", "0", "-g", "0", "-r", "0", "-f", "file:flags.json"];
    let (found, good) = checks(folder.path(), &words, &[]);
    assert!(!good);
    let check = find(&found, "error", "port", "taken by another process");
    assert_eq!(check["where"], format!("port {port} (--port)"));

    let flags = folder.path().join("flags.json").display().to_string();
    let daemon = Daemon::start(&["-f", &format!("file:{flags}")], "ready");
    let port = |name: &str| daemon.ports[name].to_string();
    let (evaluation, management) = (port("evaluation"), port("management"));
    let words = ["-p", &evaluation, "-m", &management, "-g", &evaluation, "-r", "0", "-f", "file:flags.json"];
    let (found, _) = checks(folder.path(), &words, &[]);
    find(&found, "warning", "port", "a hoistd or flagd is running");
    find(&found, "error", "port", "--port names the same");
}

#[test]
fn clocks_are_compared_with_http_servers() {
    let folder = folder();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/flags.json", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut head = [0; 2048];
            let count = stream.read(&mut head).unwrap();
            let body = if head[..count].starts_with(b"HEAD") { "" } else { FLAGS };
            let length = FLAGS.len();
            // A client may have gone.
            let _ = write!(
                stream,
                "HTTP/1.1 200 OK\r\ndate: Mon, 01 Jan 2024 00:00:00 GMT\r\nconnection: close\r\n\
                 content-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
            );
        }
    });
    let (found, good) = checks(folder.path(), &[&FREE[..], &["-f", &url]].concat(), &[]);
    assert!(!good);
    assert_eq!(find(&found, "error", "clock", "apart from the server's clock")["where"], url);
    find(&found, "ok", "source", "1 flags");
}

#[test]
fn unusual_settings_are_named() {
    let folder = folder();
    let environment =
        [("FLAGD_PROT", "1"), ("FLAGD_PORT_8013_TCP", "tcp://10.0.0.1:8013"), ("HOISTD_WHATEVER", "1")];
    let (found, good) =
        checks(folder.path(), &[&FREE[..], &["-f", "file:flags.json"]].concat(), &environment);
    assert!(good, "{found:#?}");
    let prot = found.iter().find(|check| check["where"] == "FLAGD_PROT").unwrap();
    assert_eq!(prot["advice"], "did you mean FLAGD_PORT?");
    assert!(found.iter().any(|check| check["where"] == "HOISTD_WHATEVER"));
    assert!(!found.iter().any(|check| check["where"] == "FLAGD_PORT_8013_TCP"));
    find(&found, "warning", "settings", "pages of every origin");

    let (found, good) = checks(folder.path(), &["-p", "99999", "-f", "file:flags.json"], &[]);
    assert!(!good);
    find(&found, "error", "settings", "99999");
}
