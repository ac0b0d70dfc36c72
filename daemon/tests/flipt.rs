//! The daemon beside a Flipt, and beside Flipt's files: every protocol gets Flipt's decisions, changes come as they happen, and a
//! restart without the server serves what was good.

#![allow(clippy::expect_used, clippy::panic, reason = "a test that cannot go on says why")]

extern crate flipt as hoist_provider_flipt;

#[path = "../../providers/flipt/tests/flipt/mod.rs"]
mod double;
mod process;
#[path = "../../store/tests/forge/repository.rs"]
mod repository;

use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use double::{Flipt, Streams, by_region};
use process::Daemon;
use proto::flagd::sync::v1::FetchAllFlagsRequest;
use proto::flagd::sync::v1::flag_sync_service_client::FlagSyncServiceClient;
use repository::{Repository, git_is_missing};
use serde_json::{Value, json};

/// `shop` by region, `half` for a share, `colour` with an attachment, `off`, which is.
fn flags(region: &str) -> Value {
    let constraint = json!({"type": "STRING_CONSTRAINT_COMPARISON_TYPE", "property": "plan", "operator": "isoneof", "value": "[\"pro\"]"});
    let segment =
        json!({"key": "paying", "matchType": "ANY_SEGMENT_MATCH_TYPE", "constraints": [constraint]});
    let rule = json!({"id": "r", "rank": 1, "segmentOperator": "OR_SEGMENT_OPERATOR", "segments": [segment],
        "distributions": [{"variantKey": "blue", "variantAttachment": "{\"hex\":\"#00f\"}", "rollout": 100}]});
    let variant = |key: &str, enabled: bool, rules: Value| {
        json!({"key": key, "type": "VARIANT_FLAG_TYPE", "enabled": enabled, "rules": rules, "rollouts": [],
            "defaultVariant": {"key": "grey", "attachment": ""}})
    };
    let share =
        json!({"type": "THRESHOLD_ROLLOUT_TYPE", "rank": 1, "threshold": {"percentage": 50, "value": true}});
    json!([
        by_region(region),
        {"key": "half", "type": "BOOLEAN_FLAG_TYPE", "enabled": false, "rules": [], "rollouts": [share]},
        variant("colour", true, json!([rule])),
        variant("off", false, json!([])),
    ])
}

fn start(uri: &str, words: &[&str], until: &str) -> Daemon {
    let fixed = ["start", "-p", "0", "-m", "0", "-g", "0", "-r", "0", "--log-format", "json", "--uri", uri];
    Daemon::launch(&[&fixed[..], words].concat(), &[("FLIPT_TOKEN", "s3cret")], until)
}

fn ofrep(daemon: &Daemon, key: &str, context: Value) -> Value {
    daemon.client("ofrep").post(&format!("/ofrep/v1/evaluate/flags/{key}"), &json!({"context": context})).1
}

