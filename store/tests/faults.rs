//! The fault matrix: in every cell evaluation goes on from the last good document, the fault shows in the status, and
//! the source recovers by itself. docs/resilience.md has the table.

#![allow(clippy::expect_used, clippy::print_stdout, reason = "a test that cannot go on says why")]

mod server;
mod suite;

use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime};

use engine::Selector;
use hoist_store::{BUILT_IN, Origin, Served, Settings, Source, SourceStatus, State, Store, find};
use serde_json::{Map, Value, json};
use server::{Answer, Server};
use suite::on_disk::OnDisk;
use suite::{Backend, answer, document, serves, settings, until};
use tempfile::TempDir;

/// A document behind a URL that is asked for every second.
struct Http {
    server: Server,
    path: &'static str,
    /// How many seconds an answer may take.
    patience: u64,
}

impl Http {
    async fn new(path: &'static str) -> Self {
        Self { server: Server::start(false).await, path, patience: 9 }
    }
}

impl Backend for Http {
    fn follow(&self) -> (Origin, Box<dyn Source>) {
        let options: Map<String, Value> = [("interval", json!(1)), ("timeoutS", json!(self.patience))]
            .map(|(name, value)| (name.to_owned(), value))
            .into_iter()
            .collect();
        let origin = Origin::new("http", &self.server.url(self.path), options);
        let source = (find(BUILT_IN, "http").expect("http").build)(&origin).expect("good options");
        (origin, source)
    }

    fn put(&mut self, document: &str) {
        let mut script = self.server.script();
        script.always = None;
        script.document = Some(document.to_owned());
    }

    fn vanish(&mut self) -> bool {
        self.server.script().document = None;
        true
    }
}

/// What an origin may say that is no good, and how the source is then doing.
fn bad_documents() -> Vec<(&'static str, String, State)> {
    let one = document("one");
    vec![
        ("truncated", one[..one.len() / 2].to_owned(), State::Refused),
        ("empty", String::new(), State::Refused),
        ("{}", "{}".to_owned(), State::Refused),
        ("{\"flags\":{}}", "{\"flags\":{}}".to_owned(), State::Held),
        ("100 MB", " ".repeat(100 << 20), State::Refused),
        ("deep nesting", format!("{{\"flags\": {}", "[".repeat(1_000_000)), State::Refused),
    ]
}

fn yaml_bomb() -> String {
    let line = |n: usize| format!("l{n}: &l{n} [{}]\n", vec![format!("*l{}", n - 1); 10].join(", "));
    let lines: String = (1..12).map(line).collect();
    format!("l0: &l0 [x]\n{lines}flags: {{}}\n")
}

/// Breaks a source that serves `one`, sees that it goes on, mends it, and sees that it goes on with `two`.
async fn cell<B: Backend>(
    name: &str,
    backend: &mut B,
    expected: State,
    fault: impl FnOnce(&mut B),
) -> SourceStatus {
    backend.put(&document("one"));
    let store = Store::open(settings(), vec![backend.follow()]);
    serves(&store, "one").await;
    fault(backend);
    until(name, &store, |store| store.sources()[0].state == expected).await;
    let status = store.sources().swap_remove(0);
    assert_eq!(answer(&store, &Selector::Any, "flag").as_deref(), Some("one"), "{name}");
    assert!(store.ready() && status.error.is_some() && status.troubled.is_some(), "{name}: {status:?}");
    backend.put(&document("two"));
    serves(&store, "two").await;
    until("mended", &store, |store| store.sources()[0].state == State::Ok).await;
    let mended = store.sources().swap_remove(0);
    assert_eq!((mended.error, mended.troubled.is_some()), (None, false), "{name}");
    status
}

#[tokio::test]
async fn bad_documents_in_a_file() {
    for (name, bad, expected) in bad_documents() {
        cell(name, &mut OnDisk::new(), expected, |file| file.put(&bad)).await;
    }
}

