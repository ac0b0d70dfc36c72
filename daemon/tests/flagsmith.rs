//! Flags of Flagsmith through the whole daemon: its decisions by every protocol, sync streams, restarts and the commands.

#![allow(clippy::expect_used, clippy::panic, clippy::print_stdout)]

mod process;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Output};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use process::Daemon;
use proto::flagd::sync::v1::FetchAllFlagsRequest;
use proto::flagd::sync::v1::flag_sync_service_client::FlagSyncServiceClient;
use serde_json::{Value, json};

const KEY: &str = "ser.s3cret";
const GOLDENS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/goldens/flagsmith-2.265.0");

fn golden(name: &str) -> Option<String> {
    let text = std::fs::read_to_string(Path::new(GOLDENS).join(name)).ok();
    if text.is_none() {
        println!("skipped: no ../shared/goldens/flagsmith-2.265.0/{name}");
    }
    text
}

/// A feature for everybody, one by segment, one for a share, one that cannot be translated, one that is off.
fn document() -> String {
    let state = |id: i64, name: &str, enabled: bool| json!({"feature": {"id": id, "name": name, "type": "STANDARD"}, "enabled": enabled, "django_id": id});
    let segment = |id: i64, name: &str, feature: &str, operator: &str, value: &str| {
        let mut own = state(id, feature, true);
        own["feature_segment"] = json!({"priority": 0});
        let condition = json!({"operator": operator, "property_": "region", "value": value});
        json!({"id": id, "name": name, "rules": [{"type": "ALL", "conditions": [condition]}], "feature_states": [own]})
    };
    let mut share = segment(13, "half", "share", "PERCENTAGE_SPLIT", "50");
    share["rules"][0]["conditions"][0]["property_"] = json!("$.identity.identifier");
    json!({
        "api_key": "env", "name": "Test",
        "project": {"segments": [
            segment(12, "europe", "eu", "EQUAL", "eu"), share, segment(14, "pattern", "any", "REGEX", "e.*"),
        ]},
        "feature_states": [
            state(1, "all", true), state(12, "eu", false), state(13, "share", false), state(14, "any", false),
            state(5, "off", false),
        ],
    })
    .to_string()
}

/// A Flagsmith with one environment, and whether it is up.
struct Flagsmith {
    port: u16,
    up: Arc<AtomicBool>,
    heads: Arc<Mutex<Vec<String>>>,
}

impl Flagsmith {
    fn start(document: String) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let (up, heads) = (Arc::new(AtomicBool::new(true)), Arc::<Mutex<Vec<String>>>::default());
        let (is_up, told) = (Arc::clone(&up), Arc::clone(&heads));
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                answer(stream, &document, is_up.load(Ordering::Relaxed), &told);
            }
        });
        Self { port, up, heads }
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}/api/v1/", self.port)
    }

    fn follow(&self, words: &[&str]) -> Daemon {
        let uri = format!("flagsmith+{}", self.url());
        let fixed =
            ["start", "-p", "0", "-m", "0", "-g", "0", "-r", "0", "--log-format", "json", "--uri", &uri];
        Daemon::launch(&[&fixed[..], words].concat(), &[("FLAGSMITH_ENVIRONMENT_KEY", KEY)], "ready")
    }
}

