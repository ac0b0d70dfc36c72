//! kill -9, and a start with every origin down: right answers, from the documents that were kept, at once.
#![allow(clippy::expect_used, clippy::panic, clippy::print_stdout)]

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tests::world::{Daemon, DaemonOptions, HttpOrigin, http};

/// A document with one flag of this key and value.
fn document(key: &str, value: &str) -> String {
    let flag = json!({"state": "ENABLED", "variants": {"it": value}, "defaultVariant": "it"});
    json!({"flags": {key: flag}}).to_string()
}

fn ask(daemon: &Daemon, key: &str) -> Option<Value> {
    let answer = http::post(daemon.ports().ofrep, &format!("/ofrep/v1/evaluate/flags/{key}"), &json!({}));
    answer.ok().filter(|answer| answer.status == 200).map(|answer| answer.json())
}

fn value(daemon: &Daemon, key: &str) -> Option<String> {
    ask(daemon, key)?["value"].as_str().map(str::to_owned)
}

fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !holds() {
        assert!(begin.elapsed() < Duration::from_secs(20), "{what}: not within 20 s");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A file, a URL and a stream of another daemon, and a daemon that follows all three and keeps copies.
struct World {
    folder: tempfile::TempDir,
    web: HttpOrigin,
    upstream: Daemon,
    daemon: Daemon,
}

impl World {
    fn start() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let write = |name: &str, text: &str| {
            std::fs::write(folder.path().join(name), text).expect("a writable file");
            format!("file:{}", folder.path().join(name).display())
        };
        let web = HttpOrigin::start(&document("by-http", "from http"));
        let far = write("far.json", &document("by-grpc", "from grpc"));
        let near = write("near.json", &document("by-file", "from a file"));
        let upstream = DaemonOptions::new(["-f".to_owned(), far]).start();
        let sync = format!("grpc://127.0.0.1:{}", upstream.ports().sync);
        let sources = json!([{"uri": web.url(), "provider": "http", "interval": 1}]).to_string();
        let state = folder.path().join("state").display().to_string();
        let words =
            ["-f", &near, "-f", &sync, "--sources", &sources, "--state-dir", &state].map(str::to_owned);
        let daemon = DaemonOptions::new(words).start();
        let world = Self { folder, web, upstream, daemon };
        until("all three are served", || world.values() == expected());
        until("all three are kept", || copies(&state) == 3);
        world
    }

    /// Kills the daemon and takes all its origins away.
    fn bereave(&mut self) {
        self.daemon.kill();
        self.upstream.kill();
        self.web.set(None);
        std::fs::remove_file(self.folder.path().join("near.json")).expect("a file");
    }

    /// Starts the daemon and asks for everything as a client would that waits for nothing: the first answer that is given has
    /// to be the right one. Gives the flags and the time from the start of the process.
    fn first_answer(&mut self) -> (Vec<Value>, Duration) {
        let begin = Instant::now();
        self.daemon.launch().expect("a process");
        loop {
            match http::post(self.daemon.ports().ofrep, "/ofrep/v1/evaluate/flags", &json!({})) {
                Ok(answer) => {
                    let flags = answer.json()["flags"].as_array().cloned();
                    return (flags.unwrap_or_default(), begin.elapsed());
                }
                Err(_) => assert!(begin.elapsed() < Duration::from_secs(20), "no answer for 20 s"),
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    fn values(&self) -> [Option<String>; 3] {
        ["by-file", "by-http", "by-grpc"].map(|key| value(&self.daemon, key))
    }
}

fn expected() -> [Option<String>; 3] {
    ["from a file", "from http", "from grpc"].map(|value| Some(value.to_owned()))
}

/// All three, and each says that it is stale.
fn assert_right(flags: &[Value]) {
    let mut seen: Vec<_> = flags.iter().map(|flag| (&flag["value"], &flag["metadata"]["stale"])).collect();
    seen.sort_by_key(|(value, _)| value.to_string());
    let stale = json!(true);
    let right = ["from a file", "from grpc", "from http"].map(|value| json!(value));
    assert_eq!(seen, right.iter().map(|value| (value, &stale)).collect::<Vec<_>>());
}

fn copies(state: &str) -> usize {
    let folders = std::fs::read_dir(Path::new(state).join("sources")).into_iter().flatten().flatten();
    let files = folders.flat_map(|folder| std::fs::read_dir(folder.path()).into_iter().flatten().flatten());
    files.filter(|file| file.path().extension().is_some_and(|ending| ending == "copy")).count()
}

#[test]
fn killed_and_started_with_every_origin_down() {
    let mut world = World::start();
    world.bereave();
    let (first, after) = world.first_answer();
    assert_right(&first);
    println!("all three sources {after:?} after the start");
    let ready = http::get(world.daemon.ports().management, "/readyz?verbose").expect("an answer");
    assert_eq!(ready.status, 200, "{}", ready.text());
    for source in ready.json()["sources"].as_array().expect("sources") {
        assert_eq!((&source["stale"], &source["served"]), (&json!(true), &json!("copy")), "{source}");
    }
    let metrics = http::get(world.daemon.ports().management, "/metrics").expect("an answer").text();
    let stale =
        metrics.lines().filter(|line| line.starts_with("hoistd_source_stale{") && line.ends_with(" 1"));
    assert_eq!(stale.count(), 3, "{metrics}");
    // Everything comes back by itself.
    std::fs::write(world.folder.path().join("near.json"), document("by-file", "back"))
        .expect("a writable file");
    world.web.set(Some(&document("by-http", "back")));
    world.upstream.restart().expect("the upstream starts again");
    until("the file is back", || value(&world.daemon, "by-file").as_deref() == Some("back"));
    until("the server is back", || value(&world.daemon, "by-http").as_deref() == Some("back"));
    until("nothing is stale", || {
        ask(&world.daemon, "by-grpc").is_some_and(|answer| answer["metadata"]["stale"].is_null())
    });
}

/// How long that takes. Of ten starts the quickest counts, since the others may have waited for a processor.
#[test]
fn ten_starts_with_every_origin_down() {
    let mut world = World::start();
    world.bereave();
    let mut times: Vec<Duration> = (0..10)
        .map(|_| {
            let (answer, after) = world.first_answer();
            assert_right(&answer);
            world.daemon.kill();
            after
        })
        .collect();
    times.sort();
    println!("first right answers after {times:?}");
    assert!(times[0] < Duration::from_millis(100), "{times:?}");
}

#[test]
fn a_second_daemon_keeps_its_hands_off_the_state() {
    let world = World::start();
    let state = world.folder.path().join("state");
    let near = format!("file:{}", world.folder.path().join("near.json").display());
    let log = world.folder.path().join("log");
    let words = ["-f".to_owned(), near, "--state-dir".to_owned(), state.display().to_string()];
    let options = DaemonOptions { log: Some(log.clone()), ..DaemonOptions::new(words) };
    let status = options.fails();
    assert_eq!(status.code(), Some(1));
    let said = std::fs::read_to_string(log).expect("a log");
    let process = format!("belongs to another hoistd (process {})", world.daemon.pid());
    assert!(said.contains(&process) && said.contains("a directory of its own"), "{said}");
    assert_eq!(world.values(), expected(), "the first goes on");
}
