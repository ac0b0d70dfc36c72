//! The fault matrix of the sources that are always there: a file, a URL, a stream.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test that cannot go on says why"
)]

mod server;
mod suite;
mod sync_server;

use std::time::Duration;

use engine::Selector;
use hoist_store::{BUILT_IN, Origin, Source, State, Store, find};
use serde_json::json;
use server::{Answer, Server};
use suite::link::{Link, Passage};
use suite::matrix::{Fault, Faulty, matrix};
use suite::on_disk::OnDisk;
use suite::{Backend, answer, document, serves, settings};
use sync_server::Grpc;

matrix!(file, OnDisk::new());
matrix!(http, Http::new().await);
matrix!(grpc, Linked::new().await);

impl Faulty for OnDisk {
    fn speak_yaml(&mut self) {
        self.path.set_extension("yaml");
    }

    fn suffer(&mut self, fault: Fault) -> Option<State> {
        match fault {
            Fault::Down => self.vanish().then_some(State::Unreachable),
            // A second later, and the source has had its second look.
            Fault::HalfWritten => {
                let two = document("two");
                self.put(&two[..two.len() / 2]);
                Some(State::Refused)
            }
            Fault::Hangs | Fault::Errors | Fault::CutOff | Fault::Drip => None,
        }
    }
}

#[tokio::test]
async fn a_file_that_is_soon_whole_was_never_half() {
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
    assert_eq!((store.sources()[0].state, store.sources()[0].refused), (State::Ok, 0));
}

/// A document behind a URL that is asked for every second.
struct Http {
    server: Server,
    path: &'static str,
    /// How many seconds an answer may take.
    timeout: u64,
}

impl Http {
    async fn new() -> Self {
        Self { server: Server::start(false).await, path: "/flags.json", timeout: 9 }
    }
}

impl Backend for Http {
    fn follow(&self) -> (Origin, Box<dyn Source>) {
        let options = json!({"interval": 1, "timeoutS": self.timeout});
        let options = options.as_object().cloned().expect("an object");
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

impl Faulty for Http {
    fn speak_yaml(&mut self) {
        self.path = "/flags.yaml";
    }

    fn hurry(&mut self) {
        self.timeout = 1;
    }

    fn suffer(&mut self, fault: Fault) -> Option<State> {
        let always = match fault {
            Fault::Down => return self.vanish().then_some(State::Unreachable),
            Fault::Hangs => Answer::Hang,
            Fault::Errors => Answer::Status(500, Vec::new(), "oops".to_owned()),
            Fault::CutOff => Answer::Truncated,
            Fault::Drip => Answer::Drip,
            Fault::HalfWritten => return None,
        };
        self.server.script().always = Some(always);
        Some(State::Unreachable)
    }
}

/// A sync service at the end of a link.
struct Linked {
    grpc: Grpc,
    link: Link,
}

impl Linked {
    async fn new() -> Self {
        let mut grpc = Grpc::tcp(false).await;
        let port: u16 = grpc.uri.rsplit(':').next().and_then(|port| port.parse().ok()).expect("a port");
        let link = Link::to(([127, 0, 0, 1], port).into()).await;
        grpc.uri = format!("localhost:{}", link.port);
        Self { grpc, link }
    }
}

impl Backend for Linked {
    fn follow(&self) -> (Origin, Box<dyn Source>) {
        self.grpc.follow()
    }

    fn put(&mut self, document: &str) {
        self.grpc.put(document);
        self.link.set(Passage::Free);
    }

    fn vanish(&mut self) -> bool {
        self.grpc.vanish()
    }
}

impl Faulty for Linked {
    fn suffer(&mut self, fault: Fault) -> Option<State> {
        match fault {
            Fault::Down => self.link.set(Passage::Closed),
            Fault::Hangs => self.link.set(Passage::Frozen),
            Fault::Errors => return self.vanish().then_some(State::Unreachable),
            Fault::CutOff => {
                self.link.set(Passage::CutOff);
                self.grpc.put(&document("cut off"));
            }
            // What is on its way comes whole in the end: until then there is nothing that the source could notice.
            Fault::Drip => {
                self.link.set(Passage::Drip);
                self.grpc.put(&document("drops"));
                return Some(State::Ok);
            }
            Fault::HalfWritten => return None,
        }
        Some(State::Unreachable)
    }

    /// A silent connection is pinged after half a minute, which is as often as flagd permits.
    fn patience(&self, fault: Fault) -> Duration {
        Duration::from_secs(if fault == Fault::Hangs { 60 } else { 15 })
    }

    /// The source does not take in a message beyond the limit, and the stream is over.
    fn too_large(&self) -> State {
        State::Unreachable
    }
}
