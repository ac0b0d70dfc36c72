//! The `kubernetes` source against a real kube-apiserver (see `kube`): the suite that every source passes, and what a real
//! server does that the one of `cluster` only plays. Without the two programs nothing is tested here.

#![cfg(feature = "kubernetes")]
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test that cannot go on says why"
)]

mod kube;
mod suite;

use std::time::{Duration, Instant};

use engine::Selector;
use hoist_store::{BUILT_IN, Origin, Source, State, Store, find};
use kube::Kube;
use serde_json::{Value, json};
use suite::link::{Link, Passage};
use suite::{Backend, answer, becomes, document, open, serves, until};

/// How long the server may take to forget that it let somebody in.
const FORGET: Duration = Duration::from_secs(40);

/// `team/flags` of a cluster.
struct Resource {
    kube: Kube,
    /// What lies between the source and the server.
    link: Link,
}

impl Resource {
    async fn find(arguments: &'static [&'static str]) -> Option<Self> {
        let kube = Kube::start(arguments)?;
        let link = Link::to(kube.address()).await;
        Some(Self { kube, link })
    }

    /// Cuts every connection of the source; it makes new ones.
    async fn hang_up(&self, store: &Store) {
        self.link.set(Passage::Closed);
        becomes(store, State::Unreachable).await;
        self.link.set(Passage::Free);
    }
}

impl Backend for Resource {
    fn follow(&self) -> (Origin, Box<dyn Source>) {
        let environment = json!({"KUBECONFIG": self.kube.kubeconfig_by(self.link.port)});
        let options = [("environment".to_owned(), environment)].into_iter().collect();
        let origin = Origin::new("kubernetes", "team/flags", options);
        let source = (find(BUILT_IN, "kubernetes").expect("it is built in").build)(&origin);
        (origin, source.expect("good options"))
    }

    fn put(&mut self, document: &str) {
        let spec = serde_json::from_str(document).expect("what a cluster can keep");
        assert!(self.kube.put("flags", &spec), "the server takes it");
    }

    fn reword(&mut self, _document: &str) -> bool {
        // A cluster keeps what a document means, not how it was written.
        false
    }

    fn garble(&mut self, garbage: &str) -> bool {
        let spec = serde_json::from_str(garbage).unwrap_or_else(|_| Value::from(garbage));
        // Nothing at all is what the API makes of it.
        !spec.is_null() && self.kube.put("flags", &spec)
    }

    fn vanish(&mut self) -> bool {
        self.kube.delete("flags");
        true
    }
}

#[tokio::test]
async fn suite() {
    let Some(resource) = Resource::find(&[]).await else { return };
    suite::play(resource).await;
}

#[tokio::test]
async fn the_documented_permissions_suffice_and_are_needed() {
    let Some(mut resource) = Resource::find(&[]).await else { return };
    resource.put(&document("one"));
    let store = open(&resource);
    serves(&store, "one").await;
    resource.kube.admit(false);
    resource.hang_up(&store).await;
    let refused = |says: &'static str| {
        move |store: &Store| {
            let status = &store.sources()[0];
            let said = status.error.as_deref().is_some_and(|error| error.contains(says));
            status.state == State::Unreachable && said
        }
    };
    let says = "is forbidden: User \"system:serviceaccount:team:hoist\" cannot";
    until("it is forbidden", &store, refused(says)).await;
    until("there is advice", &store, refused("grant get, list and watch")).await;
    assert_eq!(answer(&store, &Selector::Any, "flag").as_deref(), Some("one"));
    resource.kube.admit(true);
    becomes(&store, State::Ok).await;

    resource.kube.replace_account();
    // The server believes a token that it has seen for some seconds more.
    let deadline = Instant::now() + FORGET;
    let nobody = refused("401 Unauthorized: Unauthorized; check the service account's token");
    while !nobody(&store) {
        assert!(Instant::now() < deadline, "{:?}", store.sources());
        resource.hang_up(&store).await;
        until("an answer", &store, |store| store.sources()[0].state == State::Ok || nobody(store)).await;
    }
    resource.kube.renew_token();
    becomes(&store, State::Ok).await;
    resource.put(&document("two"));
    serves(&store, "two").await;
}

