//! What a document and a source may cost: beyond each limit there is a refusal, and what was served still is.

#![allow(clippy::expect_used, reason = "a test that cannot go on says why")]

mod suite;

use std::time::{Duration, Instant};

use engine::Selector;
use hoist_store::{Format, Memory, Origin, Settings, State, Store};
use serde_json::{Map, json};
use suite::on_disk::OnDisk;
use suite::{Backend, answer, becomes, document, flags, serves, settings, until};

/// Sees that `beyond` is refused for a reason with `why` in it, that `one` is still served, and that `two` is taken.
async fn refuses(settings: Settings, beyond: &str, why: &str) {
    let mut file = OnDisk::new();
    file.put(&document("one"));
    let store = Store::open(settings, vec![file.follow()]);
    serves(&store, "one").await;
    let generation = store.read().generation();
    file.put(beyond);
    let status = becomes(&store, State::Refused).await;
    assert!(status.error.as_deref().is_some_and(|error| error.contains(why)), "{status:?}");
    assert_eq!(answer(&store, &Selector::Any, "flag").as_deref(), Some("one"));
    assert_eq!((store.read().generation(), store.ready()), (generation, true));
    file.put(&document("two"));
    serves(&store, "two").await;
}

#[tokio::test]
async fn bytes() {
    let padded = document("three") + &" ".repeat(1_000);
    refuses(Settings { max_bytes: 1_000, ..settings() }, &padded, "larger than 1000 bytes").await;
}

#[tokio::test]
async fn number_of_flags() {
    let four = flags([("flag", "three"), ("a", "x"), ("b", "x"), ("c", "x")]);
    refuses(Settings { max_flags: 3, ..settings() }, &four, "4 flags, more than 3").await;
}

#[tokio::test]
async fn nesting() {
    let nested = format!("{{\"flags\": {{}}, \"x\": {}{}}}", "[".repeat(128), "]".repeat(128));
    refuses(settings(), &nested, "nested more than 128 levels deep").await;
}

#[tokio::test]
async fn size_of_a_rule() {
    let mut settings = settings();
    settings.engine.limits.rule_nodes = 50;
    let mut file = OnDisk::new();
    file.put(&document("one"));
    let store = Store::open(settings, vec![file.follow()]);
    serves(&store, "one").await;
    let rule = json!({"in": [{"var": "x"}, vec!["y"; 100]]});
    let flag =
        json!({"state": "ENABLED", "variants": {"big": "big"}, "defaultVariant": "big", "targeting": rule});
    file.put(&json!({"flags": {"flag": flag}}).to_string());
    until("told", &store, |store| store.sources()[0].problems.total > 0).await;
    let status = store.sources().swap_remove(0);
    assert!(
        answer(&store, &Selector::Any, "flag").as_deref() == Some("one"),
        "the flag stays as it was: {status:?}"
    );
}

#[tokio::test]
async fn versions_per_second() {
    let (memory, versions) = Memory::new(document("v0"), Format::Json);
    let origin = Origin::new("memory", "memory", Map::new());
    let store = Store::open(settings(), vec![(origin, Box::new(memory))]);
    serves(&store, "v0").await;
    let begin = Instant::now();
    let mut version = 0;
    while begin.elapsed() < Duration::from_secs(2) {
        version += 1;
        versions.set(document(&format!("v{version}")));
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    serves(&store, &format!("v{version}")).await;
    let seconds = begin.elapsed().as_secs_f64();
    let accepted = store.sources()[0].accepted as f64;
    assert!(accepted <= 12.0 + 20.0 * seconds && version > 200, "{accepted} of {version} in {seconds} s");
}
