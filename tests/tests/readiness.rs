//! Ready means ready: from the first `/readyz` 200 on, no flag is ever missing.
//!
//! `HOIST_STARTS` sets how often the daemon is started (20 unless told).
#![allow(clippy::expect_used, clippy::panic, clippy::print_stdout)]

use std::time::{Duration, Instant};

use tests::world::{DaemonOptions, http};

/// How many flags the file has; parsing them takes long enough for a hasty "ready" to be caught.
const FLAGS: usize = 3_000;
/// How long each start is asked.
const LOAD: Duration = Duration::from_millis(500);

fn document() -> String {
    let flags: serde_json::Map<String, serde_json::Value> = (0..FLAGS)
        .map(|n| {
            let branch =
                serde_json::json!({"ends_with": [{"var": "email"}, format!("@team-{}.example", n % 7)]});
            let flag = serde_json::json!({
                "state": "ENABLED", "variants": {"on": true, "off": false}, "defaultVariant": "off",
                "targeting": {"if": [branch, "on", {"fractional": [["on", 10], ["off", 90]]}]},
            });
            (format!("flag-{n:04}"), flag)
        })
        .collect();
    serde_json::json!({"flags": flags}).to_string()
}

#[test]
fn no_wrong_answer_after_the_first_ready() {
    let starts = std::env::var("HOIST_STARTS").ok().and_then(|n| n.parse().ok()).unwrap_or(20);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("flags.json");
    std::fs::write(&path, document()).expect("a writable file");
    let mut answers = 0;
    for start in 0..starts {
        let daemon = DaemonOptions::new(["-f".to_owned(), format!("file:{}", path.display())]).start();
        let until = Instant::now() + LOAD;
        let mut n = start;
        while Instant::now() < until {
            let key = format!("flag-{:04}", n % FLAGS);
            let body = serde_json::json!({"flagKey": key, "context": {"targetingKey": "u", "email": "ada@team-3.example"}});
            let ofrep = http::post(daemon.ports().ofrep, &format!("/ofrep/v1/evaluate/flags/{key}"), &body);
            let ofrep = ofrep.expect("OFREP listens once the daemon is ready");
            assert_eq!(ofrep.status, 200, "start {start}, {key}: {}", ofrep.text());
            let path = "/flagd.evaluation.v1.Service/ResolveBoolean";
            let rpc = http::post(daemon.ports().evaluation, path, &body).expect("evaluation listens as well");
            assert_eq!(rpc.status, 200, "start {start}, {key}: {}", rpc.text());
            assert_eq!(rpc.json()["value"], ofrep.json()["value"], "{key}");
            answers += 2;
            n += 911;
        }
    }
    println!("{starts} starts with {FLAGS} flags: {answers} right answers, none wrong");
    assert!(answers > starts * 20, "too few answers to prove anything: {answers}");
}