#[tokio::test]
async fn a_server_that_restarts_is_followed_again() {
    let Some(mut resource) = Resource::find(&[]).await else { return };
    resource.put(&document("one"));
    let store = open(&resource);
    serves(&store, "one").await;
    for (variant, asked) in [("two", false), ("three", true)] {
        resource.kube.stop_server(asked);
        becomes(&store, State::Unreachable).await;
        assert!(store.ready(), "what is served can still be evaluated");
        resource.kube.start_server();
        becomes(&store, State::Ok).await;
        resource.put(&document(variant));
        serves(&store, variant).await;
    }
    assert_eq!(store.sources()[0].accepted, 3);
}

#[tokio::test]
async fn a_server_without_its_etcd_loses_nothing() {
    let Some(mut resource) = Resource::find(&[]).await else { return };
    resource.put(&document("one"));
    let store = open(&resource);
    serves(&store, "one").await;
    resource.kube.stop_etcd();
    resource.hang_up(&store).await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(answer(&store, &Selector::Any, "flag").as_deref(), Some("one"));
    resource.kube.start_etcd();
    resource.kube.wait("/readyz");
    resource.put(&document("two"));
    serves(&store, "two").await;
    assert_eq!(becomes(&store, State::Ok).await.error, None);
}

/// Watches that the server ends after their minute are no trouble, and no reason to read anything again.
#[tokio::test]
async fn minutes_without_a_change() {
    if std::env::var_os("HOIST_LONG").is_none() {
        println!("skipped: takes minutes, with HOIST_LONG=1");
        return;
    }
    let Some(mut resource) = Resource::find(&[]).await else { return };
    resource.put(&document("one"));
    let store = open(&resource);
    serves(&store, "one").await;
    let (lists, mut news) = (resource.kube.lists(), store.subscribe_status());
    let end = Instant::now() + Duration::from_secs(150);
    while Instant::now() < end {
        assert!(resource.kube.put("others", &json!({"at": format!("{:?}", Instant::now())})), "it is taken");
        let _ = tokio::time::timeout(Duration::from_secs(5), news.changed()).await;
        let status = &store.sources()[0];
        let quiet = status.last_success.as_ref().map(|seen| seen.since.elapsed());
        assert_eq!((status.state, status.accepted), (State::Ok, 1), "{status:?}");
        assert!(quiet.is_some_and(|quiet| quiet < Duration::from_secs(80)), "{status:?}");
    }
    resource.put(&document("two"));
    serves(&store, "two").await;
    assert_eq!(resource.kube.lists(), lists);
}

/// What happened while nobody watched is known however little the server remembers of it.
async fn missed(arguments: &'static [&'static str], compact: bool) {
    let Some(mut resource) = Resource::find(arguments).await else { return };
    resource.put(&document("one"));
    let store = open(&resource);
    serves(&store, "one").await;
    let lists = resource.kube.lists();
    for variant in ["two", "three"] {
        resource.link.set(Passage::Closed);
        becomes(&store, State::Unreachable).await;
        for n in 0..20 {
            resource.put(&document(&format!("between-{n}")));
            assert!(resource.kube.put("others", &json!({"n": n})), "the server takes it");
        }
        resource.put(&document(variant));
        if compact {
            resource.kube.compact();
        }
        resource.link.set(Passage::Free);
        serves(&store, variant).await;
        becomes(&store, State::Ok).await;
    }
    // Deleted and made again meanwhile: another object of the same name.
    resource.link.set(Passage::Closed);
    becomes(&store, State::Unreachable).await;
    resource.vanish();
    resource.put(&document("four"));
    if compact {
        resource.kube.compact();
    }
    resource.link.set(Passage::Free);
    serves(&store, "four").await;
    assert_eq!(becomes(&store, State::Ok).await.error, None);
    assert_eq!(resource.kube.lists() - lists, if compact { 3 } else { 0 });
}

#[tokio::test]
async fn a_watch_goes_on_where_it_was_cut() {
    missed(&[], false).await;
}

#[tokio::test]
async fn a_version_that_etcd_has_forgotten_is_read_again() {
    // With its cache the server remembers more than etcd does.
    missed(&["--watch-cache=false"], true).await;
}
