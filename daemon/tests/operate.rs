//! Operating a running daemon from the command line: status, confirm, rollback, override.

#![allow(clippy::expect_used, clippy::panic, reason = "a test that cannot go on says why")]

mod process;

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use process::{Client, Daemon};
use serde_json::{Value, json};
use tempfile::TempDir;

/// A folder with flags and a state directory.
struct World {
    folder: TempDir,
}

impl World {
    fn new() -> Self {
        let world = Self { folder: tempfile::tempdir().expect("a directory") };
        world.put("one");
        world
    }

    fn flags(&self) -> PathBuf {
        self.folder.path().join("flags.json")
    }

    fn state(&self) -> String {
        self.folder.path().join("state").display().to_string()
    }

    /// Has the flag `shop` say `text`.
    fn put(&self, text: &str) {
        let flag =
            json!({"state": "ENABLED", "variants": {"now": text, "shut": "closed"}, "defaultVariant": "now"});
        self.write(&json!({"flags": {"shop": flag}}));
    }

    fn write(&self, document: &Value) {
        let aside = self.folder.path().join("new");
        std::fs::write(&aside, document.to_string()).expect("write");
        std::fs::rename(aside, self.flags()).expect("rename");
    }

    fn start(&self) -> Daemon {
        let uri = format!("file:{}", self.flags().display());
        Daemon::start(&["--uri", &uri, "--state-dir", &self.state()], "ready")
    }

    /// Runs `hoistd` with these words against the state directory: whether it went well, and what it said.
    fn run(&self, words: &[&str]) -> (bool, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hoistd"));
        command.args(words).env_clear().env("HOISTD_STATE_DIR", self.state()).env("USER", "ann");
        let done = command.output().expect("hoistd runs");
        (done.status.success(), format!("{}{}", said(&done.stdout), said(&done.stderr)))
    }
}

