//! The life of a provider: construction, readiness, answers, events, stop.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hoist_provider_kit::{
    Answer, Emitter, Evaluate, Event, EventKind, Facts, Found, Held, Local, Provider, Resolver, State, Type,
    error,
};
use open_feature::provider::{FeatureProvider, ProviderStatus};
use open_feature::{
    EvaluationContext, EvaluationError, EvaluationErrorCode, EvaluationReason, FlagMetadata, OpenFeature,
    StructValue, Value,
};

/// Answers with what its key names, after as much waiting as a remote backend does.
struct Remote {
    events: Emitter,
    dropped: Arc<AtomicUsize>,
}

impl Remote {
    fn new() -> Self {
        Self { events: Emitter::new(Self::NAME), dropped: Arc::default() }
    }
}

impl Drop for Remote {
    fn drop(&mut self) {
        self.dropped.fetch_add(1, Ordering::SeqCst);
    }
}

impl Resolver for Remote {
    const NAME: &'static str = "remote";

    async fn resolve(&self, key: &str, _: Type, _: &EvaluationContext) -> Result<Answer, EvaluationError> {
        tokio::task::yield_now().await;
        match key {
            "on" => Ok(Answer::new(true)
                .variant("on")
                .reason(EvaluationReason::Static)
                .metadata(FlagMetadata::default().with_value("owner", "me"))),
            "whole" => Ok(Answer::new(3.0)),
            "fraction" => Ok(Answer::new(3.5)),
            "list" => Ok(Answer::new(vec![1, 2])),
            "object" => Ok(Answer::new(StructValue::default().with_field("a", vec![1, 2]))),
            "off" => Ok(Answer::default_stands(EvaluationReason::Disabled)),
            _ => Err(error::not_found(key)),
        }
    }

    fn events(&self) -> &Emitter {
        &self.events
    }
}

/// A view that answers every key with how often its flags were replaced.
struct Count(i64);

impl Evaluate for Count {
    fn evaluate<T>(
        &self,
        _: &str,
        _: Type,
        _: &EvaluationContext,
        take: impl FnOnce(Found<'_>) -> T,
    ) -> Result<T, EvaluationError> {
        let reason = EvaluationReason::Static;
        Ok(take(Found { value: Some(Held::Int(self.0)), variant: Some("n"), reason, facts: Facts::None }))
    }
}

struct Counting {
    events: Emitter,
    now: Mutex<Arc<Count>>,
}

impl Local for Counting {
    const NAME: &'static str = "counting";
    type View = Count;

    fn view(&self) -> Arc<Count> {
        Arc::clone(&self.now.lock().unwrap())
    }

