//! The `kubernetes` source against an API server of the tests' own (see `cluster`): the suite that every source passes, and
//! what only a watch can do wrong.

#![cfg(feature = "kubernetes")]
#![allow(clippy::expect_used, clippy::panic, reason = "a test that cannot go on says why")]

mod cluster;
mod server;
mod suite;

use std::time::Duration;

use cluster::{ApiServer, Trouble};
use hoist_store::{BUILT_IN, Origin, Source, State, Store, find};
use serde_json::{Map, Value, json};
use suite::link::{Link, Passage};
use suite::matrix::{Fault, Faulty, matrix};
use suite::{Backend, becomes, document, open, serves, until};

/// `team/flags` of a cluster.
struct Resource {
    cluster: ApiServer,
    /// What lies between the source and the cluster.
    link: Link,
    name: &'static str,
    /// How many seconds a request may take.
    timeout: u64,
}

impl Resource {
    async fn new() -> Self {
        let cluster = ApiServer::start().await;
        let link = Link::to(cluster.address()).await;
        Self { cluster, link, name: "team/flags", timeout: 9 }
    }

    /// How many requests came whose query has, or has not, `watch=1`.
    fn requests(&self, watches: bool) -> usize {
        let state = self.cluster.state();
        let query =
            |head: &hyper::http::request::Parts| head.uri.query().unwrap_or_default().contains("watch=1");
        state.seen.iter().filter(|head| query(head) == watches).count()
    }
}

impl Backend for Resource {
    fn follow(&self) -> (Origin, Box<dyn Source>) {
        let environment = json!({"KUBECONFIG": self.cluster.kubeconfig_by(self.link.port)});
        let options = [("environment", environment), ("timeoutS", json!(self.timeout))];
        let options = options.map(|(name, value)| (name.to_owned(), value)).into_iter().collect();
        let origin = Origin::new("kubernetes", self.name, options);
        let source = (find(BUILT_IN, "kubernetes").expect("it is built in").build)(&origin);
        (origin, source.expect("good options"))
    }

    fn put(&mut self, document: &str) {
        self.cluster.state().fault = None;
        self.link.set(Passage::Free);
        // What follows the document's end is no part of an object: padding goes inside.
        match document.trim_end().strip_prefix('{') {
            Some(inside) if document.len() > inside.len() + 1 => {
                let padding = " ".repeat(document.len() - inside.len() - 1);
                self.cluster.put(&format!("{{{padding}{inside}"));
            }
            _ => self.cluster.put(document),
        }
    }

    fn reword(&mut self, _document: &str) -> bool {
        // A cluster keeps what a document means, not how it was written.
        false
    }

    fn vanish(&mut self) -> bool {
        self.cluster.delete();
        true
    }
}

#[tokio::test]
async fn suite() {
    suite::play(Resource::new().await).await;
}

#[tokio::test]
async fn changes_come_by_watching_alone() {
    let mut resource = Resource::new().await;
    resource.put(&document("0"));
    let store = open(&resource);
    serves(&store, "0").await;
    for variant in ["1", "2", "3"] {
        resource.put(&document(variant));
        serves(&store, variant).await;
    }
    assert_eq!((resource.requests(false), resource.requests(true)), (1, 1));
    let state = resource.cluster.state();
    let query = state.seen[1].uri.query().unwrap_or_default();
    assert!(query.starts_with("fieldSelector=metadata.name%3Dflags&"), "{query}");
    assert!(query.contains("resourceVersion=101") && query.contains("timeoutSeconds="), "{query}");
}

#[tokio::test]
async fn a_watch_that_ends_goes_on_where_it_was() {
    let mut resource = Resource::new().await;
    resource.put(&document("one"));
    let store = open(&resource);
    serves(&store, "one").await;
    until("a watch", &store, |_| resource.requests(true) == 1).await;
    tokio::time::sleep(Duration::from_millis(600)).await;
    resource.cluster.hang_up(None);
    until("another watch", &store, |_| resource.requests(true) == 2).await;
    resource.put(&document("two"));
    serves(&store, "two").await;
    assert_eq!(resource.requests(false), 1, "what is known is not read again");
}

#[tokio::test]
async fn a_version_too_old_has_the_object_read_again() {
    for by_status in [true, false] {
        let mut resource = Resource::new().await;
        resource.cluster.state().gone_by_status = by_status;
        resource.put(&document("one"));
        let store = open(&resource);
        serves(&store, "one").await;
        tokio::time::sleep(Duration::from_millis(600)).await;
        resource.put(&document("two"));
        resource.cluster.compact();
        resource.cluster.hang_up(None);
        serves(&store, "two").await;
        until("watching again", &store, |_| resource.requests(true) >= 3).await;
        assert_eq!(resource.requests(false), 2);
        assert_eq!(store.sources()[0].state, State::Ok);
    }
}

#[tokio::test]
async fn bookmarks_keep_the_version_young() {
    let mut resource = Resource::new().await;
    resource.cluster.state().bookmarks = Duration::from_millis(50);
    resource.put(&document("one"));
    let store = open(&resource);
    serves(&store, "one").await;
    until("a watch", &store, |_| resource.requests(true) == 1).await;
    resource.cluster.compact();
    tokio::time::sleep(Duration::from_millis(600)).await;
    resource.cluster.hang_up(None);
    until("another watch", &store, |_| resource.requests(true) == 2).await;
    resource.put(&document("two"));
    serves(&store, "two").await;
    assert_eq!(resource.requests(false), 1, "nothing was too old");
}

