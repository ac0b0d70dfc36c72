//! The fault matrix: in every cell evaluation goes on from the last good document, the fault shows in the status, and
//! the source recovers by itself. docs/resilience.md has the table.
//!
//! A kind of source takes part with one line, `matrix!(kind, backend)`, and a [`Faulty`] backend: that is a test per row.
//! What an origin of that kind cannot do is skipped aloud.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime};

use engine::Selector;
use hoist_store::{BUILT_IN, Origin, Served, Settings, SourceStatus, State, Store, find};
use serde_json::{Map, Value, json};
use tempfile::TempDir;

use super::{Backend, answer, document, serves, settings, until, until_in};

/// Has tests run that take long.
const LONG: &str = "HOIST_LONG";
/// What does not take long.
const PATIENCE: Duration = Duration::from_secs(20);

/// What an origin that is there may do to a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It cannot be reached, or has no document.
    Down,
    /// It takes requests and answers none; what is under way stops, and nobody is told.
    Hangs,
    /// It answers with errors of its own: 500, UNAVAILABLE.
    Errors,
    /// It ends in the middle of an answer.
    CutOff,
    /// Its answers come byte by byte.
    Drip,
    /// Its document is written in two steps, and this is between them.
    HalfWritten,
}

/// An origin that a test can have fail in more ways than by a bad document.
pub trait Faulty: Backend {
    /// Has documents be YAML, if the kind knows that; called before one is put.
    fn speak_yaml(&mut self) {}

    /// Has the source give up early on a slow origin, if it can be told to; called before it is followed.
    fn hurry(&mut self) {}

    /// Has the origin fail until a document is put. Gives the state that the source must come to, [`State::Ok`] if there
    /// is nothing to notice; `None` if an origin of this kind cannot fail so.
    fn suffer(&mut self, fault: Fault) -> Option<State>;

    /// How long the source may take to notice `fault`.
    fn patience(&self, _fault: Fault) -> Duration {
        Duration::from_secs(10)
    }

    /// What a document beyond the limit is: refused, or not even got.
    fn too_large(&self) -> State {
        State::Refused
    }
}

/// A test for each row of the matrix, in a module named after the kind of source; at the root of a test binary. None is run
/// where what it takes is missing.
macro_rules! matrix {
    ($kind:ident, $backend:expr) => {
        $crate::suite::matrix::matrix!($kind, $backend, unless false);
    };
    ($kind:ident, $backend:expr, unless $missing:expr) => {
        $crate::suite::matrix::matrix!(@ $kind, $backend, $missing,
            down_at_start hangs_at_start down_later times_out answers_errors cut_off slow_drip half_written truncated
            empty no_flags_member no_flags huge deep_nesting yaml_bomb schema_invalid duplicate_keys clock_jumps disk_full
            killed_in_mid_write);
    };
    (@ $kind:ident, $backend:expr, $missing:expr, $($cell:ident)*) => {
        mod $kind {
            use super::*;
            $(
                #[tokio::test]
                async fn $cell() {
                    if $missing {
                        return;
                    }
                    $crate::suite::matrix::$cell(concat!(stringify!($kind), "::", stringify!($cell)), $backend).await;
                }
            )*
        }
    };
}
pub(crate) use matrix;

/// Breaks a source that serves `one`, sees that it goes on, mends it, and sees that it goes on with `two`.
async fn cell<B: Faulty>(
    name: &str,
    mut backend: B,
    patience: Duration,
    fault: impl FnOnce(&mut B) -> Option<State>,
) {
    backend.put(&document("one"));
    let store = Store::open(settings(), vec![backend.follow()]);
    serves(&store, "one").await;
    let Some(expected) = fault(&mut backend) else {
        println!("skipped: {name}: an origin of this kind cannot fail so");
        return;
    };
    until_in(patience, name, &store, |store| store.sources()[0].state == expected).await;
    let status = store.sources().swap_remove(0);
    assert_eq!(answer(&store, &Selector::Any, "flag").as_deref(), Some("one"), "{name}");
    let told = status.error.is_some() && status.troubled.is_some();
    assert!(store.ready() && (told || expected == State::Ok), "{name}: {status:?}");
    println!("{name}: {}, {}", status.state.as_str(), status.error.unwrap_or_default());
    backend.put(&document("two"));
    until_in(patience, "mended", &store, |store| {
        answer(store, &Selector::Any, "flag").as_deref() == Some("two")
    })
    .await;
    until("well", &store, |store| store.sources()[0].state == State::Ok).await;
    let mended = store.sources().swap_remove(0);
    assert_eq!((mended.error, mended.troubled.is_some()), (None, false), "{name}");
}

