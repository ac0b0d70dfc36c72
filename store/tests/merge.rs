//! Several sources in one store: who wins, who waits, and that no fault of one is another's.

#![allow(clippy::expect_used, clippy::panic, reason = "a test that cannot go on says why")]

mod suite;

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use engine::{Selector, Severity, Snapshot};
use hoist_store::{
    ChangeKind, Feed, Fetch, Fetched, Format, Memory, MemoryHandle, Origin, Poll, Retry, Schedule, Settings,
    Source, SourceError, State, Store, diff,
};
use serde_json::Map;
use suite::{Backend, answer, becomes, document, flags, play, serves, settings, until};

/// A document in memory, which cannot vanish.
struct InMemory(std::cell::RefCell<MemoryHandle>, std::cell::RefCell<String>);

impl Backend for InMemory {
    fn follow(&self) -> (Origin, Box<dyn Source>) {
        let (source, handle) = Memory::new(self.1.borrow().clone(), Format::Json);
        self.0.replace(handle);
        (origin("memory"), Box::new(source))
    }

    fn put(&mut self, document: &str) {
        self.1.replace(document.to_owned());
        self.0.borrow().set(document);
    }

    fn vanish(&mut self) -> bool {
        false
    }
}

fn origin(name: &str) -> Origin {
    Origin::new("memory", name, Map::new())
}

fn memory(name: &str, document: String) -> ((Origin, Box<dyn Source>), MemoryHandle) {
    let (source, handle) = Memory::new(document, Format::Json);
    ((origin(name), Box::new(source)), handle)
}

async fn accepted(store: &Store, source: usize, times: u64) {
    until("accepted", store, |store| store.sources()[source].accepted >= times).await;
}

#[tokio::test]
async fn suite_in_memory() {
    let (_, handle) = Memory::new("", Format::Json);
    play(InMemory(handle.into(), String::new().into())).await;
}