#[tokio::test]
async fn bad_documents_over_http() {
    for (name, bad, expected) in bad_documents() {
        cell(name, &mut Http::new("/flags.json").await, expected, |http| http.put(&bad)).await;
    }
}

#[tokio::test]
async fn yaml_bombs() {
    let folder = TempDir::new().expect("a directory");
    let mut file = OnDisk::at(folder.path().join("flags.yaml"));
    cell("file", &mut file, State::Refused, |file| file.put(&yaml_bomb())).await;
    let mut http = Http::new("/flags.yaml").await;
    cell("http", &mut http, State::Refused, |http| http.put(&yaml_bomb())).await;
}

#[tokio::test]
async fn down_later() {
    let status = cell("file", &mut OnDisk::new(), State::Unreachable, |file| assert!(file.vanish())).await;
    assert!(status.error.is_some_and(|error| error.contains("no such file")));
    let mut http = Http::new("/flags.json").await;
    cell("http", &mut http, State::Unreachable, |http| assert!(http.vanish())).await;
}

#[tokio::test]
async fn servers_that_misbehave() {
    for (name, fault) in [
        ("times out", Answer::Hang),
        ("500s", Answer::Status(500, Vec::new(), "oops".to_owned())),
        ("truncated", Answer::Truncated),
        ("slow drip", Answer::Drip),
    ] {
        let mut http = Http { patience: 1, ..Http::new("/flags.json").await };
        cell(name, &mut http, State::Unreachable, |http| http.server.script().always = Some(fault)).await;
    }
}

/// Keeps what the origin has, then starts without it.
async fn down_at_start(backend: &mut impl Backend) {
    let state = TempDir::new().expect("a directory");
    let keeping = Settings { state_dir: Some(state.path().to_path_buf()), ..settings() };
    backend.put(&document("one"));
    let store = Store::open(keeping.clone(), vec![backend.follow()]);
    serves(&store, "one").await;
    until("kept", &store, |store| {
        store.sources()[0].copied.as_ref().is_some_and(|copied| copied.at.is_some())
    })
    .await;
    drop(store);
    backend.vanish();
    let store = Store::open(keeping, vec![backend.follow()]);
    serves(&store, "one").await;
    until("told", &store, |store| store.sources()[0].state == State::Unreachable).await;
    let status = store.sources().swap_remove(0);
    assert_eq!((status.served, status.stale.is_some(), store.ready()), (Served::Copy, true, true));
    backend.put(&document("two"));
    serves(&store, "two").await;
    until("fresh", &store, |store| store.sources()[0].stale.is_none()).await;
}

#[tokio::test]
async fn down_at_start_with_a_copy() {
    down_at_start(&mut OnDisk::new()).await;
    down_at_start(&mut Http::new("/flags.json").await).await;
}

#[tokio::test]
async fn half_written_files_are_never_seen() {
    let mut file = OnDisk::new();
    file.put(&document("one"));
    let store = Store::open(settings(), vec![file.follow()]);
    serves(&store, "one").await;
    let two = document("two");
    file.put(&two[..two.len() / 2]);
    tokio::time::sleep(Duration::from_millis(40)).await;
    assert_eq!(answer(&store, &Selector::Any, "flag").as_deref(), Some("one"));
    file.put(&two);
    serves(&store, "two").await;
    assert_eq!(store.sources()[0].state, State::Ok);
}

#[tokio::test]
async fn duplicate_keys_are_told_and_the_last_counts() {
    let twice = "{\"flags\": {\n\"flag\": {\"state\": \"ENABLED\", \"variants\": {\"a\": 1}, \"defaultVariant\": \"a\"},\n\
        \"flag\": {\"state\": \"ENABLED\", \"variants\": {\"b\": 2}, \"defaultVariant\": \"b\"}}}";
    let mut backends: [Box<dyn Backend>; 2] =
        [Box::new(OnDisk::new()), Box::new(Http::new("/flags.json").await)];
    for backend in &mut backends {
        backend.put(twice);
        let store = Store::open(settings(), vec![backend.follow()]);
        serves(&store, "b").await;
        until("told", &store, |store| store.sources()[0].problems.total == 1).await;
    }
}