fn said(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn ask(daemon: &Daemon) -> Value {
    daemon.client("ofrep").post("/ofrep/v1/evaluate/flags/shop", &json!({})).1
}

fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !holds() {
        assert!(begin.elapsed() < Duration::from_secs(20), "{what}: not within 20 s");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn serves(daemon: &Daemon, text: &str) {
    until(text, || ask(daemon)["value"] == text);
}

fn get(daemon: &Daemon, path: &str) -> Value {
    let mut client: Client = daemon.client("management");
    client.send("GET", path, "", b"");
    client.answer().1
}

fn metric(daemon: &Daemon, name: &str) -> String {
    let mut client: Client = daemon.client("management");
    client.send("GET", "/metrics", "", b"");
    let text = client.text();
    text.lines().filter(|line| line.starts_with(name)).collect::<Vec<_>>().join("\n")
}

/// Puts a text and waits until it is served and its document kept.
fn update(world: &World, daemon: &Daemon, text: &str) {
    let copies = || {
        let folders = std::fs::read_dir(format!("{}/sources", world.state())).into_iter().flatten().flatten();
        let files =
            folders.flat_map(|folder| std::fs::read_dir(folder.path()).into_iter().flatten().flatten());
        files.filter(|file| file.path().extension().is_some_and(|ending| ending == "copy")).count()
    };
    until("the copy before", || copies() > 0);
    let before = copies();
    world.put(text);
    serves(daemon, text);
    until("kept", || copies() > before);
}

#[test]
fn an_override_shows_everywhere_and_outlives_the_daemon() {
    let world = World::new();
    let daemon = world.start();
    serves(&daemon, "one");
    let (good, said) = world.run(&["override", "shop", "shut", "--for", "2h", "--reason", "on fire"]);
    assert!(
        good && said.starts_with("override shop: shut until 20") && said.contains("by ann: on fire"),
        "{said}"
    );
    let answer = ask(&daemon);
    assert_eq!(
        (&answer["value"], &answer["variant"], &answer["reason"]),
        (&json!("closed"), &json!("shut"), &json!("STATIC"))
    );
    assert_eq!(
        (&answer["metadata"]["override"], &answer["metadata"]["overrideBy"]),
        (&json!("on fire"), &json!("ann"))
    );
    let told = &get(&daemon, "/readyz?verbose")["overrides"][0];
    assert_eq!(
        (&told["key"], &told["author"], &told["applies"]),
        (&json!("shop"), &json!("ann"), &json!(true))
    );
    assert_eq!(metric(&daemon, "hoistd_overrides"), "hoistd_overrides 1");
    assert!(
        metric(&daemon, "hoistd_override_end_timestamp_seconds")
            .contains("flag=\"shop\",flag_set=\"\",variant=\"shut\"")
    );
    let uri = format!("file:{}", world.flags().display());
    let (_, explained) = world.run(&["explain", "shop", "-f", &uri, "--state-dir", &world.state()]);
    assert!(explained.contains("override     on fire") && explained.contains("closed"), "{explained}");
    drop(daemon);
    let daemon = world.start();
    assert_eq!(ask(&daemon)["value"], "closed");
    assert!(world.run(&["override", "list"]).1.contains("override shop: shut"));
    let (good, said) = world.run(&["override", "clear", "shop"]);
    assert!(good, "{said}");
    serves(&daemon, "one");
    assert_eq!(world.run(&["override", "list"]), (true, String::new()));
}

#[test]
fn what_cannot_be_is_refused_in_words() {
    let world = World::new();
    let words = ["override", "shop", "shut", "--for", "2h", "--reason", "on fire"];
    let (good, said) = world.run(&words);
    assert!(!good && said.contains("no hoistd listens on") && said.contains("is one running"), "{said}");
    let daemon = world.start();
    serves(&daemon, "one");
    for (words, expected) in [
        (
            &["override", "shp", "shut", "--for", "2h", "--reason", "x"][..],
            "no flag `shp`; did you mean `shop`?",
        ),
        (&["override", "shop", "shot", "--for", "2h", "--reason", "x"], "did you mean `shut`?"),
        (&["override", "shop", "shut", "--for", "2 hours", "--reason", "x"], "such as 2h (from --for)"),
        (&["override", "shop", "shut", "--for", "1000h", "--reason", "x"], "30 days (720h) at most"),
        (&["override", "shop", "shut", "--for", "2h"], "--reason"),
        (&["override", "clear", "shop"], "no override of flag `shop`"),
        (&["rollback", "1"], "cannot go back by 1"),
        (&["rollback", "1", "--source", "nowhere"], "no source `nowhere`, only `"),
        (&["rollback", "--release"], "nothing is rolled back"),
        (&["rollback"], "<N>"),
        (&["confirm"], "nothing is held back"),
    ] {
        let (good, said) = world.run(words);
        assert!(!good && said.contains(expected), "{words:?}: {said}");
    }
    let mut command = Command::new(env!("CARGO_BIN_EXE_hoistd"));
    let said = said_by(command.args(["status"]).env_clear());
    assert!(said.contains("which daemon? name its state directory with --state-dir"), "{said}");
}

fn said_by(command: &mut Command) -> String {
    said(&command.output().expect("hoistd runs").stderr)
}

#[test]
fn the_door_is_for_the_daemons_user_alone() {
    let world = World::new();
    let daemon = world.start();
    let folder = PathBuf::from(world.state()).join("control");
    let mode = std::fs::metadata(&folder).expect("a folder").permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
    daemon.signal("TERM");
    assert!(daemon.end().0.success());
    assert!(!folder.join("hoistd.sock").exists(), "it goes with the daemon");
}

#[test]
fn going_back_and_forth() {
    let world = World::new();
    let daemon = world.start();
    serves(&daemon, "one");
    update(&world, &daemon, "two");
    update(&world, &daemon, "three");
    let (good, said) = world.run(&["rollback", "2"]);
    assert!(good && said.contains("serving the document accepted 20"), "{said}");
    assert_eq!(ask(&daemon)["value"], "one");
    let source = &get(&daemon, "/readyz?verbose")["sources"][0];
    assert_eq!((&source["state"], &source["rolledBack"]["author"]), (&json!("rolled-back"), &json!("ann")));
    assert!(metric(&daemon, "hoistd_source_rolled_back").ends_with(" 1"));
    let (good, said) = world.run(&["status"]);
    assert!(good && said.contains("rolled-back, 1 flags") && said.contains("rolled back by ann"), "{said}");
    assert!(world.run(&["rollback", "--release"]).0);
    assert_eq!(ask(&daemon)["value"], "three");
    assert!(world.run(&["rollback", "1"]).0);
    assert_eq!(ask(&daemon)["value"], "two");
    update(&world, &daemon, "four");
    assert!(metric(&daemon, "hoistd_source_rolled_back").ends_with(" 0"));
}

#[test]
fn confirming_what_is_held_back() {
    let world = World::new();
    let daemon = world.start();
    serves(&daemon, "one");
    world.write(&json!({"flags": {}}));
    until("held", || get(&daemon, "/readyz?verbose")["sources"][0]["state"] == "held");
    assert_eq!(ask(&daemon)["value"], "one");
    let (good, said) = world.run(&["confirm"]);
    assert!(good && said.contains("is in service"), "{said}");
    until("gone", || ask(&daemon)["errorCode"] == "FLAG_NOT_FOUND");
}
