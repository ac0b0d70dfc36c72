//! The `grpc` source behind a real flagd that follows a file: what `HOIST_PEER_FLAGD` names; without it nothing is tested here.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test that cannot go on says why"
)]

mod suite;

use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, SystemTime};

use engine::Selector;
use hoist_store::{BUILT_IN, Origin, Source, State, find};
use serde_json::{Map, json};
use suite::{Backend, answer, becomes, document, flags, open, serves, until};

/// How long a flagd may take to listen.
const START: Duration = Duration::from_secs(20);

/// A flagd and its file.
struct Flagd {
    program: PathBuf,
    folder: tempfile::TempDir,
    /// Sync, evaluation, management, OFREP.
    ports: [u16; 4],
    process: Option<Child>,
    options: Map<String, serde_json::Value>,
}

impl Flagd {
    /// None where there is no flagd, and it says so.
    fn find() -> Option<Self> {
        let Some(program) = std::env::var_os("HOIST_PEER_FLAGD") else {
            println!("skipped: HOIST_PEER_FLAGD names no flagd");
            return None;
        };
        let held = [(); 4].map(|()| TcpListener::bind(("127.0.0.1", 0)).expect("a free port"));
        let ports = held.map(|listener| listener.local_addr().expect("an address").port());
        let folder = tempfile::tempdir().expect("a folder");
        Some(Self { program: program.into(), folder, ports, process: None, options: Map::new() })
    }

    fn start(&mut self) {
        let mut command = Command::new(&self.program);
        command
            .args(["start", "-f"])
            .arg(format!("file:{}", self.folder.path().join("flags.json").display()));
        for (name, port) in
            ["--sync-port", "--port", "--management-port", "--ofrep-port"].iter().zip(self.ports)
        {
            command.arg(name).arg(port.to_string());
        }
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        self.process = Some(command.spawn().expect("flagd starts"));
        let deadline = Instant::now() + START;
        while TcpStream::connect(("127.0.0.1", self.ports[0])).is_err() {
            assert!(Instant::now() < deadline, "flagd does not listen within {START:?}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn stop(&mut self) {
        if let Some(mut process) = self.process.take() {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

impl Drop for Flagd {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Backend for Flagd {
    fn follow(&self) -> (Origin, Box<dyn Source>) {
        let origin = Origin::new("grpc", &format!("localhost:{}", self.ports[0]), self.options.clone());
        let source =
            (find(BUILT_IN, "grpc").expect("grpc is built in").build)(&origin).expect("good options");
        (origin, source)
    }

    fn put(&mut self, document: &str) {
        let beside = self.folder.path().join("flags.next");
        std::fs::write(&beside, document).expect("a writable file");
        std::fs::rename(beside, self.folder.path().join("flags.json")).expect("a file that can be replaced");
        if self.process.is_none() {
            self.start();
        }
    }

    fn reword(&mut self, _document: &str) -> bool {
        // flagd says everything in words of its own, always the same.
        false
    }

    fn garble(&mut self, _garbage: &str) -> bool {
        // What flagd cannot read it keeps to itself.
        false
    }

    fn vanish(&mut self) -> bool {
        self.stop();
        true
    }
}

#[tokio::test]
async fn suite() {
    let Some(flagd) = Flagd::find() else { return };
    suite::play(flagd).await;
}

#[tokio::test]
async fn what_flagd_cannot_read_is_no_trouble_of_ours() {
    let Some(mut flagd) = Flagd::find() else { return };
    flagd.put(&document("one"));
    let store = open(&flagd);
    serves(&store, "one").await;
    for garbage in ["{\"flags\": {", "no flags here", "{}"] {
        flagd.put(garbage);
        // Longer than flagd takes to look at its file.
        tokio::time::sleep(Duration::from_millis(2500)).await;
        assert_eq!(store.sources()[0].state, State::Ok, "{garbage:?}");
        assert_eq!(answer(&store, &Selector::Any, "flag").as_deref(), Some("one"), "{garbage:?}");
    }
    flagd.put(&document("two"));
    serves(&store, "two").await;
}

#[tokio::test]
async fn a_touch_of_its_file_is_no_news() {
    let Some(mut flagd) = Flagd::find() else { return };
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

#[tokio::test]
async fn many_flags_all_of_them_and_one_set_of_them() {
    let Some(mut flagd) = Flagd::find() else { return };
    let keys: Vec<String> = (0..2_000).map(|n| format!("flag-{n}")).collect();
    let mut all: serde_json::Value =
        serde_json::from_str(&flags(keys.iter().map(|key| (key.as_str(), "one")))).expect("a document");
    for n in 0..10 {
        all["flags"][format!("flag-{n}")]["metadata"] = json!({"flagSetId": "few"});
    }
    flagd.put(&all.to_string());
    let store = open(&flagd);
    until("all flags", &store, |store| store.sources()[0].flags == keys.len()).await;
    flagd.options.insert("selector".to_owned(), json!("flagSetId=few"));
    let some = open(&flagd);
    until("the flags of a set", &some, |store| store.sources()[0].flags == 10).await;
    let few = Selector::parse("flagSetId=few").expect("a selector");
    for store in [&store, &some] {
        assert_eq!(answer(store, &few, "flag-9").as_deref(), Some("one"));
        assert_eq!(answer(store, &few, "flag-10"), None);
    }
    assert_eq!(becomes(&some, State::Ok).await.problems.total, 0);
}
