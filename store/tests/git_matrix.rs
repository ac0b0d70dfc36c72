//! The fault matrix of a git repository behind a server, and what may befall the cache that it is fetched into.

#![cfg(feature = "git")]
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test that cannot go on says why"
)]

mod forge;
mod server;
mod suite;

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use engine::Selector;
use forge::{Fault as Failure, World, follow, git_is_missing};
use hoist_store::{Origin, Source, State, Store};
use serde_json::json;
use suite::link::{Link, Passage};
use suite::matrix::{Fault, Faulty, Tiny, VICTIM, matrix, victim};
use suite::{Backend, answer, becomes, document, serves, settings, until};

matrix!(git, Linked::new().await, unless git_is_missing());

/// A repository behind a server at the end of a link.
struct Linked {
    world: World,
    link: Link,
    path: &'static str,
}

impl Linked {
    async fn new() -> Self {
        let mut world = World::new().await;
        world.options.insert("timeoutS".to_owned(), json!(60));
        let link = Link::to(([127, 0, 0, 1], world.forge.port()).into()).await;
        Self { world, link, path: "flags.json" }
    }
}

impl Backend for Linked {
    fn follow(&self) -> (Origin, Box<dyn Source>) {
        let uri = self.world.forge.uri_at(self.link.port, &format!("ref=main&path={}", self.path));
        follow(&uri, &self.world.options)
    }

    fn put(&mut self, document: &str) {
        self.world.repository.come_back();
        self.world.repository.put(self.path, document);
        self.world.forge.set(Failure::None);
        self.link.set(Passage::Free);
    }

    fn vanish(&mut self) -> bool {
        self.world.repository.vanish()
    }
}

impl Faulty for Linked {
    fn speak_yaml(&mut self) {
        self.path = "flags.yaml";
    }

    fn hurry(&mut self) {
        self.world.options.insert("timeoutS".to_owned(), json!(2));
    }

    fn suffer(&mut self, fault: Fault) -> Option<State> {
        match fault {
            Fault::Down => return self.vanish().then_some(State::Unreachable),
            Fault::Hangs => self.world.forge.set(Failure::Hang),
            Fault::Errors => self.world.forge.set(Failure::Status(500)),
            Fault::CutOff => self.world.forge.set(Failure::Cut),
            Fault::Drip => self.link.set(Passage::Drip),
            // A commit is there or not.
            Fault::HalfWritten => return None,
        }
        Some(State::Unreachable)
    }
}

/// A document that no compression makes small.
fn noise(variant: &str, bytes: usize) -> String {
    let mut seed = 0x9E37_79B9_7F4A_7C15_u64 ^ variant.len() as u64;
    let mut text = String::with_capacity(bytes + 16);
    while text.len() < bytes {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        let _ = write!(text, "{seed:016x}");
    }
    document(variant).replacen('{', &format!("{{\"metadata\": {{\"noise\": \"{text}\"}}, "), 1)
}

#[tokio::test]
async fn a_cache_on_a_full_disk_costs_the_news_and_nothing_else() {
    if git_is_missing() {
        return;
    }
    let Some(tiny) = Tiny::mount() else {
        println!("skipped: a file system cannot be mounted here");
        return;
    };
    let mut world = World::new().await;
    world.options.insert("cacheDir".to_owned(), json!(tiny.0.path()));
    world.repository.put("flags.json", &document("one"));
    let store = world.open();
    serves(&store, "one").await;
    world.repository.put("flags.json", &noise("two", 300 << 10));
    let status = becomes(&store, State::Unreachable).await;
    let error = status.error.unwrap_or_default();
    println!("disk full: {error}");
    assert!(error.contains("space"), "{error}");
    assert_eq!(answer(&store, &Selector::Any, "flag").as_deref(), Some("one"));
    world.repository.put("flags.json", &document("three"));
    serves(&store, "three").await;
    assert_eq!(becomes(&store, State::Ok).await.error, None);
}

#[tokio::test]
async fn killed_in_mid_fetch() {
    if let Ok(told) = std::env::var(VICTIM) {
        let told: serde_json::Value = serde_json::from_str(&told).expect("JSON");
        let options = told["options"].as_object().cloned().expect("an object");
        let _store = Store::open(settings(), vec![follow(told["uri"].as_str().expect("text"), &options)]);
        return std::future::pending().await;
    }
    if git_is_missing() {
        return;
    }
    let mut world = World::new().await;
    world.options.insert("timeoutS".to_owned(), json!(60));
    let told = json!({"uri": world.forge.uri("ref=main&path=flags.json"), "options": world.options});
    let mut caught = 0;
    for eighths in [1, 4, 7] {
        let variant = format!("after-{eighths}");
        world.repository.put("flags.json", &noise(&variant, 1 << 20));
        world.forge.set(Failure::Stall(eighths));
        let mut victim = victim("killed_in_mid_fetch", &told);
        until_unfinished(world.cache.path()).await;
        victim.kill().expect("kill -9");
        victim.wait().expect("ended");
        caught += unfinished(world.cache.path()).len();
        world.forge.set(Failure::None);
        // What has begun is thrown away, and what was there before is used.
        let store = world.open();
        serves(&store, &variant).await;
        assert_eq!(becomes(&store, State::Ok).await.error, None);
        assert_eq!(world.caches().len(), 1, "the cache is the killed one's");
        assert_eq!(unfinished(world.cache.path()), Vec::<PathBuf>::new());
        drop(store);
        world.cache_at_rest().await;
    }
    println!("{caught} files were left unfinished by 3 kills");
    assert!(caught >= 3, "{caught}");
}

/// Packs without a name, in all caches below `folder`.
fn unfinished(folder: &Path) -> Vec<PathBuf> {
    let caches = fs::read_dir(folder).expect("a cache").flatten();
    let packs = caches.flat_map(|cache| {
        fs::read_dir(cache.path().join("repo/objects/pack")).into_iter().flatten().flatten()
    });
    packs.map(|file| file.path()).filter(|path| path.extension().is_none()).collect()
}

async fn until_unfinished(folder: &Path) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while unfinished(folder).is_empty() {
        assert!(Instant::now() < deadline, "no fetch has begun");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

#[tokio::test]
async fn a_cache_is_no_copy() {
    if git_is_missing() {
        return;
    }
    // Without the server nobody says which commit is meant.
    let world = World::new().await;
    world.repository.put("flags.json", &document("one"));
    serves(&world.open(), "one").await;
    world.cache_at_rest().await;
    world.forge.set(Failure::Status(503));
    let store = world.open();
    becomes(&store, State::Unreachable).await;
    assert_eq!(answer(&store, &Selector::Any, "flag"), None);
    world.forge.set(Failure::None);
    until("back", &store, Store::ready).await;
}
