//! The `grpc` source behind another daemon that follows a file: our own, and a real flagd where `HOIST_PEER_FLAGD` names one.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test that cannot go on says why"
)]

#[path = "../../store/tests/suite/mod.rs"]
mod suite;

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use engine::Selector;
use hoist_store::{BUILT_IN, Origin, Source, State, find};
use serde_json::{Map, Value, json};
use suite::{Backend, answer, becomes, document, flags, open, serves, until};
use tests::world::{Daemon, DaemonOptions, Ports, peer_flagd};

/// A daemon and its file. It starts with the first document, and again with the next one after it vanished.
struct Upstream {
    program: Option<PathBuf>,
    folder: tempfile::TempDir,
    ports: Ports,
    daemon: Option<Daemon>,
    /// Of the source that follows it.
    options: Map<String, Value>,
}

impl Upstream {
    /// One that runs `program`, or our own daemon.
    fn of(program: Option<PathBuf>) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        Self { program, folder, ports: Ports::free(), daemon: None, options: Map::new() }
    }

    /// None where there is no flagd, and it says so.
    fn flagd() -> Option<Self> {
        peer_flagd().map(|program| Self::of(Some(program)))
    }
}

impl Backend for Upstream {
    fn follow(&self) -> (Origin, Box<dyn Source>) {
        let origin = Origin::new("grpc", &format!("localhost:{}", self.ports.sync), self.options.clone());
        let source =
            (find(BUILT_IN, "grpc").expect("grpc is built in").build)(&origin).expect("good options");
        (origin, source)
    }

    fn put(&mut self, document: &str) {
        let path = self.folder.path().join("flags.json");
        let beside = self.folder.path().join("flags.next");
        std::fs::write(&beside, document).expect("a writable file");
        std::fs::rename(beside, &path).expect("a file that can be replaced");
        if self.daemon.is_none() {
            let words = ["-f".to_owned(), format!("file:{}", path.display())];
            let options = DaemonOptions { program: self.program.clone(), ..DaemonOptions::new(words) };
            self.daemon = Some(options.start_on(self.ports).expect("it starts"));
        }
    }

    fn reword(&mut self, _document: &str) -> bool {
        // A daemon says everything in words of its own, always the same.
        false
    }

    fn garble(&mut self, _garbage: &str) -> bool {
        // What it cannot read it keeps to itself.
        false
    }

    fn vanish(&mut self) -> bool {
        self.daemon = None;
        true
    }
}

#[tokio::test]
async fn suite_of_our_own() {
    suite::play(Upstream::of(None)).await;
}

#[tokio::test]
async fn suite_of_a_real_flagd() {
    let Some(flagd) = Upstream::flagd() else { return };
    suite::play(flagd).await;
}

async fn garbage_is_no_trouble_of_ours(mut upstream: Upstream) {
    upstream.put(&document("one"));
    let store = open(&upstream);
    serves(&store, "one").await;
    for garbage in ["{\"flags\": {", "no flags here", "{}"] {
        upstream.put(garbage);
        // Longer than a flagd takes to look at its file.
        tokio::time::sleep(Duration::from_millis(2500)).await;
        assert_eq!(store.sources()[0].state, State::Ok, "{garbage:?}");
        assert_eq!(answer(&store, &Selector::Any, "flag").as_deref(), Some("one"), "{garbage:?}");
    }
    upstream.put(&document("two"));
    serves(&store, "two").await;
}

#[tokio::test]
async fn what_our_own_cannot_read_is_no_trouble() {
    garbage_is_no_trouble_of_ours(Upstream::of(None)).await;
}

#[tokio::test]
async fn what_a_real_flagd_cannot_read_is_no_trouble() {
    let Some(flagd) = Upstream::flagd() else { return };
    garbage_is_no_trouble_of_ours(flagd).await;
}

#[tokio::test]
async fn a_touch_of_a_real_flagds_file_is_no_news() {
    let Some(mut flagd) = Upstream::flagd() else { return };
    flagd.put(&document("one"));
    let store = open(&flagd);
    serves(&store, "one").await;
    let mut generations = store.subscribe();
    generations.mark_unchanged();
    let touched = SystemTime::now();
    flagd.put(&format!("{}\n\n", document("one")));
    // flagd sends everything again whenever its file was touched.
    until("all flags once more", &store, |store| {
        store.sources()[0].last_success.as_ref().is_some_and(|seen| seen.at > touched)
    })
    .await;
    assert!(!generations.has_changed().expect("open"), "no new generation");
    assert_eq!(store.sources()[0].accepted, 1);
}

async fn all_flags_and_one_set_of_them(mut upstream: Upstream) {
    let keys: Vec<String> = (0..2_000).map(|n| format!("flag-{n}")).collect();
    let mut all: Value =
        serde_json::from_str(&flags(keys.iter().map(|key| (key.as_str(), "one")))).expect("a document");
    for n in 0..10 {
        all["flags"][format!("flag-{n}")]["metadata"] = json!({"flagSetId": "few"});
    }
    upstream.put(&all.to_string());
    let store = open(&upstream);
    until("all flags", &store, |store| store.sources()[0].flags == keys.len()).await;
    upstream.options.insert("selector".to_owned(), json!("flagSetId=few"));
    let some = open(&upstream);
    until("the flags of a set", &some, |store| store.sources()[0].flags == 10).await;
    let few = Selector::parse("flagSetId=few").expect("a selector");
    for store in [&store, &some] {
        assert_eq!(answer(store, &few, "flag-9").as_deref(), Some("one"));
        assert_eq!(answer(store, &few, "flag-10"), None);
    }
    assert_eq!(becomes(&some, State::Ok).await.problems.total, 0);
}

#[tokio::test]
async fn many_flags_of_our_own() {
    all_flags_and_one_set_of_them(Upstream::of(None)).await;
}

#[tokio::test]
async fn many_flags_of_a_real_flagd() {
    let Some(flagd) = Upstream::flagd() else { return };
    all_flags_and_one_set_of_them(flagd).await;
}
