//! What every source must do, asked of each in the same words.

#![allow(
    dead_code,
    unreachable_pub,
    unused_imports,
    unused_macros,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "each test binary uses a part of it"
)]

pub mod link;
pub mod matrix;
pub mod on_disk;

use std::time::{Duration, SystemTime};

use engine::Selector;
use hoist_store::{Origin, Settings, Source, SourceStatus, State, Store};

/// An origin that a test can change.
pub trait Backend {
    /// A source that follows it.
    fn follow(&self) -> (Origin, Box<dyn Source>);
    /// Makes `document` the origin's document.
    fn put(&mut self, document: &str);
    /// Makes other bytes that mean the same as `document` the origin's; `false` if it cannot.
    fn reword(&mut self, document: &str) -> bool {
        self.put(&format!("{document}\n\n"));
        true
    }
    /// Makes `garbage`, which is no document, the origin's; `false` if nobody would ever hear of it.
    fn garble(&mut self, garbage: &str) -> bool {
        self.put(garbage);
        true
    }
    /// Makes the origin vanish; `false` if it cannot.
    fn vanish(&mut self) -> bool;
}

/// A document with one flag, `flag`, whose default variant is named `variant`.
pub fn document(variant: &str) -> String {
    flags([("flag", variant)])
}

/// A document with a string flag for each pair of key and default variant.
pub fn flags<'a>(flags: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let flags: Vec<String> = flags
        .into_iter()
        .map(|(key, variant)| {
            format!(r#""{key}": {{"state": "ENABLED", "variants": {{"{variant}": "{variant}"}}, "defaultVariant": "{variant}"}}"#)
        })
        .collect();
    format!("{{\"flags\": {{{}}}}}", flags.join(",\n"))
}

pub fn settings() -> Settings {
    Settings::new(SystemTime::now)
}

pub fn open(backend: &impl Backend) -> Store {
    Store::open(settings(), vec![backend.follow()])
}

/// What `key` answers: a text, or the variant's name where the value is none.
pub fn answer(store: &Store, selector: &Selector<'_>, key: &str) -> Option<String> {
    let snapshot = store.read();
    let flag = snapshot.find(selector, key)?;
    flag.default_variant().map(|variant| variant.value().as_str().unwrap_or(variant.name()).to_owned())
}

/// Waits until something holds.
pub async fn until(what: &str, store: &Store, holds: impl Fn(&Store) -> bool) {
    until_in(Duration::from_secs(10), what, store, holds).await;
}

/// Waits for up to `patience` until something holds.
pub async fn until_in(patience: Duration, what: &str, store: &Store, holds: impl Fn(&Store) -> bool) {
    let deadline = tokio::time::Instant::now() + patience;
    let (mut status, mut flags) = (store.subscribe_status(), store.subscribe());
    while !holds(store) {
        assert!(
            tokio::time::Instant::now() < deadline,
            "{what}: not within {patience:?}; {:#?}",
            store.sources()
        );
        tokio::select! {
            _ = status.changed() => {}
            _ = flags.changed() => {}
            () = tokio::time::sleep(Duration::from_millis(10)) => {}
        }
    }
}

/// Waits until `flag` answers `variant`.
pub async fn serves(store: &Store, variant: &str) {
    until(&format!("`flag` answers {variant}"), store, |store| {
        answer(store, &Selector::Any, "flag").as_deref() == Some(variant)
    })
    .await;
}

/// Waits until the one source is in `state`.
pub async fn becomes(store: &Store, state: State) -> SourceStatus {
    until(&format!("{state:?}"), store, |store| store.sources()[0].state == state).await;
    store.sources().swap_remove(0)
}

/// Plays the whole suite.
pub async fn play(mut backend: impl Backend) {
    first_version(&mut backend).await;
    change(&mut backend).await;
    unchanged_is_silence(&mut backend).await;
    garbage_keeps_the_old(&mut backend).await;
    vanish_and_return(&mut backend).await;
    drop_is_the_stop(&mut backend).await;
}

async fn first_version(backend: &mut impl Backend) {
    backend.put(&document("one"));
    let store = open(backend);
    let status = store.first_load().await.swap_remove(0);
    assert_eq!((status.state, status.ready, status.flags), (State::Ok, true, 1), "{status:?}");
    assert!(store.ready());
    // Ready means that flags can be evaluated, not that they soon can.
    assert_eq!(answer(&store, &Selector::Any, "flag").as_deref(), Some("one"));
    assert_eq!(store.read().generation(), status.generation);
    assert_eq!(status.revision.as_deref().map(str::len), Some(64));
    assert!(status.last_success.is_some());
}

async fn change(backend: &mut impl Backend) {
    backend.put(&document("one"));
    let store = open(backend);
    serves(&store, "one").await;
    let mut generations = store.subscribe();
    let before = *generations.borrow_and_update();
    backend.put(&document("two"));
    serves(&store, "two").await;
    assert_eq!(*generations.borrow_and_update(), before + 1);
}

async fn unchanged_is_silence(backend: &mut impl Backend) {
    backend.put(&document("one"));
    let store = open(backend);
    serves(&store, "one").await;
    let mut generations = store.subscribe();
    generations.mark_unchanged();
    backend.put(&document("one"));
    // Other bytes that mean the same are seen, and are no news either.
    if backend.reword(&document("one")) {
        until("the other bytes are accepted", &store, |store| store.sources()[0].accepted == 2).await;
    }
    assert!(!generations.has_changed().expect("open"), "no new generation");
}

async fn garbage_keeps_the_old(backend: &mut impl Backend) {
    backend.put(&document("one"));
    let store = open(backend);
    serves(&store, "one").await;
    for garbage in ["{\"flags\": {", "", "{}", "null", "[1, 2]", "no flags here", "\u{0}"] {
        let refused = store.sources()[0].refused;
        if !backend.garble(garbage) {
            continue;
        }
        until("the garbage is refused", &store, |store| store.sources()[0].refused > refused).await;
        let status = becomes(&store, State::Refused).await;
        assert!(status.ready && status.error.is_some(), "{garbage:?}: {status:?}");
        assert_eq!(answer(&store, &Selector::Any, "flag").as_deref(), Some("one"), "{garbage:?}");
    }
    backend.put(&document("two"));
    serves(&store, "two").await;
    let status = becomes(&store, State::Ok).await;
    assert_eq!(status.error, None);
}

async fn vanish_and_return(backend: &mut impl Backend) {
    backend.put(&document("one"));
    let store = open(backend);
    serves(&store, "one").await;
    if !backend.vanish() {
        return;
    }
    becomes(&store, State::Unreachable).await;
    // Longer than any grace that a rename might be given.
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(answer(&store, &Selector::Any, "flag").as_deref(), Some("one"));
    assert!(store.ready(), "what is served can still be evaluated");
    backend.put(&document("one"));
    assert_eq!(becomes(&store, State::Ok).await.error, None);
    backend.vanish();
    becomes(&store, State::Unreachable).await;
    backend.put(&document("two"));
    serves(&store, "two").await;
}

async fn drop_is_the_stop(backend: &mut impl Backend) {
    backend.put(&document("one"));
    let store = open(backend);
    serves(&store, "one").await;
    let mut generations = store.subscribe();
    drop(store);
    backend.put(&document("two"));
    let stopped =
        tokio::time::timeout(Duration::from_secs(5), async { while generations.changed().await.is_ok() {} });
    stopped.await.expect("the source lets go of the store");
}