async fn failing(name: &str, mut backend: impl Faulty, fault: Fault) {
    backend.hurry();
    let patience = backend.patience(fault);
    if patience > PATIENCE && std::env::var_os(LONG).is_none() {
        println!("skipped: {name}: takes long; set {LONG}=1");
        return;
    }
    cell(name, backend, patience, |backend| backend.suffer(fault)).await;
}

async fn saying(name: &str, backend: impl Faulty, bad: &str, expected: State) {
    let say = |backend: &mut _| {
        Backend::put(backend, bad);
        Some(expected)
    };
    cell(name, backend, PATIENCE, say).await;
}

pub async fn down_later(name: &str, backend: impl Faulty) {
    failing(name, backend, Fault::Down).await;
}

pub async fn times_out(name: &str, backend: impl Faulty) {
    failing(name, backend, Fault::Hangs).await;
}

pub async fn answers_errors(name: &str, backend: impl Faulty) {
    failing(name, backend, Fault::Errors).await;
}

pub async fn cut_off(name: &str, backend: impl Faulty) {
    failing(name, backend, Fault::CutOff).await;
}

pub async fn slow_drip(name: &str, backend: impl Faulty) {
    failing(name, backend, Fault::Drip).await;
}

pub async fn half_written(name: &str, backend: impl Faulty) {
    failing(name, backend, Fault::HalfWritten).await;
}

pub async fn truncated(name: &str, backend: impl Faulty) {
    let one = document("one");
    saying(name, backend, &one[..one.len() / 2], State::Refused).await;
}

pub async fn empty(name: &str, backend: impl Faulty) {
    saying(name, backend, "", State::Refused).await;
}

pub async fn no_flags_member(name: &str, backend: impl Faulty) {
    saying(name, backend, "{}", State::Refused).await;
}

pub async fn no_flags(name: &str, backend: impl Faulty) {
    saying(name, backend, "{\"flags\":{}}", State::Held).await;
}

pub async fn huge(name: &str, backend: impl Faulty) {
    let expected = backend.too_large();
    // To unpack so much takes a debug build its time.
    let say = |backend: &mut _| {
        Backend::put(backend, &" ".repeat(100 << 20));
        Some(expected)
    };
    cell(name, backend, PATIENCE * 3, say).await;
}

pub async fn deep_nesting(name: &str, backend: impl Faulty) {
    saying(name, backend, &format!("{{\"flags\": {}", "[".repeat(1_000_000)), State::Refused).await;
}

pub async fn yaml_bomb(name: &str, mut backend: impl Faulty) {
    let line = |n: usize| format!("l{n}: &l{n} [{}]\n", vec![format!("*l{}", n - 1); 10].join(", "));
    let lines: String = (1..12).map(line).collect();
    backend.speak_yaml();
    saying(name, backend, &format!("l0: &l0 [x]\n{lines}flags: {{}}\n"), State::Refused).await;
}

pub async fn schema_invalid(name: &str, mut backend: impl Faulty) {
    backend.put(&document("one"));
    let store = Store::open(settings(), vec![backend.follow()]);
    serves(&store, "one").await;
    backend.put(&document("one").replace("\"defaultVariant\": \"one\"", "\"defaultVariant\": 7"));
    until(name, &store, |store| store.sources()[0].kept.total == 1).await;
    assert_eq!(answer(&store, &Selector::Any, "flag").as_deref(), Some("one"), "{name}");
    assert!(store.sources()[0].problems.total > 0, "{name}");
    backend.put(&document("two"));
    serves(&store, "two").await;
    until("mended", &store, |store| store.sources()[0].kept.total == 0).await;
}

