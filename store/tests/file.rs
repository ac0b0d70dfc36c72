//! The file source on real files.

#![allow(clippy::expect_used, reason = "a test that cannot go on says why")]

mod suite;

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use hoist_store::{BUILT_IN, Origin, Source, State, Store, find};
use serde_json::Map;
use suite::on_disk::OnDisk;
use suite::{Backend, answer, becomes, document, open, play, serves, settings, until};
use tempfile::TempDir;

/// A file that is replaced by renaming.
struct Renamed(OnDisk);

impl Backend for Renamed {
    fn follow(&self) -> (Origin, Box<dyn Source>) {
        self.0.follow()
    }

    fn put(&mut self, document: &str) {
        self.0.rename_over(document);
    }

    fn vanish(&mut self) -> bool {
        self.0.vanish()
    }
}

#[tokio::test]
async fn suite_written_in_place() {
    play(OnDisk::new()).await;
}

#[tokio::test]
async fn suite_renamed_over() {
    play(Renamed(OnDisk::new())).await;
}

#[tokio::test]
async fn missing_at_first_is_told_at_once_and_found_later() {
    let mut file = OnDisk::new();
    let store = open(&file);
    let told = Instant::now();
    let status = store.first_load().await.swap_remove(0);
    assert!(told.elapsed() < Duration::from_secs(4));
    assert_eq!(status.state, State::Unreachable);
    assert!(status.error.expect("an error").ends_with("flags.json: no such file"));
    assert!(!store.ready());
    file.put(&document("one"));
    serves(&store, "one").await;
    until("ready", &store, Store::ready).await;
}

#[tokio::test]
async fn malformed_at_first_is_not_ready_until_it_is_mended() {
    let mut file = OnDisk::new();
    file.put("{\n  \"flags\": {\n    \"flag\": nonsense\n");
    let store = open(&file);
    let status = store.first_load().await.swap_remove(0);
    assert_eq!((status.state, status.ready), (State::Refused, false));
    assert!(status.error.as_deref().is_some_and(|error| error.contains("line 3")), "{status:?}");
    assert!(!store.ready());
    file.put(&document("one"));
    serves(&store, "one").await;
    until("ready", &store, Store::ready).await;
}

#[tokio::test]
async fn an_unknown_extension_is_refused_by_name() {
    for name in ["flags.toml", "flags"] {
        let directory = TempDir::new().expect("a directory");
        let mut file = OnDisk::at(directory.path().join(name));
        file.put(&document("one"));
        let status = open(&file).first_load().await.swap_remove(0);
        assert_eq!(status.state, State::Refused);
        assert!(
            status.error.as_deref().is_some_and(|error| error.contains("unsupported file format")),
            "{status:?}"
        );
    }
}

#[tokio::test]
async fn kubernetes_swaps_the_data_link() {
    let directory = TempDir::new().expect("a directory");
    let mount = directory.path();
    let version = |name: &str, variant: &str| {
        fs::create_dir(mount.join(name)).expect("a version");
        fs::write(mount.join(name).join("flags.json"), document(variant)).expect("write");
    };
    version("..1", "one");
    link("..1", &mount.join("..data"));
    link("..data/flags.json", &mount.join("flags.json"));
    let store = open(&OnDisk::at(mount.join("flags.json")));
    serves(&store, "one").await;
    for (old, new, variant) in [("..1", "..2", "two"), ("..2", "..3", "three")] {
        version(new, variant);
        link(new, &mount.join("..data_tmp"));
        fs::rename(mount.join("..data_tmp"), mount.join("..data")).expect("swap");
        fs::remove_dir_all(mount.join(old)).expect("remove");
        serves(&store, variant).await;
    }
}

#[tokio::test]
async fn a_link_is_followed_to_where_the_file_is() {
    let (here, there) = (TempDir::new().expect("here"), TempDir::new().expect("there"));
    let target = there.path().join("real.json");
    fs::write(&target, document("one")).expect("write");
    link(target.to_str().expect("UTF-8"), &here.path().join("flags.json"));
    let store = open(&OnDisk::at(here.path().join("flags.json")));
    serves(&store, "one").await;
    let written = Instant::now();
    fs::write(&target, document("two")).expect("write");
    serves(&store, "two").await;
    assert!(written.elapsed() < Duration::from_secs(4), "seen by the watch");
}

#[tokio::test]
async fn the_directory_may_go_and_come_back() {
    let outer = TempDir::new().expect("a directory");
    let inner = outer.path().join("inner");
    let path = inner.join("flags.json");
    fs::create_dir(&inner).expect("create");
    fs::write(&path, document("one")).expect("write");
    let store = open(&OnDisk::at(path.clone()));
    serves(&store, "one").await;
    for variant in ["two", "three"] {
        fs::remove_dir_all(&inner).expect("remove");
        becomes(&store, State::Unreachable).await;
        fs::create_dir(&inner).expect("create");
        let written = Instant::now();
        fs::write(&path, document(variant)).expect("write");
        serves(&store, variant).await;
        assert!(written.elapsed() < Duration::from_secs(4), "{:?}", written.elapsed());
    }
}

