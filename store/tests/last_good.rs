//! Last known good: what a start without its origin serves, and what becomes of it when the origin is back.

#![allow(clippy::expect_used, reason = "a test that cannot go on says why")]

mod server;
mod suite;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use engine::Selector;
use hoist_store::{BUILT_IN, Origin, Readiness, Served, Settings, State, Store, find};
use serde_json::json;
use server::{Answer, Server};
use suite::on_disk::OnDisk;
use suite::{Backend, answer, becomes, document, flags, serves, settings, until};
use tempfile::TempDir;

fn keeping(state: &Path) -> Settings {
    Settings { state_dir: Some(state.to_path_buf()), ..settings() }
}

fn start(settings: Settings, backend: &impl Backend) -> Store {
    Store::open(settings, vec![backend.follow()])
}

/// Runs until `variant` is served and its copy is on disk.
async fn run_until_kept(state: &Path, file: &mut OnDisk, variant: &str) {
    file.put(&document(variant));
    let store = start(keeping(state), file);
    serves(&store, variant).await;
    kept(&store).await;
}

async fn kept(store: &Store) {
    until("the copy is on disk", store, |store| {
        let status = store.sources().swap_remove(0);
        status.copied.is_some_and(|copied| copied.at.is_some() && copied.error.is_none())
    })
    .await;
}

fn copies(state: &Path) -> Vec<PathBuf> {
    let folders = fs::read_dir(state.join("sources")).into_iter().flatten().flatten();
    let mut files: Vec<_> = folders
        .flat_map(|folder| fs::read_dir(folder.path()).into_iter().flatten().flatten())
        .map(|file| file.path())
        .collect();
    files.sort();
    files
}