#[tokio::test]
async fn the_losing_layer_is_kept_and_comes_back() {
    let (low, low_handle) = memory("low", flags([("both", "low"), ("mine", "low")]));
    let (high, high_handle) = memory("high", flags([("both", "high")]));
    let settings = Settings { shrink_hold: None, ..settings() };
    let store = Store::open(settings, vec![low, high]);
    store.first_load().await;
    let both = |store: &Store, selector: &Selector<'_>| answer(store, selector, "both");
    assert_eq!(both(&store, &Selector::Any).as_deref(), Some("high"));
    assert_eq!(both(&store, &Selector::Source("low")).as_deref(), Some("low"));
    assert_eq!(answer(&store, &Selector::Any, "mine").as_deref(), Some("low"));
    let status = store.sources();
    assert_eq!((status[0].shadowed.total, status[1].shadowed.total), (1, 0));
    let notice = &status[0].shadowed.list[0];
    assert_eq!((notice.flag.as_deref(), &*notice.path), (Some("both"), "/flags/both"));
    assert!(notice.message.contains("`high`"), "{notice}");

    // The loser changes: nobody who asks without a selector may notice.
    let before = store.read().clone();
    low_handle.set(flags([("both", "lower"), ("mine", "low")]));
    accepted(&store, 0, 2).await;
    let after = store.read().clone();
    assert_eq!(diff(&before, &after, &Selector::Any), []);
    assert_eq!(diff(&before, &after, &Selector::Source("low")), [("both".into(), ChangeKind::Update)]);

    // The winner drops the key: the loser's flag is back without the loser being read again.
    high_handle.set(r#"{"flags": {}}"#);
    until("low is back", &store, |store| both(store, &Selector::Any).as_deref() == Some("lower")).await;
    until("no longer shadowed", &store, |store| store.sources()[0].shadowed.total == 0).await;
    assert_eq!(store.sources()[0].accepted, 2);
}

#[tokio::test]
async fn the_order_of_arrival_does_not_decide() {
    let (low, handle) = memory("low", "not yet".to_owned());
    let (high, _keep) = memory("high", document("high"));
    let store = Store::open(settings(), vec![low, high]);
    store.first_load().await;
    assert!(!store.ready(), "one of two has nothing to serve");
    handle.set(document("low"));
    until("ready", &store, Store::ready).await;
    assert_eq!(answer(&store, &Selector::Any, "flag").as_deref(), Some("high"));
}

#[tokio::test]
async fn one_bad_flag_of_a_hundred() {
    let keys: Vec<String> = (0..100).map(|number| format!("flag-{number}")).collect();
    let all = |variant: &'static str| flags(keys.iter().map(|key| (key.as_str(), variant)));
    let (source, handle) = memory("memory", all("one"));
    let store = Store::open(settings(), vec![source]);
    store.first_load().await;
    let spoilt = all("two").replacen(r#""defaultVariant": "two""#, r#""defaultVariant": "tow""#, 1);
    handle.set(spoilt);
    accepted(&store, 0, 2).await;
    assert_eq!(answer(&store, &Selector::Any, "flag-0").as_deref(), Some("one"), "its last good self");
    assert_eq!(answer(&store, &Selector::Any, "flag-1").as_deref(), Some("two"));
    let status = store.sources().swap_remove(0);
    assert_eq!((status.state, status.flags, status.problems.total), (State::Ok, 100, 1));
    assert_eq!((status.kept.total, &*status.kept.list[0]), (1, "flag-0"));
    let problem = &status.problems.list[0];
    assert_eq!((problem.severity, problem.flag.as_deref()), (Severity::Error, Some("flag-0")));
    assert_eq!(problem.place.map(|place| place.line), Some(1), "{problem}");
}

#[tokio::test]
async fn nothing_but_bad_flags_is_no_document() {
    let spoilt = document("one").replace(r#""defaultVariant": "one""#, r#""defaultVariant": 1"#);
    let (source, handle) = memory("memory", spoilt);
    let store = Store::open(settings(), vec![source]);
    let status = store.first_load().await.swap_remove(0);
    assert_eq!((status.state, status.ready), (State::Refused, false), "{status:?}");
    handle.set(r#"{"flags": {}}"#);
    until("no flags is a document", &store, Store::ready).await;
}

#[tokio::test]
async fn strict_takes_no_problem() {
    let (source, handle) = memory("memory", document("one"));
    let store = Store::open(Settings { strict: true, ..settings() }, vec![source]);
    serves(&store, "one").await;
    handle.set(document("two").replace("\"state\"", "\"sate\": 1, \"state\""));
    let status = becomes(&store, State::Refused).await;
    assert!(status.error.as_deref().is_some_and(|error| error.contains("strict")), "{status:?}");
    assert_eq!(status.problems.total, 1);
    assert_eq!(answer(&store, &Selector::Any, "flag").as_deref(), Some("one"));
    handle.set(document("two"));
    serves(&store, "two").await;
}

#[tokio::test]
async fn diff_tells_what_a_selector_sees() {
    let (source, handle) = memory("memory", flags([("same", "v"), ("changed", "v"), ("gone", "v")]));
    let store = Store::open(settings(), vec![source]);
    store.first_load().await;
    let before = store.read().clone();
    handle.set(flags([("same", "v"), ("changed", "w"), ("new", "v")]));
    accepted(&store, 0, 2).await;
    let after = store.read().clone();
    let expected = [
        ("changed".into(), ChangeKind::Update),
        ("gone".into(), ChangeKind::Delete),
        ("new".into(), ChangeKind::Write),
    ];
    assert_eq!(diff(&before, &after, &Selector::Any), expected);
    assert_eq!(diff(&before, &after, &Selector::Source("memory")), expected);
    assert_eq!(diff(&before, &after, &Selector::Source("other")), []);
    assert_eq!(diff(&Snapshot::default(), &Snapshot::default(), &Selector::Any), []);
}

/// Panics, then fails, then follows.
struct Moody(Arc<AtomicU32>, Memory);

#[async_trait]
impl Source for Moody {
    async fn follow(&mut self, feed: &mut Feed<'_>) -> Result<Infallible, SourceError> {
        match self.0.fetch_add(1, Ordering::Relaxed) {
            0 => panic!("in a mood"),
            1 => Err(SourceError { what: "no".to_owned(), place: "here".to_owned(), retry: Retry::Backoff }),
            _ => self.1.follow(feed).await,
        }
    }
}

#[tokio::test]
async fn a_fault_of_one_source_is_no_other_ones() {
    let (memory_source, _keep) = Memory::new(document("moody"), Format::Json);
    let attempts = Arc::new(AtomicU32::new(0));
    let (calm, handle) = memory("calm", flags([("calm", "one")]));
    let moody: Box<dyn Source> = Box::new(Moody(Arc::clone(&attempts), memory_source));
    let store = Store::open(settings(), vec![calm, (origin("moody"), moody)]);
    let status = store.first_load().await.swap_remove(1);
    assert_eq!(status.state, State::Unreachable);
    assert_eq!(status.error.as_deref(), Some("source: internal error: in a mood"));
    handle.set(flags([("calm", "two")]));
    until("calm goes on", &store, |store| answer(store, &Selector::Any, "calm").as_deref() == Some("two"))
        .await;
    serves(&store, "moody").await;
    assert_eq!(attempts.load(Ordering::Relaxed), 3);
    until("ready", &store, Store::ready).await;
}

/// Refuses for good.
struct Hopeless;

#[async_trait]
impl Source for Hopeless {
    async fn follow(&mut self, _: &mut Feed<'_>) -> Result<Infallible, SourceError> {
        Err(SourceError { what: "no such thing".to_owned(), place: "here".to_owned(), retry: Retry::Never })
    }
}

#[tokio::test]
async fn what_is_hopeless_is_not_tried_again() {
    let store = Store::open(settings(), vec![(origin("hopeless"), Box::new(Hopeless))]);
    let status = store.first_load().await.swap_remove(0);
    assert_eq!((status.state, status.error.as_deref()), (State::Stopped, Some("here: no such thing")));
}

/// Answers with what `answers` says for each time it is asked, and writes down what it is told to be known.
struct Asked {
    answers: std::vec::IntoIter<Option<(&'static str, String)>>,
    told: tokio::sync::mpsc::UnboundedSender<Option<String>>,
}

impl Fetch for Asked {
    async fn fetch(&mut self, seen: Option<&str>, _: usize) -> Result<Option<Fetched>, SourceError> {
        let _ = self.told.send(seen.map(str::to_owned));
        match self.answers.next() {
            Some(answer) => Ok(answer.map(|(revision, document)| Fetched {
                bytes: document.into_bytes(),
                format: Format::Json,
                revision: Some(revision.to_owned()),
            })),
            None => std::future::pending().await,
        }
    }
}

#[tokio::test]
async fn a_revision_is_known_only_once_accepted() {
    let (told, mut seen) = tokio::sync::mpsc::unbounded_channel();
    let answers = vec![
        Some(("1", document("one"))),
        None,
        Some(("2", "garbage".to_owned())),
        Some(("3", document("three"))),
        None,
    ];
    let poll =
        Poll::new(Asked { answers: answers.into_iter(), told }, Schedule::every(Duration::from_millis(10)));
    let store = Store::open(settings(), vec![(origin("asked"), Box::new(poll))]);
    serves(&store, "three").await;
    let mut told = Vec::new();
    while told.len() < 6 {
        told.push(seen.recv().await.expect("asked again"));
    }
    let expected = [None, Some("1"), Some("1"), None, Some("3"), Some("3")];
    assert_eq!(told.iter().map(Option::as_deref).collect::<Vec<_>>(), expected);
    assert_eq!(store.sources()[0].origin_revision.as_deref(), Some("3"));
}

#[tokio::test]
async fn news_of_an_origin_cut_its_rest_short() {
    let (told, _seen) = tokio::sync::mpsc::unbounded_channel();
    let answers = vec![Some(("1", document("one"))), Some(("2", document("two")))];
    let hourly = Schedule::every(Duration::from_secs(3_600));
    let poll = Poll::new(Asked { answers: answers.into_iter(), told }, hourly);
    let store = Store::open(settings(), vec![(origin("asked"), Box::new(poll))]);
    serves(&store, "one").await;
    assert!(store.kick(|origin| &**origin.name() == "another").is_empty());
    assert_eq!(store.kick(|origin| &**origin.name() == "asked"), ["asked"]);
    serves(&store, "two").await;
}

#[tokio::test]
async fn news_of_an_origin_cut_its_backoff_short() {
    /// Fails until told otherwise.
    struct Failing(Arc<AtomicBool>);
    impl Fetch for Failing {
        async fn fetch(&mut self, _: Option<&str>, _: usize) -> Result<Option<Fetched>, SourceError> {
            if self.0.load(Ordering::SeqCst) {
                let bytes = document("back").into_bytes();
                return Ok(Some(Fetched { bytes, format: Format::Json, revision: None }));
            }
            let (what, place) = ("down".to_owned(), "here".to_owned());
            Err(SourceError { what, place, retry: Retry::Backoff })
        }
    }
    let up = Arc::new(AtomicBool::new(false));
    let poll = Poll::new(Failing(Arc::clone(&up)), Schedule::every(Duration::from_secs(3_600)));
    let store = Store::open(settings(), vec![(origin("failing"), Box::new(poll))]);
    // Long enough for the waits to grow beyond a second.
    tokio::time::sleep(Duration::from_secs(3)).await;
    up.store(true, Ordering::SeqCst);
    let before = std::time::Instant::now();
    store.kick(|_| true);
    serves(&store, "back").await;
    assert!(before.elapsed() < Duration::from_millis(500), "{:?}", before.elapsed());
}