#[tokio::test]
async fn the_clock_may_jump() {
    static OFFSET: AtomicI64 = AtomicI64::new(0);
    fn clock() -> SystemTime {
        let offset = OFFSET.load(Ordering::Relaxed);
        let by = Duration::from_secs(offset.unsigned_abs());
        if offset < 0 { SystemTime::now() - by } else { SystemTime::now() + by }
    }
    let (mut file, mut http) = (OnDisk::new(), Http::new("/flags.json").await);
    file.put(&document("one"));
    http.put(&document("one"));
    let store = Store::open(Settings { clock, ..settings() }, vec![file.follow()]);
    let remote = Store::open(Settings { clock, ..settings() }, vec![http.follow()]);
    for (variant, years) in [("two", 1), ("three", -1), ("four", -20), ("five", 0)] {
        OFFSET.store(years * 365 * 86_400, Ordering::Relaxed);
        file.put(&document(variant));
        http.put(&document(variant));
        serves(&store, variant).await;
        serves(&remote, variant).await;
        until("ready", &store, Store::ready).await;
        until("ready", &remote, Store::ready).await;
        assert!(store.sources()[0].stale.is_none() && remote.sources()[0].stale.is_none());
    }
}

#[tokio::test]
async fn a_flag_that_is_schema_invalid_stays_as_it_was() {
    let bad = document("one").replace("\"defaultVariant\": \"one\"", "\"defaultVariant\": 7");
    let mut backends: [Box<dyn Backend>; 2] =
        [Box::new(OnDisk::new()), Box::new(Http::new("/flags.json").await)];
    for backend in &mut backends {
        backend.put(&document("one"));
        let store = Store::open(settings(), vec![backend.follow()]);
        serves(&store, "one").await;
        backend.put(&bad);
        until("told", &store, |store| store.sources()[0].kept.total == 1).await;
        assert_eq!(answer(&store, &Selector::Any, "flag").as_deref(), Some("one"));
        assert!(store.sources()[0].problems.total > 0);
        backend.put(&document("two"));
        serves(&store, "two").await;
        until("mended", &store, |store| store.sources()[0].kept.total == 0).await;
    }
}

/// A file system of 64 KiB; gone when dropped.
struct Tiny(TempDir);

impl Tiny {
    fn mount() -> Option<Self> {
        let folder = TempDir::new().expect("a directory");
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=64k", "tmpfs"]).arg(folder.path());
        mount.output().is_ok_and(|done| done.status.success()).then_some(Self(folder))
    }

    fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for Tiny {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.path()).output();
    }
}

#[tokio::test]
async fn a_full_disk_hurts_nobody() {
    let Some(tiny) = Tiny::mount() else {
        println!("skipped: a file system cannot be mounted here");
        return;
    };
    let keeping = Settings { state_dir: Some(tiny.path().to_path_buf()), ..settings() };
    let mut file = OnDisk::new();
    file.put(&document("one"));
    let store = Store::open(keeping.clone(), vec![file.follow()]);
    serves(&store, "one").await;
    let error = |store: &Store| store.sources()[0].copied.clone().expect("copies").error;
    until("kept", &store, |store| {
        store.sources()[0].copied.as_ref().is_some_and(|copied| copied.at.is_some())
    })
    .await;
    file.put(&(document("two") + &" ".repeat(200 << 10)));
    serves(&store, "two").await;
    until("told", &store, |store| error(store).is_some_and(|error| error.contains("space"))).await;
    assert_eq!(store.sources()[0].state, State::Ok);
    // What fits is kept again, and what did not has left nothing behind.
    file.put(&document("three"));
    serves(&store, "three").await;
    until("kept again", &store, |store| error(store).is_none()).await;
    drop(store);
    file.vanish();
    serves(&Store::open(keeping, vec![file.follow()]), "three").await;
}