    fn events(&self) -> &Emitter {
        &self.events
    }
}

fn nobody() -> EvaluationContext {
    EvaluationContext::default()
}

#[tokio::test]
async fn answers_reach_the_sdk_with_all_they_carry() {
    let remote = Remote::new();
    remote.events.became_ready();
    let mut api = OpenFeature::default();
    api.set_provider(Provider::new(remote)).await;
    let client = api.create_client();

    let details = client.get_bool_details("on", None, None).await.unwrap();
    assert!(details.value);
    assert_eq!(details.variant.as_deref(), Some("on"));
    assert_eq!(details.reason, Some(EvaluationReason::Static));
    assert_eq!(details.flag_metadata, FlagMetadata::default().with_value("owner", "me"));
    assert_eq!(client.get_int_value("whole", None, None).await, Ok(3));
    assert_eq!(client.get_float_value("fraction", None, None).await, Ok(3.5));
    let object = client.get_struct_value::<StructValue>("object", None, None).await.unwrap();
    assert_eq!(object.fields["a"], Value::Array(vec![Value::Int(1), Value::Int(2)]));

    let code = |error: EvaluationError| error.code;
    let int = client.get_int_value("fraction", None, None).await;
    assert_eq!(int.map_err(code), Err(EvaluationErrorCode::TypeMismatch));
    let bool = client.get_bool_value("whole", None, None).await;
    assert_eq!(bool.map_err(code), Err(EvaluationErrorCode::TypeMismatch));
    let list = client.get_struct_value::<StructValue>("list", None, None).await;
    assert_eq!(list.map_err(code), Err(EvaluationErrorCode::TypeMismatch));
    let off = client.get_bool_value("off", None, None).await;
    assert_eq!(off.map_err(code), Err(EvaluationErrorCode::General("DISABLED".to_owned())));
    let absent = client.get_bool_value("absent", None, None).await;
    assert_eq!(absent.map_err(code), Err(EvaluationErrorCode::FlagNotFound));
}

#[tokio::test(start_paused = true)]
async fn registration_is_instant_and_readiness_is_awaited_apart() {
    let remote = Remote::new();
    let events = remote.events.clone();
    let provider = Provider::new(remote);
    let handle = provider.handle();
    assert_eq!(FeatureProvider::status(&provider), ProviderStatus::NotReady);

    let mut api = OpenFeature::default();
    let before = tokio::time::Instant::now();
    api.set_provider(provider).await;
    assert_eq!(before.elapsed(), Duration::ZERO);
    let early = api.create_client().get_bool_value("on", None, None).await.unwrap_err();
    assert_eq!(early.code, EvaluationErrorCode::ProviderNotReady);

    let refused = handle.ready(Duration::from_secs(2)).await.unwrap_err();
    assert_eq!(before.elapsed(), Duration::from_secs(2));
    assert_eq!(refused.to_string(), "provider remote is NOT_READY after 2s");

    let late = tokio::spawn({
        let handle = handle.clone();
        async move { handle.ready(Duration::from_secs(60)).await }
    });
    events.failed("connection refused");
    events.became_ready();
    late.await.unwrap().unwrap();
    assert!(api.create_client().get_bool_value("on", None, None).await.unwrap());

    events.failed_for_good("401");
    let fatal = handle.ready(Duration::from_secs(60)).await.unwrap_err();
    assert_eq!(fatal.to_string(), "provider remote is FATAL after 60s: 401");
    let dead = api.create_client().get_bool_value("on", None, None).await.unwrap_err();
    assert_eq!(dead.code, EvaluationErrorCode::General("PROVIDER_FATAL".to_owned()));
}

#[tokio::test]
async fn dropping_is_stopping() {
    let remote = Remote::new();
    remote.events.became_ready();
    let dropped = Arc::clone(&remote.dropped);
    let provider = Provider::new(remote);
    let handle = provider.handle();
    let mut events = handle.events();
    assert_eq!(events.next().await.unwrap().kind, EventKind::Ready);

    let mut api = OpenFeature::default();
    api.set_provider(provider).await;
    api.shutdown().await;
    assert_eq!(dropped.load(Ordering::SeqCst), 1);
    assert_eq!(events.next().await, None);
    assert_eq!(handle.state(), State::NotReady);
    let error = handle.resolve("on", Type::Bool, &nobody()).await.unwrap_err();
    assert_eq!(error.code, EvaluationErrorCode::ProviderNotReady);
    assert_eq!(error.message.as_deref(), Some("provider remote is shut down"));
    assert!(handle.ready(Duration::from_secs(60)).await.is_err());
}

#[tokio::test]
async fn a_local_resolver_answers_without_waiting_and_lends_one_moment() {
    let events = Emitter::ready(<Counting as Local>::NAME);
    let provider = Provider::new(Counting { events, now: Mutex::new(Arc::new(Count(1))) });
    assert_eq!(provider.int("n", 0, &nobody()), 1);
    assert!(provider.bool("n", true, &nobody()), "an int is no bool, so the default stands");

    let before = provider.snapshot().unwrap();
    *provider.resolver().unwrap().now.lock().unwrap() = Arc::new(Count(2));
    assert_eq!((before.int("n", 0, &nobody()), provider.int("n", 0, &nobody())), (1, 2));

    let handle = provider.handle();
    drop(provider);
    let details = handle.details("n", 7, &nobody());
    assert_eq!((details.value, details.reason), (7, EvaluationReason::Error));
    assert_eq!(details.error.unwrap().code, EvaluationErrorCode::ProviderNotReady);
    assert!(handle.snapshot().is_err());
    assert_eq!(before.int("n", 0, &nobody()), 1);
}

#[tokio::test]
async fn events_come_in_order_and_a_late_reader_gets_the_latest_state() {
    let emitter = Emitter::new("remote");
    let heard: Arc<Mutex<Vec<(EventKind, State)>>> = Arc::default();
    for kind in [EventKind::Ready, EventKind::Stale, EventKind::Error, EventKind::ConfigurationChanged] {
        let (heard, now) = (Arc::clone(&heard), emitter.clone());
        emitter.on(kind, |_: &Event| panic!("a callback of the application's own"));
        emitter.on(kind, move |event| {
            assert_eq!(event.state, now.state());
            heard.lock().unwrap().push((event.kind, event.state));
        });
    }
    let mut prompt = emitter.subscribe();
    let mut slow = emitter.subscribe();
    emitter.became_ready();
    emitter.became_ready();
    emitter.became_stale("stream ended");
    emitter.failed("connection refused");
    emitter.changed(Some(vec!["a".to_owned()]));
    emitter.changed(Some(Vec::new()));
    let expected = [
        (EventKind::Ready, State::Ready),
        (EventKind::Stale, State::Stale),
        (EventKind::Error, State::Error),
        (EventKind::ConfigurationChanged, State::Error),
    ];
    assert_eq!(*heard.lock().unwrap(), expected);
    for (kind, state) in expected {
        let event = prompt.next().await.unwrap();
        assert_eq!((event.kind, event.state), (kind, state));
        assert_eq!(event.flags_changed.is_some(), kind == EventKind::ConfigurationChanged);
    }

    for n in 0..1000 {
        emitter.changed(Some(vec![n.to_string()]));
    }
    emitter.became_ready();
    let standing = slow.next().await.unwrap();
    assert_eq!((standing.kind, standing.state), (EventKind::Ready, State::Ready));
    let missed = slow.next().await.unwrap();
    assert_eq!((missed.kind, missed.flags_changed), (EventKind::ConfigurationChanged, None));
    emitter.close();
    let mut seen = Vec::new();
    while let Some(event) = slow.next().await {
        seen.push(event);
    }
    assert!(seen.len() <= 64, "{} events kept for a reader that did not read", seen.len());
}

#[tokio::test]
async fn who_comes_late_hears_the_state_at_once() {
    let emitter = Emitter::new("remote");
    let mut early = emitter.subscribe();
    emitter.failed("connection refused");
    let event = emitter.subscribe().next().await.unwrap();
    assert_eq!((event.kind, event.message.as_deref()), (EventKind::Error, Some("connection refused")));
    assert_eq!(early.next().await.unwrap(), event);

    let calls = Arc::new(AtomicUsize::new(0));
    for kind in [EventKind::Error, EventKind::Ready] {
        let calls = Arc::clone(&calls);
        emitter.on(kind, move |_| {
            calls.fetch_add(1, Ordering::SeqCst);
        });
    }
    assert_eq!(calls.load(Ordering::SeqCst), 1);
}
