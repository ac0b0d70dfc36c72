//! A source with documents of its own: read by its own reader, and otherwise treated like any other.

#![allow(clippy::expect_used, clippy::panic, reason = "a test that cannot go on says why")]

use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use engine::{
    Bump, Compiled, Context, Fault, Fidelity, Flag, Harvest, Malformed, Native, NativeFlag, Problem,
    Question, Reason, Resolution, Selector, Translation, Type, Variant, Watch,
};
use hoist_store::{
    Feed, Format, Memory, MemoryHandle, Origin, Reader, Reading, Settings, Source, SourceError, State, Store,
};
use serde_json::{Map, Value, json};

/// Reads `{"<key>": <number>}`: a flag with that number; text for a number is a mistake.
#[derive(Debug)]
struct Numbers;

#[derive(Debug)]
struct Fixed(Variant);

impl Native for Fixed {
    fn decide<'a>(&'a self, _: &Question<'a>, _: &mut Watch<'_>) -> Result<Resolution<'a>, Fault> {
        Ok(Resolution { variant: Some(&self.0), reason: Reason::Split, metadata: None })
    }
}

impl Reader for Numbers {
    fn read(&self, document: &Reading<'_>) -> Result<Compiled, Malformed> {
        let numbers: Map<String, Value> = serde_json::from_str(document.text)
            .map_err(|error| Malformed { message: error.to_string(), place: None })?;
        let mut harvest = Harvest::new(document.previous);
        for (key, number) in &numbers {
            let flag = match number {
                Value::Number(_) => Ok(native(key, number, document.source)),
                _ => Err(Problem::error(format!("/{key}"), "must be a number")),
            };
            harvest.add(key, flag);
        }
        Ok(harvest.finish())
    }

    fn check(&self, text: &str) -> Result<(), Malformed> {
        let read = serde_json::from_str::<Map<String, Value>>(text);
        read.map(drop).map_err(|error| Malformed { message: error.to_string(), place: None })
    }
}

fn native(key: &str, number: &Value, source: &Arc<str>) -> Flag {
    Flag::of_native(NativeFlag {
        key,
        source,
        enabled: true,
        variants: vec![Variant::new("it", number.clone())],
        default: Some(0),
        metadata: Map::new(),
        text: &number.to_string(),
        rules: Arc::new(Fixed(Variant::new("it", number.clone()))),
        translation: Translation {
            enabled: true,
            variants: vec![("it".to_owned(), json!(0))],
            default: Some("it".to_owned()),
            targeting: None,
            fidelity: Fidelity::Unsupported(Vec::new()),
            mentions: Vec::new(),
        },
    })
}

struct Follow(Memory);

#[async_trait]
impl Source for Follow {
    async fn follow(&mut self, feed: &mut Feed<'_>) -> Result<Infallible, SourceError> {
        self.0.follow(feed).await
    }

    fn reader(&self) -> Arc<dyn Reader> {
        Arc::new(Numbers)
    }
}

fn open(document: &str, settings: Settings) -> (Store, MemoryHandle) {
    let (source, handle) = Memory::new(document, Format::Json);
    let origin = Origin::new("numbers", "numbers", Map::new());
    (Store::open(settings, vec![(origin, Box::new(Follow(source)))]), handle)
}

fn settings() -> Settings {
    Settings::new(|| SystemTime::UNIX_EPOCH)
}

fn answer(store: &Store, key: &str) -> Option<String> {
    let snapshot = store.read();
    let flag = snapshot.find(&Selector::Any, key)?;
    let (context, bump) = (Context::default(), Bump::new());
    let question = Question { want: Type::Any, context: &context, now: 0, bump: &bump, bulk: false };
    flag.answer(&question, &mut ()).ok()?.variant.map(|variant| variant.json().to_owned())
}

async fn until(store: &Store, what: &str, holds: impl Fn(&Store) -> bool) {
    let mut news = store.subscribe_status();
    let held = news.wait_for(|_| holds(store));
    tokio::time::timeout(Duration::from_secs(20), held).await.expect(what).expect("the store lives");
}

#[tokio::test]
async fn a_change_that_only_the_vendor_sees_is_a_change() {
    let (store, handle) = open(r#"{"a": 1}"#, settings());
    until(&store, "first", |store| answer(store, "a").as_deref() == Some("1")).await;
    let mut generation = store.subscribe();
    handle.set(r#"{"a": 2}"#);
    until(&store, "second", |store| answer(store, "a").as_deref() == Some("2")).await;
    assert!(generation.wait_for(|generation| *generation == 2).await.is_ok());
    // Other bytes with the same meaning are silence.
    handle.set(r#"{"a":  2}"#);
    until(&store, "third", |store| store.sources()[0].accepted == 3).await;
    assert_eq!(store.read().generation(), 2);
}

#[tokio::test]
async fn a_bad_flag_keeps_its_last_good_self_and_a_bad_document_replaces_nothing() {
    let (store, handle) = open(r#"{"a": 1, "b": 1}"#, settings());
    until(&store, "first", Store::loaded).await;
    handle.set(r#"{"a": "x", "b": 2}"#);
    until(&store, "second", |store| answer(store, "b").as_deref() == Some("2")).await;
    assert_eq!(answer(&store, "a").as_deref(), Some("1"));
    let status = &store.sources()[0];
    assert_eq!((status.kept.total, status.problems.total), (1, 1));
    handle.set("[]");
    until(&store, "refused", |store| store.sources()[0].state == State::Refused).await;
    assert_eq!(answer(&store, "b").as_deref(), Some("2"));
    handle.set("{}");
    until(&store, "held", |store| store.sources()[0].state == State::Held).await;
    assert_eq!(answer(&store, "b").as_deref(), Some("2"));
}

#[tokio::test]
async fn a_copy_on_disk_is_read_by_the_same_reader() {
    let folder = tempfile::tempdir().expect("a directory");
    let kept = Settings { state_dir: Some(folder.path().to_owned()), ..settings() };
    let (store, _handle) = open(r#"{"a": 7}"#, kept.clone());
    until(&store, "kept", |store| {
        store.sources()[0].copied.as_ref().is_some_and(|copied| copied.at.is_some())
    })
    .await;
    drop(store);
    let (store, _handle) = open("[]", kept);
    until(&store, "served from disk", |store| answer(store, "a").as_deref() == Some("7")).await;
}