pub async fn duplicate_keys(name: &str, mut backend: impl Faulty) {
    let twice = "{\"flags\": {\n\"flag\": {\"state\": \"ENABLED\", \"variants\": {\"a\": 1}, \"defaultVariant\": \"a\"},\n\
        \"flag\": {\"state\": \"ENABLED\", \"variants\": {\"b\": 2}, \"defaultVariant\": \"b\"}}}";
    backend.put(twice);
    let store = Store::open(settings(), vec![backend.follow()]);
    serves(&store, "b").await;
    until(name, &store, |store| store.sources()[0].problems.total == 1).await;
    backend.put(&document("two"));
    serves(&store, "two").await;
    until("mended", &store, |store| store.sources()[0].problems.total == 0).await;
}

pub async fn clock_jumps(name: &str, mut backend: impl Faulty) {
    static OFFSET: AtomicI64 = AtomicI64::new(0);
    fn clock() -> SystemTime {
        let offset = OFFSET.load(Ordering::Relaxed);
        let by = Duration::from_secs(offset.unsigned_abs());
        if offset < 0 { SystemTime::now() - by } else { SystemTime::now() + by }
    }
    backend.put(&document("one"));
    let store = Store::open(Settings { clock, ..settings() }, vec![backend.follow()]);
    for (variant, years) in [("two", 1), ("three", -1), ("four", -20), ("five", 0)] {
        // Other tests may jump at the same time: the more the merrier.
        OFFSET.store(years * 365 * 86_400, Ordering::Relaxed);
        backend.put(&document(variant));
        serves(&store, variant).await;
        until("ready", &store, Store::ready).await;
        assert!(store.sources()[0].stale.is_none(), "{name}");
    }
}

fn keeping(state: &Path) -> Settings {
    Settings { state_dir: Some(state.to_path_buf()), ..settings() }
}

/// Serves `variant` until its copy is on disk.
async fn keep(backend: &mut impl Faulty, state: &Path, variant: &str) {
    backend.put(&document(variant));
    let store = Store::open(keeping(state), vec![backend.follow()]);
    serves(&store, variant).await;
    until("kept", &store, |store| copied(store, |copied| copied.at.is_some())).await;
}

fn copied(store: &Store, holds: impl Fn(&hoist_store::Copied) -> bool) -> bool {
    store.sources()[0].copied.as_ref().is_some_and(holds)
}

/// Sees that a copy is served, that the status says so, and that the origin takes over when it is back.
async fn served_from_copy(backend: &mut impl Faulty, state: &Path, then: State) -> SourceStatus {
    let store = Store::open(keeping(state), vec![backend.follow()]);
    store.first_load().await;
    until("told", &store, |store| store.sources()[0].state == then).await;
    let status = store.sources().swap_remove(0);
    assert_eq!(
        (status.served, status.stale.is_some(), store.ready()),
        (Served::Copy, true, true),
        "{status:?}"
    );
    backend.put(&document("back"));
    serves(&store, "back").await;
    until("fresh", &store, |store| store.sources()[0].stale.is_none()).await;
    assert_eq!(store.sources()[0].served, Served::Origin);
    status
}

pub async fn down_at_start(name: &str, mut backend: impl Faulty) {
    let state = TempDir::new().expect("a directory");
    keep(&mut backend, state.path(), "one").await;
    let then = backend.suffer(Fault::Down).unwrap_or_else(|| panic!("{name}: whatever there is can be gone"));
    let status = served_from_copy(&mut backend, state.path(), then).await;
    println!("{name}: {}, {}", status.state.as_str(), status.error.unwrap_or_default());
}

pub async fn hangs_at_start(name: &str, mut backend: impl Faulty) {
    let state = TempDir::new().expect("a directory");
    keep(&mut backend, state.path(), "one").await;
    backend.hurry();
    if backend.suffer(Fault::Hangs).is_none() {
        println!("skipped: {name}: an origin of this kind cannot fail so");
        return;
    }
    served_from_copy(&mut backend, state.path(), State::Pending).await;
}

/// A file system of 64 KiB; gone when dropped.
pub struct Tiny(pub TempDir);

