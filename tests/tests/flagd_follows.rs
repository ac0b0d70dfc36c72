//! A real flagd follows the daemon's sync service and gives the daemon's own answers. `HOIST_PEER_FLAGD` names it; without it
//! nothing is tested here.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test that cannot go on says why"
)]

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tests::world::{Daemon, DaemonOptions, another_daemon, http, peer_flagd};

/// How long flagd may take to do as the daemon does: it waits for 4 seconds before it tries again.
const PATIENCE: Duration = Duration::from_secs(30);
const KEYS: [&str; 8] = ["plain", "ruled", "shared", "split", "open", "off", "broken", "nowhere"];

/// A flagd that follows what `selector` means of the daemon's flags.
fn follower(program: &Path, daemon: &Daemon, selector: &str) -> Daemon {
    let target = format!("127.0.0.1:{}", daemon.ports().sync);
    let sources = json!([{"uri": target, "provider": "grpc", "selector": selector}]);
    let options = DaemonOptions::new(["--sources".to_owned(), sources.to_string()]);
    DaemonOptions { program: Some(program.to_owned()), ..options }.start()
}

fn document(plain: &str) -> Value {
    let flag = |default: &str, targeting: Value| json!({"state": "ENABLED", "variants": {"a": "A", "b": "B"}, "defaultVariant": default, "targeting": targeting});
    let mut split = flag("a", json!({"fractional": [["a", 30], ["b", 70]]}));
    split["metadata"] = json!({"flagSetId": "few", "owner": "growth"});
    let mut off = flag("a", json!({}));
    off["state"] = "DISABLED".into();
    let evaluators = json!({"pro": {"==": [{"var": "plan"}, "pro"]}});
    json!({"$evaluators": evaluators, "metadata": {"team": "shop"}, "flags": {
        "plain": flag(plain, json!({})),
        "ruled": flag("a", json!({"if": [{"sem_ver": [{"var": "version"}, ">=", "2.0.0"]}, "b", null]})),
        "shared": flag("a", json!({"if": [{"$ref": "pro"}, "b", "a"]})),
        "split": split,
        "open": {"state": "ENABLED", "variants": {"n": 1.5, "o": {"x": [1, null]}}, "targeting": {"if": [{"var": "on"}, "o"]}},
        "off": off,
        "broken": flag("a", json!({"cat": ["no", "where"]})),
    }})
}

fn write(path: &Path, plain: &str) {
    let next = path.with_extension("next");
    std::fs::write(&next, document(plain).to_string()).expect("a writable file");
    std::fs::rename(next, path).expect("a file that can be replaced");
}

/// Every flag's answer for some contexts; `selector` is asked for too, if there is one.
fn answers(ofrep: u16, selector: &str) -> Vec<(u16, Value)> {
    let contexts = [
        json!({}),
        json!({"targetingKey": "u1", "plan": "pro", "version": "2.1.0"}),
        json!({"targetingKey": "u2", "on": true, "version": "1.9"}),
    ];
    let mut answers = Vec::new();
    for (key, context) in KEYS.iter().flat_map(|key| contexts.iter().map(move |context| (key, context))) {
        let (path, body) =
            (format!("/ofrep/v1/evaluate/flags/{key}"), json!({"context": context}).to_string());
        let mut headers = vec![("content-type", "application/json")];
        if !selector.is_empty() {
            headers.push(("flagd-selector", selector));
        }
        match http::send(ofrep, "POST", &path, &headers, body.as_bytes()) {
            Ok(answer) => answers.push((answer.status, answer.json())),
            Err(_) => answers.push((0, Value::Null)),
        }
    }
    answers
}

/// Waits until flagd answers as the daemon does.
fn agree(daemon: &Daemon, flagd: &Daemon, selector: &str, when: &str) -> Vec<(u16, Value)> {
    let (expected, deadline) = (answers(daemon.ports().ofrep, selector), Instant::now() + PATIENCE);
    loop {
        let found = answers(flagd.ports().ofrep, selector);
        if found == expected {
            return found;
        }
        if Instant::now() > deadline {
            let differs = expected.iter().zip(&found).filter(|(expected, found)| expected != found);
            panic!("{when}, selector {selector:?}: {:#?}", differs.collect::<Vec<_>>());
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_real_flagd_gives_the_same_answers() {
    let Some(program) = peer_flagd() else { return };
    if another_daemon() {
        return println!("skipped: it is ours that is followed");
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("flags.json");
    write(&path, "a");
    let mut daemon = DaemonOptions::new(["-f".to_owned(), format!("file:{}", path.display())]).start();
    let all = follower(&program, &daemon, "");
    let few = follower(&program, &daemon, "flagSetId=few");
    let first = agree(&daemon, &all, "", "at first");
    let found = |answers: &[(u16, Value)]| answers.iter().filter(|(status, _)| *status != 404).count();
    assert_eq!(found(&first), 3 * (KEYS.len() - 1));
    assert_eq!(found(&agree(&daemon, &few, "flagSetId=few", "at first")), 3);

    write(&path, "b");
    let changed = agree_after(&daemon, &all, &first);
    assert_eq!(changed[0].1["variant"], "b");

    daemon.kill();
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(answers(all.ports().ofrep, ""), changed, "flagd keeps what it knows");
    write(&path, "a");
    daemon.restart().expect("the daemon starts again");
    assert_eq!(agree(&daemon, &all, "", "after a restart"), first);
    agree(&daemon, &few, "flagSetId=few", "after a restart");
}

/// Waits until the daemon itself answers otherwise than `before`, and flagd as it does.
fn agree_after(daemon: &Daemon, flagd: &Daemon, before: &[(u16, Value)]) -> Vec<(u16, Value)> {
    let deadline = Instant::now() + PATIENCE;
    while answers(daemon.ports().ofrep, "") == before {
        assert!(Instant::now() < deadline, "the daemon sees its file change");
        std::thread::sleep(Duration::from_millis(20));
    }
    agree(daemon, flagd, "", "after a change")
}