/// Waits until OFREP answers `value`.
fn sees(daemon: &Daemon, key: &str, context: &Value, value: &Value) {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let answer = ofrep(daemon, key, context.clone());
        if answer["value"] == *value {
            return;
        }
        assert!(Instant::now() < deadline, "{key} is {answer}, not {value}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_protocol_gets_flipts_decisions_and_changes_are_streamed() {
    let server = Flipt::start(flags("eu")).await;
    let daemon = start(&format!("flipt+{}", server.url()), &[], "ready");
    let mut client = daemon.client("evaluation");
    let (eu, pro) =
        (json!({"targetingKey": "ann", "region": "eu"}), json!({"targetingKey": "ann", "plan": "pro"}));
    for service in ["flagd.evaluation.v1.Service", "flagd.evaluation.v2.Service", "schema.v1.Service"] {
        let mut resolve = |method: &str, key: &str, context: &Value| {
            client.post(&format!("/{service}/{method}"), &json!({"flagKey": key, "context": context})).1
        };
        let shop = resolve("ResolveBoolean", "shop", &eu);
        assert_eq!((&shop["value"], &shop["reason"]), (&json!(true), &json!("TARGETING_MATCH")), "{service}");
        assert_eq!(shop["metadata"]["flipt.segments"], "there");
        let colour = resolve("ResolveString", "colour", &pro);
        assert_eq!((&colour["value"], &colour["variant"]), (&json!("blue"), &json!("blue")), "{service}");
        assert_eq!(resolve("ResolveObject", "colour", &pro)["value"], json!({"hex": "#00f"}));
        assert_eq!(resolve("ResolveString", "colour", &eu)["reason"], "DEFAULT");
        // crc32("annhalf") leaves 27 of a hundred.
        let half = resolve("ResolveBoolean", "half", &json!({"targetingKey": "user-11"}));
        assert!(["SPLIT", "DEFAULT"].contains(&half["reason"].as_str().unwrap_or_default()), "{half}");
        assert_eq!(resolve("ResolveBoolean", "nowhere", &eu)["code"], "not_found");
        assert_eq!(resolve("ResolveBoolean", "colour", &eu)["code"], "invalid_argument");
    }
    let answer = ofrep(&daemon, "colour", pro.clone());
    assert_eq!(
        (&answer["value"], &answer["metadata"]["flipt.attachment"]),
        (&json!("blue"), &json!("{\"hex\":\"#00f\"}"))
    );
    let (status, all) = daemon.client("ofrep").post("/ofrep/v1/evaluate/flags", &json!({"context": eu}));
    assert_eq!((status, all["flags"].as_array().map(Vec::len)), (200, Some(4)));
    assert_eq!(server.asked("/snapshot/")[0].authorization, "Bearer s3cret");

    let deadline = Instant::now() + Duration::from_secs(20);
    while server.script().open_streams == 0 {
        assert!(Instant::now() < deadline, "no stream");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    server.set(flags("us"));
    sees(&daemon, "shop", &json!({"targetingKey": "ann", "region": "us"}), &json!(true));
    let mut management = daemon.client("management");
    management.send("GET", "/metrics", "text/plain", b"");
    let metrics = management.text();
    assert!(metrics.contains("feature_flag_flagd_impression_total") && metrics.contains("shop"), "{metrics}");
}

/// Whether a document is kept below `folder`.
fn copied(folder: &Path) -> bool {
    let entries = |folder: &Path| std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries(folder)
        .flat_map(|entry| entries(&entry.path()).collect::<Vec<_>>())
        .any(|file| file.path().extension().is_some_and(|extension| extension == "copy"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_without_the_server_serves_what_was_good() {
    let server = Flipt::start(flags("eu")).await;
    server.script().streams = Streams::Absent;
    let folder = tempfile::tempdir().expect("a folder");
    let state = ["--state-dir", folder.path().to_str().expect("UTF-8")];
    let uri = format!("flipt+{}?namespace=default", server.url());
    let eu = json!({"targetingKey": "ann", "region": "eu"});
    let daemon = start(&uri, &state, "ready");
    sees(&daemon, "shop", &eu, &json!(true));
    // Copies are written beside the answers, in their own time.
    let deadline = Instant::now() + Duration::from_secs(20);
    while !copied(&folder.path().join("sources")) {
        assert!(Instant::now() < deadline, "no copy on disk");
        std::thread::sleep(Duration::from_millis(10));
    }
    daemon.signal("TERM");
    daemon.end();
    server.script().refuse = Some(503);
    let daemon = start(&uri, &state, "ready");
    sees(&daemon, "shop", &eu, &json!(true));
    assert_eq!(ofrep(&daemon, "shop", eu.clone())["metadata"]["stale"], true);
    server.script().refuse = None;
    server.set(flags("us"));
    sees(&daemon, "shop", &eu, &json!(false));
    assert!(ofrep(&daemon, "shop", eu)["metadata"]["stale"].is_null());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_that_evaluate_themselves_get_what_can_be_translated() {
    let server = Flipt::start(flags("eu")).await;
    for (words, expected) in [
        (&[][..], &["colour", "off", "shop"][..]),
        (&["--translations", "approximate"], &["colour", "half", "off", "shop"]),
    ] {
        let daemon = start(&format!("flipt+{}", server.url()), words, "ready");
        let address = format!("http://127.0.0.1:{}", daemon.ports["sync"]);
        let channel = tonic::transport::Endpoint::from_shared(address).expect("an address").connect().await;
        let mut client = FlagSyncServiceClient::new(channel.expect("a connection"));
        let answer =
            client.fetch_all_flags(FetchAllFlagsRequest::default()).await.expect("flags").into_inner();
        let document: Value = serde_json::from_slice(&answer.flag_configuration).expect("JSON");
        let mut keys: Vec<&str> =
            document["flags"].as_object().expect("flags").keys().map(String::as_str).collect();
        keys.sort_unstable();
        assert_eq!(keys, expected, "{words:?}: {document}");
        assert_eq!(document["flags"]["shop"]["metadata"]["translation"], "exact");
    }
}

const FEATURES: &str = r#"version: "1.4"
namespace: shop
flags:
  - key: colour
    type: VARIANT_FLAG_TYPE
    enabled: true
    variants: [{key: blue, attachment: {hex: "00f"}}, {key: grey, default: true}]
    rules:
      - segment: staff
        distributions: [{variant: blue, rollout: 100}]
segments:
  - key: staff
    match_type: ALL_MATCH_TYPE
    constraints: [{type: STRING_COMPARISON_TYPE, property: plan, operator: eq, value: pro}]
---
version: "1.4"
flags:
  - {key: cart, type: BOOLEAN_FLAG_TYPE, enabled: true, rollouts: [{threshold: {percentage: 30, value: false}}]}
"#;

#[test]
fn files_in_a_repository_need_no_flipt_and_a_push_is_seen() {
    if git_is_missing() {
        return;
    }
    let repository = Repository::new();
    repository.put("envs/features.yaml", FEATURES);
    let sources = json!([{"provider": "flipt-file", "uri": repository.uri("ref=main&path=envs/features.yaml"),
        "interval": 1, "values": "attachment"}]);
    let daemon = Daemon::start(&["--sources", &sources.to_string()], "ready");
    let pro = json!({"targetingKey": "ann", "plan": "pro"});
    sees(&daemon, "colour", &pro, &json!({"hex": "00f"}));
    let commit = repository.put("envs/features.yaml", &FEATURES.replace("value: pro", "value: max"));
    sees(&daemon, "colour", &pro, &json!("grey"));
    sees(&daemon, "colour", &json!({"targetingKey": "ann", "plan": "max"}), &json!({"hex": "00f"}));
    let status = || {
        let mut management = daemon.client("management");
        management.send("GET", "/readyz?verbose", "application/json", b"");
        management.answer().1["sources"][0].clone()
    };
    assert_eq!(
        (&status()["originRevision"], &status()["state"]),
        (&json!(commit), &json!("ok")),
        "{}",
        status()
    );
    // What cannot be read says where, and takes nothing away.
    repository.put("envs/features.yaml", &FEATURES.replace("rollouts: [{", "rollouts: [[{"));
    let deadline = Instant::now() + Duration::from_secs(20);
    while status()["state"] != "refused" {
        assert!(Instant::now() < deadline, "{}", status());
        std::thread::sleep(Duration::from_millis(10));
    }
    let said = status().to_string();
    assert!(said.contains("line 18 column 67"), "{said}");
    sees(
        &daemon,
        "cart",
        &json!({"targetingKey": "user-1"}),
        &ofrep(&daemon, "cart", json!({"targetingKey": "user-1"}))["value"],
    );
}

fn hoistd(words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_hoistd")).args(words).env_clear().output().expect("hoistd runs")
}

fn reported(words: &[&str]) -> (Value, Value) {
    let ran = hoistd(words);
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    (
        serde_json::from_slice(&ran.stdout).expect("a document"),
        serde_json::from_slice(&ran.stderr).expect("a report"),
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn import_writes_what_is_true_and_says_what_is_not() {
    let server = Flipt::start(flags("eu")).await;
    let options = ["--format", "json", "--users", "2000", "--translations", "all"];
    let (document, report) = reported(&[&["import", "flipt", &server.url()][..], &options].concat());
    let of = |report: &Value, key: &str| {
        let flags = report["flags"].as_array().expect("flags");
        flags.iter().find(|flag| flag["key"] == key).cloned().expect("the flag")
    };
    for key in ["shop", "colour", "off"] {
        assert_eq!(
            (&of(&report, key)["translation"], &of(&report, key)["moved"]),
            (&json!("exact"), &json!(0.0)),
            "{key}"
        );
    }
    let half = of(&report, "half");
    assert_eq!(half["translation"], "approximate");
    let moved = half["moved"].as_f64().expect("a share");
    assert!((0.4..0.6).contains(&moved), "of two independent halves a half agrees: {moved}");
    assert!(document["flags"]["colour"].is_object());

    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("features.yaml");
    std::fs::write(&path, FEATURES).expect("written");
    let path = path.to_str().expect("UTF-8");
    let (_, report) = reported(&[&["import", "flipt-file", path][..], &options].concat());
    assert_eq!(of(&report, "colour")["flagSetId"], "shop");
    assert_eq!(of(&report, "cart")["translation"], "approximate");
    let context = r#"{"plan": "pro", "targetingKey": "ann"}"#;
    let explained = hoistd(&["explain", "colour", "-f", &format!("flipt-file:{path}"), "--context", context]);
    let explained = String::from_utf8_lossy(&explained.stdout).into_owned();
    assert!(explained.contains("staff") && explained.contains("blue"), "{explained}");
    // Checked before it is rolled out.
    let doctor = hoistd(&["doctor", "-f", &format!("flipt-file:{path}")]);
    let said =
        format!("{}{}", String::from_utf8_lossy(&doctor.stdout), String::from_utf8_lossy(&doctor.stderr));
    assert!(said.contains("2 flags"), "{said}");
}
