//! What several providers answer together.
#![allow(clippy::unwrap_used)]

use std::num::NonZeroU32;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hoist_provider_multi::{FlagReport, Member, Multi, MultiError, ShadowOptions};
use in_memory::{Flag, InMemory};
use kit::{Answer, Emitter, EventKind, Provider, Resolver, State, Type, error};
use open_feature::provider::NoOpProvider;
use open_feature::{EvaluationContext, EvaluationError, EvaluationErrorCode, EvaluationReason, Value};

/// A backend whose state the test sets. Answers `true`, as long as `open`.
struct Backend {
    events: Emitter,
    open: Arc<AtomicBool>,
    asked: Arc<AtomicUsize>,
}

impl Backend {
    fn new() -> Self {
        Self {
            events: Emitter::new(Self::NAME),
            open: Arc::new(AtomicBool::new(true)),
            asked: Arc::default(),
        }
    }
}

impl Resolver for Backend {
    const NAME: &'static str = "backend";

    async fn resolve(&self, _: &str, _: Type, _: &EvaluationContext) -> Result<Answer, EvaluationError> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        while !self.open.load(Ordering::SeqCst) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        Ok(Answer::new(true))
    }

    fn events(&self) -> &Emitter {
        &self.events
    }
}

fn nobody() -> EvaluationContext {
    EvaluationContext::default()
}

async fn ask<R: Resolver>(provider: &Provider<R>, key: &str) -> Result<Option<Value>, EvaluationErrorCode> {
    let answer = provider.resolve(key, Type::Int, &nobody()).await;
    answer.map(|answer| answer.value).map_err(|error| error.code)
}

fn general() -> EvaluationErrorCode {
    EvaluationErrorCode::General("GENERAL".to_owned())
}

fn pair() -> [Member; 2] {
    let one = InMemory::new()
        .with("both", 1)
        .with("broken", Flag::failing(error::general("down")))
        .with("off", Flag::from(1).disabled());
    let two = InMemory::new().with("both", 2).with("broken", 2).with("second", 2).with("off", 2);
    [Member::new("one", one.provider()), Member::new("two", two.provider())]
}

#[tokio::test]
async fn the_first_that_has_the_flag() {
    let multi = Multi::first_match(pair()).unwrap();
    assert_eq!(ask(&multi, "both").await, Ok(Some(Value::Int(1))));
    assert_eq!(ask(&multi, "second").await, Ok(Some(Value::Int(2))));
    assert_eq!(ask(&multi, "broken").await, Err(general()), "an error ends the search");
    assert_eq!(ask(&multi, "off").await, Ok(None), "a disabled flag is a flag");
    assert_eq!(ask(&multi, "gone").await, Err(EvaluationErrorCode::FlagNotFound));
    let error = multi.resolve("broken", Type::Int, &nobody()).await.unwrap_err();
    assert_eq!(error.message.as_deref(), Some("one: down"));
}

#[tokio::test]
async fn the_first_that_has_an_answer() {
    let multi = Multi::fallback(pair()).unwrap();
    assert_eq!(ask(&multi, "both").await, Ok(Some(Value::Int(1))));
    assert_eq!(ask(&multi, "broken").await, Ok(Some(Value::Int(2))));
    assert_eq!(ask(&multi, "gone").await, Err(EvaluationErrorCode::FlagNotFound));
    let broken = InMemory::new().with("f", Flag::failing(error::general("down")));
    let multi =
        Multi::fallback([Member::new("a", broken.provider()), Member::new("b", InMemory::new().provider())])
            .unwrap();
    let error = multi.resolve("f", Type::Int, &nobody()).await.unwrap_err();
    assert_eq!(error.code, general(), "it is absent in one of two alone");
    assert_eq!(error.message.as_deref(), Some("a: down; b: flag `f` does not exist"));
}

#[tokio::test]
async fn a_file_stands_in_while_the_backend_is_away() {
    let backend = Backend::new();
    let events = backend.events.clone();
    let file = InMemory::new().with("f", false);
    let multi = Multi::fallback([
        Member::new("server", Provider::new(backend)),
        Member::new("file", file.provider()),
    ])
    .unwrap();
    assert_eq!(multi.state(), State::Stale, "it answers before its first member does");
    multi.ready(Duration::ZERO).await.unwrap();
    let mut heard = multi.events();
    let first = heard.next().await.unwrap();
    assert_eq!(first.message.as_deref(), Some("file stands in, server is NOT_READY"));
    assert_eq!(ask(&multi, "f").await, Ok(Some(Value::Bool(false))));

    events.became_ready();
    assert_eq!(heard.next().await.unwrap().kind, EventKind::Ready);
    assert_eq!(ask(&multi, "f").await, Ok(Some(Value::Bool(true))));
    file.set("f", 3);
    let changed = heard.next().await.unwrap();
    assert_eq!(changed.flags_changed.as_deref(), Some(&["f".to_owned()][..]));
    events.failed("connection refused");
    assert_eq!(heard.next().await.unwrap().kind, EventKind::Stale);
    drop(multi);
    assert_eq!(heard.next().await, None);
    assert!(events.is_closed());
}