#[tokio::test]
async fn a_token_is_read_again_for_each_request() {
    let mut resource = Resource::new().await;
    resource.put(&document("one"));
    let store = open(&resource);
    serves(&store, "one").await;
    resource.cluster.state().token = "second".to_owned();
    tokio::time::sleep(Duration::from_millis(600)).await;
    resource.cluster.hang_up(None);
    let status = becomes(&store, State::Unreachable).await;
    let error = status.error.unwrap_or_default();
    assert!(error.contains("401") && error.contains("check the service account's token"), "{error}");
    serves(&store, "one").await;
    std::fs::write(resource.cluster.token(), "second\n").expect("a file");
    becomes(&store, State::Ok).await;
    assert!(!format!("{:?}", store.sources()).contains("second"));
}

#[tokio::test]
async fn what_goes_wrong_is_said_and_the_old_document_stays() {
    for (fault, says) in [
        (Trouble::Status(403, "featureflags is forbidden", 0), "is forbidden; grant get, list and watch on"),
        (
            Trouble::Status(404, "not found", 0),
            "is the FeatureFlag resource of the OpenFeature Operator installed",
        ),
        (Trouble::Status(500, "etcd is gone", 0), "etcd is gone"),
        (Trouble::Truncated, ""),
        (Trouble::Garbage, "not what the API promises"),
        (Trouble::NoWatch, "ended the watch at once"),
    ] {
        let mut resource = Resource::new().await;
        resource.put(&document("one"));
        let store = open(&resource);
        serves(&store, "one").await;
        until("a watch", &store, |_| resource.requests(true) == 1).await;
        resource.cluster.hang_up(Some(fault.clone()));
        // A watch that was cut short is said first.
        until(&format!("{fault:?}"), &store, |store| {
            let status = &store.sources()[0];
            let error = status.error.as_deref().unwrap_or_default();
            status.state == State::Unreachable && error.contains(says) && error.contains("team/flags")
        })
        .await;
        let status = becomes(&store, State::Unreachable).await;
        assert!(status.ready);
        serves(&store, "one").await;
        resource.put(&document("two"));
        serves(&store, "two").await;
        becomes(&store, State::Ok).await;
    }
}

#[tokio::test]
async fn a_server_that_asks_for_rest_gets_it() {
    let mut resource = Resource::new().await;
    resource.put(&document("one"));
    resource.cluster.state().fault = Some(Trouble::Status(429, "slow down", 2));
    let store = open(&resource);
    becomes(&store, State::Unreachable).await;
    resource.cluster.state().fault = None;
    let asked = std::time::Instant::now();
    serves(&store, "one").await;
    assert!(asked.elapsed() > Duration::from_millis(1500), "{:?}", asked.elapsed());
}

#[tokio::test]
async fn an_object_that_is_not_there_is_waited_for() {
    let mut resource = Resource::new().await;
    let store = open(&resource);
    let status = becomes(&store, State::Unreachable).await;
    assert!(status.error.is_some_and(|error| error.contains("no such FeatureFlag")));
    until("a watch", &store, |_| resource.requests(true) == 1).await;
    resource.put(&document("one"));
    serves(&store, "one").await;
    assert_eq!(resource.requests(false), 1, "the watch told, nobody asked again and again");
}

#[tokio::test]
async fn an_object_without_a_document_is_refused() {
    let mut resource = Resource::new().await;
    resource.put("null");
    let status = becomes(&open(&resource), State::Refused).await;
    assert!(status.error.is_some_and(|error| error.contains("spec.flagSpec is missing")));
}

#[tokio::test]
async fn an_object_beyond_the_limit_is_refused() {
    let mut resource = Resource::new().await;
    resource.put(&document("one"));
    let settings = hoist_store::Settings { max_bytes: 1 << 20, ..suite::settings() };
    let store = Store::open(settings, vec![resource.follow()]);
    serves(&store, "one").await;
    resource.put(&format!("{{\"x\": \"{}\"}}", "y".repeat(4 << 20)));
    let status = becomes(&store, State::Refused).await;
    assert!(status.error.as_deref().is_some_and(|error| error.contains("1048576")), "{status:?}");
    serves(&store, "one").await;
    resource.put(&document("two"));
    serves(&store, "two").await;
}

#[test]
fn odd_names_are_refused_before_anything_starts() {
    for name in ["flags", "a/b/c", "../x", "a/B", "a/", "/b", ""] {
        let origin = Origin::new("kubernetes", name, Map::<String, Value>::new());
        let error = (find(BUILT_IN, "kubernetes").expect("it is built in").build)(&origin).err();
        assert!(error.is_some_and(|error| error.to_string().contains("namespace/name")), "{name}");
    }
}

matrix!(kubernetes, Resource::new().await);

impl Faulty for Resource {
    fn hurry(&mut self) {
        self.timeout = 1;
    }

    fn suffer(&mut self, fault: Fault) -> Option<State> {
        let trouble = match fault {
            Fault::Down => return self.vanish().then_some(State::Unreachable),
            Fault::Hangs => Trouble::Hang,
            Fault::Errors => Trouble::Status(500, "etcdserver: no leader", 0),
            Fault::CutOff => Trouble::Truncated,
            // The watch is over, and the list that follows it does not come to an end.
            Fault::Drip => {
                self.link.set(Passage::Drip);
                self.cluster.hang_up(None);
                return Some(State::Unreachable);
            }
            // Objects are replaced whole, and only if they are whole.
            Fault::HalfWritten => return None,
        };
        self.cluster.hang_up(Some(trouble));
        Some(State::Unreachable)
    }
}