fn answer(mut stream: TcpStream, document: &str, up: bool, told: &Mutex<Vec<String>>) {
    let mut bytes = Vec::new();
    while !bytes.ends_with(b"\r\n\r\n") {
        let mut piece = [0; 65_536];
        match stream.read(&mut piece) {
            Ok(count) if count > 0 => bytes.extend_from_slice(&piece[..count]),
            _ => return,
        }
    }
    let head = String::from_utf8_lossy(&bytes).to_ascii_lowercase();
    let keyed = head.contains(&format!("x-environment-key: {KEY}"));
    told.lock().expect("no panic").push(head.clone());
    let (status, body) = match head.split(' ').nth(1) {
        _ if !up => (503, ""),
        Some("/api/v1/environment-document/") if keyed => (200, document),
        Some("/api/v1/environment-document/") => (403, r#"{"detail": "Invalid or missing Environment key"}"#),
        _ => (404, ""),
    };
    let text = format!(
        "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    );
    // The client may have gone.
    let _ = stream.write_all(text.as_bytes());
}

#[test]
fn every_protocol_gets_the_recorded_decisions() {
    let (Some(document), Some(identities)) = (golden("environment-document.json"), golden("identities.json"))
    else {
        return;
    };
    let identities: Value = serde_json::from_str(&identities).expect("JSON");
    let flagsmith = Flagsmith::start(document);
    let daemon = flagsmith.follow(&[]);
    let (mut grpc, mut ofrep) = (daemon.client("evaluation"), daemon.client("ofrep"));
    let mut decisions = 0;
    for case in identities["cases"].as_array().expect("cases") {
        let mut context = case["traits"].clone();
        context["targetingKey"] = case["identifier"].clone();
        let question = json!({"context": context});
        let (status, all) = ofrep.post("/ofrep/v1/evaluate/flags", &question);
        assert_eq!(status, 200);
        let listed = all["flags"].as_array().expect("flags").len();
        assert_eq!(listed, case["flags"].as_object().expect("flags").len());
        // Every feature is asked over OFREP above; each protocol by itself for some of them.
        for (key, expected) in case["flags"].as_object().expect("flags").iter().step_by(7) {
            decisions += 1;
            let resolve = json!({"flagKey": key, "context": context});
            let (_, said) = grpc.post("/flagd.evaluation.v2.Service/ResolveBoolean", &resolve);
            assert_eq!(said["value"].as_bool().unwrap_or(false), expected["enabled"], "{key}: {said}");
            if let Some(variant) = expected["variant"].as_str() {
                assert_eq!(said["variant"], variant, "{key}: {said}");
            }
            let one = all["flags"].as_array().expect("flags").iter().find(|flag| flag["key"] == *key);
            let one = one.unwrap_or_else(|| panic!("{key} is not listed"));
            let (is_on, has_value) = (expected["enabled"] == true, !expected["value"].is_null());
            match (is_on, has_value) {
                (true, true) => assert_eq!(one["value"], expected["value"], "{key}: {one}"),
                (true, false) => assert_eq!(one["value"], true, "{key}: {one}"),
                (false, _) => assert_eq!(one["reason"], "DISABLED", "{key}: {one}"),
            }
        }
    }
    assert!(decisions > 300, "{decisions}");
}

#[test]
fn one_source_is_seen_in_metrics_and_status_without_its_key() {
    let flagsmith = Flagsmith::start(document());
    let daemon = flagsmith.follow(&[]);
    let mut client = daemon.client("evaluation");
    let (_, said) = client.post(
        "/flagd.evaluation.v1.Service/ResolveBoolean",
        &json!({"flagKey": "eu", "context": {"targetingKey": "ann", "region": "eu"}}),
    );
    assert_eq!((&said["value"], &said["reason"]), (&json!(true), &json!("TARGETING_MATCH")));
    assert_eq!(said["metadata"]["flagsmith.segment"], "europe");
    let mut management = daemon.client("management");
    management.send("GET", "/metrics", "text/plain", b"");
    let metrics = management.text();
    assert!(metrics.contains("hoistd_source"), "{metrics}");
    management.send("GET", "/readyz?verbose", "text/plain", b"");
    let status = management.text();
    assert!(status.contains(&flagsmith.url()), "{status}");
    assert!(!metrics.contains("s3cret") && !status.contains("s3cret"));
    let heads = flagsmith.heads.lock().expect("no panic");
    assert!(heads.iter().all(|head| !head.contains("authorization:")), "the key is no authorization");
}

#[test]
fn a_restart_without_the_server_serves_the_last_good_flags() {
    let folder = tempfile::tempdir().expect("a folder");
    let state = folder.path().to_str().expect("UTF-8");
    let flagsmith = Flagsmith::start(document());
    let asked = json!({"context": {"targetingKey": "ann", "region": "eu"}});
    let daemon = flagsmith.follow(&["--state-dir", state]);
    assert_eq!(daemon.client("ofrep").post("/ofrep/v1/evaluate/flags/eu", &asked).1["value"], true);
    // The copy is made off to the side, and then given its name.
    while !is_copied(folder.path()) {
        std::thread::sleep(Duration::from_millis(10));
    }
    daemon.signal("TERM");
    daemon.end();
    flagsmith.up.store(false, Ordering::Relaxed);
    let daemon = flagsmith.follow(&["--state-dir", state]);
    let (status, said) = daemon.client("ofrep").post("/ofrep/v1/evaluate/flags/eu", &asked);
    assert_eq!((status, &said["value"]), (200, &json!(true)), "{said}");
}

/// Whether a document is kept below `path`.
fn is_copied(path: &Path) -> bool {
    let mut entries = std::fs::read_dir(path).into_iter().flatten().map_while(Result::ok);
    entries.any(|entry| match entry.path() {
        path if path.is_dir() => is_copied(&path),
        path => path.extension().is_some_and(|extension| extension == "copy"),
    })
}

/// Which flags a sync client gets, each with what it is told of its translation.
fn synced(words: &[&str]) -> Vec<(String, String)> {
    let flagsmith = Flagsmith::start(document());
    let daemon = flagsmith.follow(words);
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let text = runtime.block_on(async {
        let address = format!("http://127.0.0.1:{}", daemon.ports["sync"]);
        let channel = tonic::transport::Endpoint::from_shared(address).expect("an address");
        let channel = channel.connect().await.expect("a connection");
        let mut client = FlagSyncServiceClient::new(channel);
        let answer = client.fetch_all_flags(FetchAllFlagsRequest::default()).await.expect("flags");
        answer.into_inner().flag_configuration
    });
    let document: Value = serde_json::from_slice(text.as_ref()).expect("a document");
    let flags = document["flags"].as_object().expect("flags");
    let told = |flag: &Value| flag["metadata"]["translation"].as_str().unwrap_or_default().to_owned();
    flags.iter().map(|(key, flag)| (key.clone(), told(flag))).collect()
}

#[test]
fn sync_clients_get_what_the_operator_allows() {
    let exact = [("all", "exact"), ("eu", "exact"), ("off", "exact")];
    let approximate = [("share", "approximate")];
    let unsupported = [("any", "unsupported")];
    for (words, mut expected) in [
        (&[][..], exact.to_vec()),
        (&["--translations", "approximate"], [&exact[..], &approximate].concat()),
        (&["--translations", "all"], [&exact[..], &approximate, &unsupported].concat()),
    ] {
        expected.sort_unstable();
        let got = synced(words);
        let got: Vec<(&str, &str)> = got.iter().map(|(key, told)| (key.as_str(), told.as_str())).collect();
        assert_eq!(got, expected, "{words:?}");
    }
}

fn hoistd(words: &[&str], environment: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hoistd"));
    command.args(words).env_clear().envs(environment.iter().copied()).output().expect("hoistd runs")
}

#[test]
fn import_asks_the_server_and_says_how_true_the_translation_is() {
    let flagsmith = Flagsmith::start(document());
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("environment.json");
    std::fs::write(&path, document()).expect("written");
    let path = path.to_str().expect("UTF-8");
    let key = [("FLAGSMITH_ENVIRONMENT_KEY", KEY)];
    let url = flagsmith.url();
    let live = hoistd(&["import", "flagsmith", &url, "--format", "json", "--users", "2000"], &key);
    let file = hoistd(&["import", "flagsmith", path, "--format", "json", "--users", "2000"], &[]);
    assert!(live.status.success(), "{}", String::from_utf8_lossy(&live.stderr));
    assert_eq!(live.stdout, file.stdout, "from the server or from a file");
    let report: Value = serde_json::from_slice(&live.stderr).expect("a report");
    let document: Value = serde_json::from_slice(&live.stdout).expect("a document");
    let of = |key: &str| {
        let flags = report["flags"].as_array().expect("flags");
        flags.iter().find(|flag| flag["key"] == key).cloned().expect("the flag")
    };
    for key in ["all", "eu", "off"] {
        assert_eq!(
            (&of(key)["translation"], &of(key)["moved"]),
            (&json!("exact"), &json!(0.0)),
            "{}",
            of(key)
        );
        assert_eq!(document["flags"][key]["metadata"]["translation"], "exact");
    }
    assert_eq!(of("share")["translation"], "approximate");
    let moved = of("share")["moved"].as_f64().expect("a share");
    assert!((0.4..0.6).contains(&moved), "of two independent halves a half agrees: {moved}");
    assert_eq!((&of("any")["translation"], &of("any")["included"]), (&json!("unsupported"), &json!(false)));
    let refused = hoistd(&["import", "flagsmith", &url], &[("FLAGSMITH_ENVIRONMENT_KEY", "ser.hunter2")]);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && said.contains("403") && !said.contains("hunter2"), "{said}");
    let out = folder.path().join("flags.json");
    let out = out.to_str().expect("UTF-8");
    assert!(hoistd(&["import", "flagsmith", path, "-o", out, "--users", "10"], &[]).status.success());
    assert!(hoistd(&["validate", out], &[]).status.success());
    let context = r#"{"region": "eu", "targetingKey": "ann"}"#;
    let explained = hoistd(&["explain", "eu", "-f", &format!("flagsmith:{path}"), "--context", context], &[]);
    let explained = String::from_utf8_lossy(&explained.stdout).into_owned();
    assert!(explained.contains("europe"), "{explained}");
}
