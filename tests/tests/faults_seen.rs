//! A source in trouble is seen from outside: in `/readyz` and `/metrics`, while answers go on.
#![allow(clippy::expect_used, clippy::panic)]

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tests::load::document;
use tests::world::{Daemon, DaemonOptions, HttpOrigin, http};

/// The first source, as `/readyz` tells of it.
fn told(daemon: &Daemon) -> Value {
    let ready = http::get(daemon.ports().management, "/readyz?verbose").expect("an answer");
    assert_eq!(ready.status, 200, "what is served can be evaluated: {}", ready.text());
    ready.json()["sources"][0].clone()
}

fn metric(daemon: &Daemon, name: &str) -> String {
    let text = http::get(daemon.ports().management, "/metrics").expect("an answer").text();
    let line = text.lines().find(|line| line.starts_with(name) && line[name.len()..].starts_with('{'));
    line.and_then(|line| line.rsplit(' ').next()).unwrap_or("absent").to_owned()
}

fn until(what: &str, holds: impl Fn() -> bool) {
    let begin = Instant::now();
    while !holds() {
        assert!(begin.elapsed() < Duration::from_secs(20), "{what}: not within 20 s");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn every_trouble_has_a_word_and_a_number() {
    let web = HttpOrigin::start(&document(1).to_string());
    let sources = json!([{"uri": web.url(), "provider": "http", "interval": 1}]).to_string();
    let words = ["--sources", &sources, "--stale-after", "1s"].map(str::to_owned);
    let daemon = DaemonOptions::new(words).start();
    for (version, trouble, state, metrics) in [
        (2, None, "unreachable", ["0", "0", "1"]),
        (3, Some("{\"flags\": {"), "refused", ["0", "0", "1"]),
        (4, Some("{\"flags\": {}}"), "held", ["0", "1", "1"]),
    ] {
        web.set(trouble);
        until(state, || told(&daemon)["state"] == state);
        until("stale", || told(&daemon)["stale"] == true);
        assert!(
            told(&daemon)["error"].is_string() && told(&daemon)["lastSuccessAgeSeconds"].as_f64() > Some(0.5)
        );
        let names = ["hoistd_source_up", "hoistd_source_held", "hoistd_source_stale"];
        assert_eq!(names.map(|name| metric(&daemon, name)), metrics.map(str::to_owned), "{state}");
        let answer = http::post(daemon.ports().ofrep, "/ofrep/v1/evaluate/flags/paired", &json!({}));
        let answer = answer.expect("an answer").json();
        assert_eq!((&answer["value"], &answer["metadata"]["stale"]), (&json!(version - 1), &json!(true)));
        web.set(Some(&document(version).to_string()));
        until("well again", || told(&daemon)["state"] == "ok" && told(&daemon)["stale"] == false);
        assert_eq!(names.map(|name| metric(&daemon, name)), ["1", "0", "0"].map(str::to_owned));
    }
}
