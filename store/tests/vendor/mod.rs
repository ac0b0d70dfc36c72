//! What the source of every vendor owes its flags, whatever its documents look like: to come round, to lose nothing to a fault
//! and to say so, to rest when it is told to, and to start without the server. The vendors' own tests play it.

#![allow(dead_code, unreachable_pub, clippy::expect_used, reason = "a module of several test binaries")]

use std::marker::PhantomData;
use std::time::{Duration, SystemTime};

use engine::{Bump, Context, Question, Selector, Type, Value};
use hoist_store::{Followed, Settings, State, Store};
use serde_json::{Map, Value as Json, json};

use crate::server::{Answer, Server};
use crate::suite::{self, until};

/// A vendor's source and its documents.
pub trait Vendor {
    /// The flag of [`document`](Self::document).
    const FLAG: &'static str;

    /// A document with a flag that is on for one user alone.
    fn document(user: &str) -> String;

    /// The source of what `server` has, with `options` over those that it needs; its credential is `s3cret`.
    fn followed(server: &Server, options: &Json) -> Followed;

    /// A document with these flags, each served by its default variant's name.
    fn with_flags(flags: &Map<String, Json>) -> Json;
}

/// Options of an origin, `more` over `fixed`.
pub fn options(fixed: Json, more: &Json) -> Map<String, Json> {
    let mut all = fixed.as_object().cloned().expect("an object");
    all.extend(more.as_object().cloned().unwrap_or_default());
    all
}

/// Stale soon.
pub fn settings() -> Settings {
    Settings { stale_after: Duration::from_millis(200), ..Settings::new(SystemTime::now) }
}

pub fn follow<V: Vendor>(server: &Server, options: &Json, settings: Settings) -> Store {
    Store::open(settings, vec![V::followed(server, options)])
}

/// Whether the flag is on for `user`; `None` without an answer.
pub fn is_on<V: Vendor>(store: &Store, user: &str) -> Option<bool> {
    is_on_for(store, V::FLAG, &[("targetingKey", Value::Str(user))])
}

/// Whether `flag` is on for whoever has these attributes; `None` without an answer.
pub fn is_on_for(store: &Store, flag: &str, attributes: &[(&str, Value<'_>)]) -> Option<bool> {
    let snapshot = store.read();
    let flag = snapshot.find(&Selector::Any, flag)?;
    let (context, bump) = (Context::new(attributes), Bump::new());
    let question = Question { want: Type::Bool, context: &context, now: 0, bump: &bump, bulk: false };
    flag.answer(&question, &mut ()).ok()?.variant?.value().as_bool()
}

/// A store with the document for `ann`.
pub async fn loaded<V: Vendor>(server: &Server, options: &Json) -> Store {
    loaded_within::<V>(server, options, settings()).await
}

pub async fn loaded_within<V: Vendor>(server: &Server, options: &Json, settings: Settings) -> Store {
    server.script().document = Some(V::document("ann"));
    let store = follow::<V>(server, options, settings);
    until("loaded", &store, |store| is_on::<V>(store, "ann") == Some(true)).await;
    store
}

/// The server is away at first.
pub async fn comes_round<V: Vendor>(options: &Json) {
    let server = Server::start(false).await;
    server.script().always = Some(Answer::Status(503, vec![], String::new()));
    let store = follow::<V>(&server, options, settings());
    until("unreachable", &store, |store| store.sources()[0].state == State::Unreachable).await;
    assert!(!store.ready());
    assert_eq!(is_on::<V>(&store, "ann"), None);
    server.script().document = Some(V::document("ann"));
    server.script().always = None;
    until("loaded", &store, |store| is_on::<V>(store, "ann") == Some(true)).await;
}

/// Each fault leaves the flags, is told without the credential, and passes.
pub async fn keeps_flags_through<V: Vendor>(server: &Server, store: &Store, faults: &[Answer]) {
    for fault in faults {
        let name: String = format!("{fault:?}").chars().take(100).collect();
        server.script().always = Some(fault.clone());
        until(&name, store, |store| store.sources()[0].state != State::Ok).await;
        until(&name, store, |store| store.sources()[0].stale.is_some()).await;
        assert_eq!(is_on::<V>(store, "ann"), Some(true), "{name}");
        let error = store.sources()[0].error.clone().unwrap_or_default();
        assert!(!error.is_empty() && !error.contains("s3cret"), "{name}: {error}");
        server.script().always = None;
        until(&name, store, |store| store.sources()[0].state == State::Ok).await;
        until(&name, store, |store| store.sources()[0].stale.is_none()).await;
    }
}

/// The server wants two seconds of rest.
pub async fn rests<V: Vendor>(options: &Json) {
    let server = Server::start(false).await;
    server.script().always = Some(Answer::Status(429, vec![("retry-after", "2".to_owned())], String::new()));
    let store = follow::<V>(&server, options, settings());
    until("refused", &store, |store| store.sources()[0].state == State::Unreachable).await;
    let before = server.script().seen.len();
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    assert_eq!(server.script().seen.len(), before, "no retry within two seconds");
    server.script().always = None;
    server.script().document = Some(V::document("ann"));
    until("loaded", &store, |store| is_on::<V>(store, "ann") == Some(true)).await;
}

/// A start without the server, which refuses whoever asks.
pub async fn serves_what_was_good<V: Vendor>(options: &Json) {
    let server = Server::start(false).await;
    let folder = tempfile::tempdir().expect("a folder");
    let kept = || Settings { state_dir: Some(folder.path().to_owned()), ..settings() };
    let store = loaded_within::<V>(&server, options, kept()).await;
    until("kept", &store, |store| {
        store.sources()[0].copied.as_ref().is_some_and(|copied| copied.at.is_some())
    })
    .await;
    drop(store);
    server.script().always = Some(Answer::Status(403, vec![], String::new()));
    let store = follow::<V>(&server, options, kept());
    until("from disk", &store, |store| is_on::<V>(store, "ann") == Some(true)).await;
    // The status says it a moment after the flags are there.
    until("stale", &store, |store| store.sources()[0].stale.is_some()).await;
}

/// A server that has what the suite wants to see, in the vendor's words.
pub struct Backend<V> {
    server: Server,
    options: Json,
    vendor: PhantomData<fn() -> V>,
}

impl<V> Backend<V> {
    pub async fn start(options: Json) -> Self {
        Self { server: Server::start(false).await, options, vendor: PhantomData }
    }
}

impl<V: Vendor> suite::Backend for Backend<V> {
    fn follow(&self) -> Followed {
        V::followed(&self.server, &self.options)
    }

    fn put(&mut self, document: &str) {
        let flags =
            serde_json::from_str::<Json>(document).ok().and_then(|read| read["flags"].as_object().cloned());
        // What is no document is none of the vendor's either; what follows one stays.
        let rest = &document[document.trim_end().len()..];
        let translated = flags.map(|flags| V::with_flags(&flags).to_string() + rest);
        self.server.script().document = Some(translated.unwrap_or_else(|| document.to_owned()));
    }

    fn vanish(&mut self) -> bool {
        self.server.script().document = None;
        true
    }
}

/// An answer of JSON that is none of the vendor's documents.
pub fn json_answer(body: impl Into<String>) -> Answer {
    Answer::Status(200, vec![("content-type", "application/json".to_owned())], body.into())
}

/// What a server says that refuses the credential, or is broken.
pub fn refusals() -> Vec<Answer> {
    let said = |status| Answer::Status(status, vec![], json!({"detail": "no"}).to_string());
    [401, 403, 500].into_iter().map(said).chain([json_answer("[]"), Answer::Truncated]).collect()
}