#[tokio::test]
async fn the_worst_state_counts_and_the_unready_are_passed_over() {
    let backend = Backend::new();
    let (events, asked) = (backend.events.clone(), Arc::clone(&backend.asked));
    let members =
        [Member::new("a", Provider::new(backend)), Member::new("b", InMemory::new().with("f", 3).provider())];
    let multi = Multi::first_match(members).unwrap();
    assert_eq!(multi.state(), State::NotReady);
    assert_eq!(ask(&multi, "f").await, Ok(Some(Value::Int(3))));
    assert_eq!(asked.load(Ordering::SeqCst), 0);
    let mut heard = multi.events();
    events.became_ready();
    assert_eq!(heard.next().await.unwrap().state, State::Ready);
    events.failed_for_good("401");
    let fatal = heard.next().await.unwrap();
    assert_eq!((fatal.state, fatal.message.as_deref()), (State::Fatal, Some("a is FATAL: 401")));
    assert_eq!(ask(&multi, "f").await, Ok(Some(Value::Int(3))));

    let alone = Multi::first_match([Member::new("a", Provider::new(Backend::new()))]).unwrap();
    let error = alone.resolve("f", Type::Int, &nobody()).await.unwrap_err();
    assert_eq!(error.code, EvaluationErrorCode::ProviderNotReady);
    assert_eq!(error.message.as_deref(), Some("a is NOT_READY"));
}

#[tokio::test]
async fn disagreements_are_counted_per_flag_and_told() {
    let multi = Multi::compare(pair()).unwrap();
    let report = multi.resolver().unwrap().report().clone();
    let told: Arc<Mutex<Vec<String>>> = Arc::default();
    let listener = Arc::clone(&told);
    report.on_difference(move |difference, counts| {
        let told = format!("{} {} {}", difference.key, difference.name, counts.mismatched);
        listener.lock().unwrap().push(told);
    });
    assert_eq!(ask(&multi, "both").await, Ok(Some(Value::Int(1))), "the first's answer counts");
    assert_eq!(ask(&multi, "both").await, Ok(Some(Value::Int(1))));
    assert_eq!(ask(&multi, "broken").await, Err(general()));
    assert_eq!(ask(&multi, "gone").await, Err(EvaluationErrorCode::FlagNotFound));
    let counts = |compared, mismatched, one_sided| FlagReport { compared, mismatched, one_sided };
    let expected = [("both", counts(2, 2, 0)), ("broken", counts(1, 1, 1)), ("gone", counts(1, 0, 0))];
    assert_eq!(report.flags(), expected.map(|(key, report)| (key.to_owned(), report)));
    assert_eq!(*told.lock().unwrap(), ["both two 1", "both two 2", "broken two 1"]);
    for n in 0..10_100 {
        ask(&multi, &n.to_string()).await.unwrap_err();
    }
    assert_eq!(report.flags().len(), 10_001, "flags beyond the bound are counted together");
    assert_eq!(report.flag("(others)").compared, 103);
}

#[tokio::test]
async fn a_shadow_that_hangs_slows_nobody() {
    let slow = Backend::new();
    slow.events.became_ready();
    let (open, asked) = (Arc::clone(&slow.open), Arc::clone(&slow.asked));
    open.store(false, Ordering::SeqCst);
    let first = InMemory::new().with("f", false);
    let members = [Member::new("old", first.provider()), Member::new("new", Provider::new(slow))];
    let options = ShadowOptions { backlog: 8, at_once: 2, ..ShadowOptions::default() };
    let multi = Multi::shadow(members, options).unwrap();
    let report = multi.resolver().unwrap().report().clone();
    for _ in 0..1000 {
        assert_eq!(ask(&multi, "f").await, Ok(Some(Value::Bool(false))));
    }
    assert!(report.skipped() >= 980, "{} skipped", report.skipped());
    open.store(true, Ordering::SeqCst);
    let expected = 1000 - report.skipped();
    while report.flag("f").compared < expected {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert_eq!(report.flag("f"), FlagReport { compared: expected, mismatched: expected, one_sided: 0 });
    assert_eq!(asked.load(Ordering::SeqCst) as u64, expected);
}

#[tokio::test]
async fn a_shadow_can_look_at_a_sample() {
    let (old, new) = (InMemory::new().with("f", 1), InMemory::new().with("f", 1).recording());
    let members = [Member::new("old", old.provider()), Member::new("new", new.provider())];
    let one_in = NonZeroU32::new(10).unwrap();
    let multi = Multi::shadow(members, ShadowOptions { one_in, ..ShadowOptions::default() }).unwrap();
    let report = multi.resolver().unwrap().report().clone();
    for _ in 0..100 {
        ask(&multi, "f").await.unwrap();
    }
    while report.flag("f").compared < 10 {
        tokio::task::yield_now().await;
    }
    assert_eq!(report.flag("f"), FlagReport { compared: 10, mismatched: 0, one_sided: 0 });
    assert_eq!(new.evaluations().len(), 10);
}

#[tokio::test]
async fn providers_of_others_take_part() {
    let foreign = Provider::foreign(NoOpProvider::default(), &nobody()).await;
    let file = InMemory::new().with("f", 1);
    let multi =
        Multi::fallback([Member::new("none", foreign), Member::new("file", file.provider())]).unwrap();
    let answer = multi.resolve("f", Type::Int, &nobody()).await.unwrap();
    assert_eq!((answer.value, answer.reason), (Some(Value::Int(1)), EvaluationReason::Static));
}

#[tokio::test]
async fn what_cannot_be_several_is_refused() {
    assert_eq!(Multi::fallback([]).unwrap_err(), MultiError::Empty);
    let twice = || Member::new("a", InMemory::new().provider());
    assert_eq!(Multi::compare([twice(), twice()]).unwrap_err(), MultiError::SameName("a".to_owned()));
}