fn stale_in_metadata(store: &Store) -> bool {
    let snapshot = store.read();
    let flag = snapshot.find(&Selector::Any, "flag").expect("the flag");
    assert_eq!(
        flag.definition().contains("\"stale\":true"),
        flag.metadata().json().contains("\"stale\":true")
    );
    flag.metadata().json().contains("\"stale\":true")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_end_right_after_the_first_flags_leaves_a_copy() {
    for _ in 0..20 {
        let (state, mut file) = (TempDir::new().expect("a directory"), OnDisk::new());
        file.put(&document("one"));
        let store = start(keeping(state.path()), &file);
        serves(&store, "one").await;
        tokio::task::block_in_place(|| store.settle(Duration::from_secs(30)));
        assert_eq!(copies(state.path()).len(), 1);
    }
}

#[tokio::test]
async fn a_start_without_the_file_serves_the_copy_and_then_the_file() {
    let (state, mut file) = (TempDir::new().expect("a directory"), OnDisk::new());
    run_until_kept(state.path(), &mut file, "one").await;
    file.vanish();
    let began = Instant::now();
    let store = start(keeping(state.path()), &file);
    serves(&store, "one").await;
    assert!(began.elapsed() < Duration::from_millis(500), "{:?}", began.elapsed());
    let status = becomes(&store, State::Unreachable).await;
    assert!(store.ready() && status.ready && status.stale.is_some(), "{status:?}");
    assert_eq!((status.served, status.flags), (Served::Copy, 1));
    assert!(stale_in_metadata(&store));
    // The same document again is fresh all the same, and what clients hear of it is that it is no longer stale.
    file.put(&document("one"));
    let status = becomes(&store, State::Ok).await;
    assert_eq!((status.served, status.stale.is_none()), (Served::Origin, true));
    assert!(!stale_in_metadata(&store));
    file.put(&document("two"));
    serves(&store, "two").await;
}

#[tokio::test]
async fn a_server_that_hangs_at_the_start_does_not_hold_up_the_copy() {
    let (state, server) = (TempDir::new().expect("a directory"), Server::start(false).await);
    server.script().document = Some(document("one"));
    let follow = || {
        let options = json!({"interval": 1, "timeoutS": 30}).as_object().cloned().expect("an object");
        let origin = Origin::new("http", &server.url("/flags.json"), options);
        let source = (find(BUILT_IN, "http").expect("http").build)(&origin).expect("good options");
        (origin, source)
    };
    let store = Store::open(keeping(state.path()), vec![follow()]);
    serves(&store, "one").await;
    kept(&store).await;
    drop(store);
    server.script().always = Some(Answer::Hang);
    let began = Instant::now();
    let store = Store::open(keeping(state.path()), vec![follow()]);
    store.first_load().await;
    assert!(began.elapsed() < Duration::from_millis(500), "{:?}", began.elapsed());
    assert_eq!(answer(&store, &Selector::Any, "flag").as_deref(), Some("one"));
    let status = store.sources().swap_remove(0);
    assert_eq!((status.state, status.served), (State::Pending, Served::Copy));
    assert!(status.stale.is_some() && status.origin_revision.is_some());
}

#[tokio::test]
async fn a_broken_document_at_the_start_serves_the_copy() {
    let (state, mut file) = (TempDir::new().expect("a directory"), OnDisk::new());
    run_until_kept(state.path(), &mut file, "one").await;
    file.put("{\"flags\": {");
    let store = start(keeping(state.path()), &file);
    serves(&store, "one").await;
    let status = becomes(&store, State::Refused).await;
    assert!(status.ready && status.served == Served::Copy, "{status:?}");
}

#[tokio::test]
async fn a_fresh_start_never_shows_the_copy() {
    let (state, mut file) = (TempDir::new().expect("a directory"), OnDisk::new());
    run_until_kept(state.path(), &mut file, "one").await;
    file.put(&document("two"));
    let store = start(keeping(state.path()), &file);
    store.first_load().await;
    assert_eq!(answer(&store, &Selector::Any, "flag").as_deref(), Some("two"));
    assert_eq!(store.read().generation(), 1);
}

#[tokio::test]
async fn a_copy_that_was_cut_off_or_changed_gives_way_to_the_one_before() {
    let (state, mut file) = (TempDir::new().expect("a directory"), OnDisk::new());
    run_until_kept(state.path(), &mut file, "one").await;
    run_until_kept(state.path(), &mut file, "two").await;
    file.vanish();
    let newest = copies(state.path()).pop().expect("two copies");
    let whole = fs::read(&newest).expect("a copy");
    for broken in [&whole[..whole.len() / 2], b"", &whole[1..]] {
        fs::write(&newest, broken).expect("write");
        let store = start(keeping(state.path()), &file);
        serves(&store, "one").await;
    }
    copies(state.path()).iter().for_each(|copy| fs::write(copy, "nothing").expect("write"));
    let store = start(keeping(state.path()), &file);
    assert!(!becomes(&store, State::Unreachable).await.ready, "nothing is better than anything broken");
}

#[tokio::test]
async fn generations_are_bounded_and_equal_ones_are_not_kept_twice() {
    let (state, mut file) = (TempDir::new().expect("a directory"), OnDisk::new());
    for round in 0..8 {
        run_until_kept(state.path(), &mut file, &format!("v{round}")).await;
        run_until_kept(state.path(), &mut file, &format!("v{round}")).await;
    }
    assert_eq!(copies(state.path()).len(), 5);
}

#[tokio::test]
async fn a_disk_that_fails_hurts_nobody_and_is_told() {
    let (state, mut file) = (TempDir::new().expect("a directory"), OnDisk::new());
    let in_the_way = state.path().join("in-the-way");
    fs::write(&in_the_way, "a file where a directory should be").expect("write");
    file.put(&document("one"));
    let store = start(keeping(&in_the_way), &file);
    serves(&store, "one").await;
    let failing =
        |store: &Store| store.sources()[0].copied.as_ref().is_some_and(|copied| copied.error.is_some());
    until("the failure is told", &store, failing).await;
    file.put(&document("two"));
    serves(&store, "two").await;
    assert_eq!(store.sources()[0].state, State::Ok);
    // Once there is room, the latest is written without another change.
    fs::remove_file(&in_the_way).expect("remove");
    kept(&store).await;
    assert_eq!(copies(&in_the_way).len(), 1);
}

#[tokio::test]
async fn killed_while_writing() {
    if let Some(state) = std::env::var_os("HOIST_TEST_WRITER") {
        let mut file = OnDisk::new();
        for round in 0.. {
            run_until_kept(Path::new(&state), &mut file, &format!("v{}", round % 7)).await;
        }
    }
    let state = TempDir::new().expect("a directory");
    let mut seen = 0;
    for round in 0..8 {
        let mut writer = std::process::Command::new(std::env::current_exe().expect("this program"))
            .args(["--exact", "killed_while_writing"])
            .env("HOIST_TEST_WRITER", state.path())
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .spawn()
            .expect("a writer");
        tokio::time::sleep(Duration::from_millis(300 + 37 * round)).await;
        writer.kill().expect("kill -9");
        writer.wait().expect("ended");
        // Every file with its final name is whole, whenever the writer died.
        for copy in copies(state.path()).iter().filter(|path| path.extension().is_some_and(|e| e == "copy")) {
            let text = fs::read(copy).expect("a copy");
            assert!(text.ends_with(b"}}"), "{}", copy.display());
            seen += 1;
        }
    }
    assert!(seen > 0, "no copy was ever written");
}

#[tokio::test]
async fn flags_grow_stale_after_the_grace_time_and_fresh_again() {
    let mut file = OnDisk::new();
    file.put(&document("one"));
    let patient = Settings { stale_after: Duration::from_millis(700), ..settings() };
    let store = start(Settings { readiness: Readiness::Fresh, ..patient.clone() }, &file);
    serves(&store, "one").await;
    let mut generations = store.subscribe();
    file.vanish();
    let status = becomes(&store, State::Unreachable).await;
    assert!(status.stale.is_none() && store.ready() && !stale_in_metadata(&store), "within the grace time");
    generations.mark_unchanged();
    until("stale", &store, |store| store.sources()[0].stale.is_some()).await;
    assert!(generations.has_changed().expect("open"), "whoever caches answers hears of it");
    assert!(stale_in_metadata(&store));
    assert!(store.loaded() && !store.ready(), "ready means fresh here");
    file.put(&document("one"));
    until("fresh", &store, |store| store.sources()[0].stale.is_none()).await;
    becomes(&store, State::Ok).await;
    assert!(store.ready() && !stale_in_metadata(&store));
}

#[tokio::test]
async fn ready_may_mean_not_out_of_touch_for_long() {
    let mut file = OnDisk::new();
    file.put(&document("one"));
    let age = Duration::from_secs(2);
    let store = start(Settings { readiness: Readiness::MaxAge(age), ..settings() }, &file);
    serves(&store, "one").await;
    file.vanish();
    becomes(&store, State::Unreachable).await;
    assert!(store.ready());
    until("unready", &store, |store| !store.ready()).await;
    assert!(store.sources()[0].out_of_touch() >= age);
    file.put(&document("one"));
    until("ready", &store, Store::ready).await;
}

#[tokio::test]
async fn a_copy_counts_as_old_as_it_is() {
    let (state, mut file) = (TempDir::new().expect("a directory"), OnDisk::new());
    run_until_kept(state.path(), &mut file, "one").await;
    file.vanish();
    let tomorrow =
        Settings { clock: || SystemTime::now() + Duration::from_secs(86_400), ..keeping(state.path()) };
    let store = start(tomorrow, &file);
    serves(&store, "one").await;
    // Monotonic time may be younger than the copy: then its age is not known to be more.
    let seen = store.sources()[0].last_success.expect("the copy's time");
    assert!(seen.at < SystemTime::now());
}

fn many(count: usize, variant: &'static str) -> String {
    let keys: Vec<String> = (0..count).map(|number| format!("flag-{number}")).collect();
    flags(keys.iter().map(|key| (key.as_str(), variant)))
}

#[tokio::test]
async fn a_shrunken_document_waits_and_is_taken_if_it_stays() {
    for (before, after) in [(3, 0), (20, 9)] {
        let mut file = OnDisk::new();
        file.put(&many(before, "one"));
        let hold = Duration::from_millis(1_500);
        let store = start(Settings { shrink_hold: Some(hold), ..settings() }, &file);
        until("the first load is never held", &store, |store| store.sources()[0].flags == before).await;
        let began = Instant::now();
        file.put(&many(after, "two"));
        let status = becomes(&store, State::Held).await;
        assert_eq!((status.flags, status.held), (before, 1));
        assert!(status.error.as_deref().is_some_and(|error| error.contains("it removes")), "{status:?}");
        assert_eq!(answer(&store, &Selector::Any, "flag-0").as_deref(), Some("one"));
        until("taken", &store, |store| store.sources()[0].flags == after).await;
        assert!(began.elapsed() >= hold);
        assert_eq!(becomes(&store, State::Ok).await.error, None);
    }
}

#[tokio::test]
async fn a_shrunken_document_that_goes_again_was_never_there() {
    let mut file = OnDisk::new();
    file.put(&many(3, "one"));
    let store = start(settings(), &file);
    until("loaded", &store, Store::ready).await;
    file.put(r#"{"flags": {}}"#);
    becomes(&store, State::Held).await;
    file.put(&many(3, "two"));
    becomes(&store, State::Ok).await;
    assert_eq!(answer(&store, &Selector::Any, "flag-0").as_deref(), Some("two"));
}

#[tokio::test]
async fn an_operator_confirms() {
    let mut file = OnDisk::new();
    file.put(&many(3, "one"));
    let store = start(settings(), &file);
    until("loaded", &store, Store::ready).await;
    assert_eq!(store.confirm(None), Vec::<String>::new(), "nothing to confirm");
    file.put(r#"{"flags": {}}"#);
    becomes(&store, State::Held).await;
    assert_eq!(store.confirm(Some("another")), Vec::<String>::new());
    assert_eq!(store.confirm(None), [file.path.display().to_string()]);
    let status = becomes(&store, State::Ok).await;
    assert_eq!(status.flags, 0);
    assert!(store.confirm(None).is_empty());
}