#[tokio::test]
async fn half_written_is_waited_for() {
    let mut file = OnDisk::new();
    file.put(&document("one"));
    let store = open(&file);
    serves(&store, "one").await;
    let whole = document("two");
    let (half, _) = whole.split_at(whole.len() / 2);
    file.put(half);
    tokio::time::sleep(Duration::from_millis(40)).await;
    let written = Instant::now();
    file.put(&whole);
    serves(&store, "two").await;
    assert!(written.elapsed() < Duration::from_secs(4));
    assert_eq!(store.sources()[0].refused, 0, "what was only half there is not held against anybody");
}

#[tokio::test]
async fn times_do_not_matter() {
    let mut file = OnDisk::new();
    file.look = Duration::from_millis(50);
    file.put(&document("one"));
    let time = fs::metadata(&file.path).and_then(|about| about.modified()).expect("a time");
    let store = open(&file);
    serves(&store, "one").await;
    for (variant, time) in [("two", time), ("six", time - Duration::from_secs(3_600))] {
        let aside = file.path.with_extension("new");
        fs::write(&aside, document(variant)).expect("write");
        fs::File::options()
            .write(true)
            .open(&aside)
            .and_then(|file| file.set_modified(time))
            .expect("a time");
        fs::rename(&aside, &file.path).expect("rename");
        serves(&store, variant).await;
    }
}

#[tokio::test]
async fn what_is_hostile_is_refused_quickly() {
    let mut file = OnDisk::new();
    file.put(&document("one"));
    let store = open(&file);
    serves(&store, "one").await;
    let deep = format!("{{\"flags\": {}{}}}", "[".repeat(1_000_000), "]".repeat(1_000_000));
    let wide = format!("{{\"flags\": {{\"f\": {}1{}}}}}", "{\"a\":".repeat(4_900), "}".repeat(4_900));
    for document in [deep, wide, "\u{feff}\u{feff}".to_owned(), "\"".repeat(1 << 20)] {
        let refused = store.sources()[0].refused;
        let written = Instant::now();
        file.put(&document);
        until("refused", &store, |store| store.sources()[0].refused > refused).await;
        assert!(written.elapsed() < Duration::from_secs(5), "{:?}", written.elapsed());
    }
    assert_eq!(answer(&store, &engine::Selector::Any, "flag").as_deref(), Some("one"));
}

#[tokio::test]
async fn a_directory_in_the_files_place_is_an_error() {
    let file = OnDisk::new();
    fs::create_dir(&file.path).expect("create");
    let status = open(&file).first_load().await.swap_remove(0);
    assert_eq!(status.state, State::Unreachable);
    assert!(status.error.as_deref().is_some_and(|error| error.ends_with("not a file")), "{status:?}");
}

#[tokio::test]
async fn yaml_is_read_and_its_problems_are_placed() {
    let directory = TempDir::new().expect("a directory");
    let mut file = OnDisk::at(directory.path().join("flags.yaml"));
    file.put("flags:\n  flag:\n    state: ENABLED\n    variants:\n      on: true\n      one: yes\n    defaultVariant: on\n");
    let store = open(&file);
    serves(&store, "on").await;
    file.put(
        "flags:\n  flag:\n    sate: ENABLED\n    variants: {one: 1}\n    defaultVariant: one\n  \
         bad:\n    variants: {}\n    defaultVariant: gone\n",
    );
    serves(&store, "one").await;
    until("told", &store, |store| store.sources()[0].accepted == 2).await;
    let problems = store.sources().swap_remove(0).problems.list;
    let place = |path: &str| {
        let problem = problems.iter().find(|problem| &*problem.path == path);
        problem.and_then(|problem| problem.place).map(|place| (place.line, place.column))
    };
    assert_eq!(place("/flags/bad/defaultVariant"), Some((8, 5)), "{problems:#?}");
    assert_eq!(place("/flags/flag/sate"), Some((3, 5)), "{problems:#?}");
    file.put("flags:\n  a: 1\n  a: 2\n");
    let status = becomes(&store, State::Refused).await;
    assert!(status.error.as_deref().is_some_and(|error| error.contains("line 3 column 3")), "{status:?}");
}

#[tokio::test]
async fn the_registry_builds_files() {
    for provider in ["file", "fsnotify", "fileinfo"] {
        let mut file = OnDisk::new();
        file.put(&document("one"));
        let origin = Origin::new(provider, file.path.to_str().expect("UTF-8"), Map::new());
        let kind = find(BUILT_IN, provider).expect(provider);
        let source = (kind.build)(&origin).expect("a source");
        let store = Store::open(settings(), vec![(origin, source)]);
        serves(&store, "one").await;
        assert_eq!(&*store.sources()[0].kind, provider);
    }
    assert!(find(BUILT_IN, "carrier-pigeon").is_none());
}

#[cfg(unix)]
fn link(target: &str, path: &Path) {
    std::os::unix::fs::symlink(target, path).expect("a link");
}