impl Tiny {
    /// None where file systems cannot be mounted.
    pub fn mount() -> Option<Self> {
        let folder = TempDir::new().expect("a directory");
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=64k", "tmpfs"]).arg(folder.path());
        mount.output().is_ok_and(|done| done.status.success()).then_some(Self(folder))
    }
}

impl Drop for Tiny {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0.path()).output();
    }
}

pub async fn disk_full(name: &str, mut backend: impl Faulty) {
    let Some(tiny) = Tiny::mount() else {
        println!("skipped: {name}: a file system cannot be mounted here");
        return;
    };
    let state = tiny.0.path();
    backend.put(&document("one"));
    let store = Store::open(keeping(state), vec![backend.follow()]);
    serves(&store, "one").await;
    until("kept", &store, |store| copied(store, |copied| copied.at.is_some())).await;
    backend.put(&(document("two") + &" ".repeat(200 << 10)));
    serves(&store, "two").await;
    let full = |error: &String| error.contains("space");
    until("told", &store, |store| copied(store, |copied| copied.error.as_ref().is_some_and(full))).await;
    assert_eq!(store.sources()[0].state, State::Ok);
    // What fits is kept again, and what did not has left nothing behind.
    backend.put(&document("three"));
    serves(&store, "three").await;
    until("kept again", &store, |store| copied(store, |copied| copied.error.is_none())).await;
    drop(store);
    backend.suffer(Fault::Down);
    serves(&Store::open(keeping(state), vec![backend.follow()]), "three").await;
}

/// Names the state directory and the origin for the process that is to be killed.
pub const VICTIM: &str = "HOIST_TEST_VICTIM";

pub async fn killed_in_mid_write(name: &str, mut backend: impl Faulty) {
    if let Ok(told) = std::env::var(VICTIM) {
        return follow_until_killed(&told).await;
    }
    let state = TempDir::new().expect("a directory");
    keep(&mut backend, state.path(), "one").await;
    let origin = backend.follow().0;
    let options: Map<String, Value> = origin.options().expect("an object");
    let told = json!({"state": state.path(), "provider": origin.provider(), "name": &**origin.name(), "options": options});
    let mut caught = 0;
    for round in 0..12 {
        backend.put(&(document(&format!("v{round}")) + &" ".repeat(6 << 20)));
        let mut victim = victim(name, &told);
        let caught_now = in_mid_write(state.path()).await;
        victim.kill().expect("kill -9");
        victim.wait().expect("ended");
        caught += usize::from(caught_now && unfinished(state.path()));
        if caught == 3 {
            break;
        }
    }
    assert!(caught > 0, "{name}: no kill came in the middle of a write");
    println!("{name}: {caught} writes were cut short");
    let then = backend.suffer(Fault::Down).expect("it can be gone");
    served_from_copy(&mut backend, state.path(), then).await;
}

/// This program once more, to run the test called `name` and be killed; it finds `told` in [`VICTIM`].
pub fn victim(name: &str, told: &Value) -> Child {
    let mut victim = Command::new(std::env::current_exe().expect("this program"));
    victim.args(["--exact", name]).env(VICTIM, told.to_string());
    victim.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("a process")
}

async fn follow_until_killed(told: &str) {
    let told: Value = serde_json::from_str(told).expect("JSON");
    let text = |name: &str| told[name].as_str().expect("text").to_owned();
    let options = told["options"].as_object().cloned().expect("an object");
    let origin = Origin::new(&text("provider"), &text("name"), options);
    let source =
        (find(BUILT_IN, origin.provider()).expect("a known kind").build)(&origin).expect("good options");
    let _store = Store::open(keeping(Path::new(&text("state"))), vec![(origin, source)]);
    std::future::pending().await
}

/// Waits for the beginning of a copy; `false` if none is seen for a while.
async fn in_mid_write(state: &Path) -> bool {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while tokio::time::Instant::now() < deadline {
        if unfinished(state) {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    false
}

fn unfinished(state: &Path) -> bool {
    let folders = std::fs::read_dir(state.join("sources")).into_iter().flatten().flatten();
    let mut files =
        folders.flat_map(|folder| std::fs::read_dir(folder.path()).into_iter().flatten().flatten());
    files.any(|file| file.path().extension().is_some_and(|ending| ending != "copy"))
}
