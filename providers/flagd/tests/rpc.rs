//! The rpc resolver against a server that does just what a test wants.
#![allow(clippy::expect_used, clippy::panic, reason = "a test that cannot go on says why")]

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use hoist_provider_flagd::{Cache, Options, Rpc};
use kit::{Answer, EventKind, Handle, Provider, State, Type};
use open_feature::{EvaluationContext, EvaluationError, EvaluationErrorCode, EvaluationReason, Value};
use proto::flagd::evaluation::v2::service_server::{Service, ServiceServer};
use proto::flagd::evaluation::v2::*;
use proto::{Kind, Struct};
use tokio::net::TcpListener;
use tokio::sync::broadcast;
use tokio_stream::wrappers::{BroadcastStream, TcpListenerStream};
use tokio_stream::{Stream, StreamExt};
use tonic::transport::Server;
use tonic::{Request, Response, Status};

const PATIENCE: Duration = Duration::from_secs(10);

/// What the server does.
#[derive(Clone)]
struct Script {
    /// What is answered to each call in turn; the last one for ever.
    answers: Arc<Mutex<Vec<Result<bool, Status>>>>,
    calls: Arc<AtomicUsize>,
    streams: Arc<AtomicUsize>,
    selectors: Arc<Mutex<Vec<String>>>,
    /// Sent on every open stream; an error ends them.
    events: broadcast::Sender<Result<EventStreamResponse, Status>>,
    /// What opening a stream is refused with.
    refusal: Arc<Mutex<Option<Status>>>,
    delay: Duration,
}

type Events = Pin<Box<dyn Stream<Item = Result<EventStreamResponse, Status>> + Send>>;

fn event(kind: &str, flags: &[&str]) -> EventStreamResponse {
    let of = |kind| proto::Value { kind: Some(kind) };
    let flags = flags.iter().map(|key| ((*key).to_owned(), of(Kind::StructValue(Struct::default()))));
    let flags = Struct { fields: flags.collect() };
    let data = Struct { fields: HashMap::from([("flags".to_owned(), of(Kind::StructValue(flags)))]) };
    EventStreamResponse { r#type: kind.to_owned(), data: Some(data) }
}

#[tonic::async_trait]
impl Service for Script {
    async fn resolve_boolean(
        &self,
        request: Request<ResolveBooleanRequest>,
    ) -> Result<Response<ResolveBooleanResponse>, Status> {
        let selector = request.metadata().get("flagd-selector").and_then(|text| text.to_str().ok());
        self.selectors.lock().expect("no panic").push(selector.unwrap_or_default().to_owned());
        self.calls.fetch_add(1, Ordering::SeqCst);
        let answer = {
            let mut answers = self.answers.lock().expect("no panic");
            if answers.len() > 1 { answers.remove(0) } else { answers[0].clone() }
        };
        tokio::time::sleep(self.delay).await;
        let reason = if request.get_ref().flag_key == "targeted" { "TARGETING_MATCH" } else { "STATIC" };
        Ok(Response::new(ResolveBooleanResponse {
            value: Some(answer?),
            reason: reason.to_owned(),
            variant: Some("v".to_owned()),
            metadata: None,
        }))
    }

    async fn resolve_string(
        &self,
        _: Request<ResolveStringRequest>,
    ) -> Result<Response<ResolveStringResponse>, Status> {
        let reason = "DISABLED".to_owned();
        Ok(Response::new(ResolveStringResponse { value: None, reason, variant: None, metadata: None }))
    }

    async fn resolve_float(
        &self,
        _: Request<ResolveFloatRequest>,
    ) -> Result<Response<ResolveFloatResponse>, Status> {
        Err(Status::data_loss("Error parsing input or configuration"))
    }

    async fn resolve_int(
        &self,
        _: Request<ResolveIntRequest>,
    ) -> Result<Response<ResolveIntResponse>, Status> {
        Err(Status::invalid_argument("Type mismatch error"))
    }

    async fn resolve_object(
        &self,
        _: Request<ResolveObjectRequest>,
    ) -> Result<Response<ResolveObjectResponse>, Status> {
        Err(Status::not_found("Flag not found"))
    }

    type EventStreamStream = Events;

    async fn event_stream(&self, _: Request<EventStreamRequest>) -> Result<Response<Events>, Status> {
        self.streams.fetch_add(1, Ordering::SeqCst);
        if let Some(refusal) = &*self.refusal.lock().expect("no panic") {
            return Err(refusal.clone());
        }
        let events = BroadcastStream::new(self.events.subscribe());
        let events = events.map(|event| event.unwrap_or_else(|_| Err(Status::internal("too slow"))));
        Ok(Response::new(Box::pin(tokio_stream::once(Ok(event("provider_ready", &[]))).chain(events))))
    }
}

impl Script {
    fn new(answers: Vec<Result<bool, Status>>) -> Self {
        Self {
            answers: Arc::new(Mutex::new(answers)),
            calls: Arc::default(),
            streams: Arc::default(),
            selectors: Arc::default(),
            events: broadcast::channel(16).0,
            refusal: Arc::default(),
            delay: Duration::ZERO,
        }
    }

    /// Serves on a free port; options that lead there.
    async fn serve(&self) -> Options {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let port = listener.local_addr().expect("an address").port();
        let serving = Server::builder().add_service(ServiceServer::new(self.clone()));
        tokio::spawn(serving.serve_with_incoming(TcpListenerStream::new(listener)));
        Options {
            host: "127.0.0.1".to_owned(),
            port: Some(port),
            deadline: Duration::from_secs(5),
            retry_backoff: Duration::from_millis(20),
            retry_grace_period: Duration::from_millis(300),
            ..Options::default()
        }
    }

    fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }
}

async fn open(options: &Options) -> Provider<Rpc> {
    let provider = Provider::new(Rpc::open(options).expect("good options"));
    provider.ready(PATIENCE).await.expect("ready");
    provider
}

async fn ask(handle: &Handle<Rpc>, key: &str, want: Type) -> Result<Answer, EvaluationError> {
    handle.resolve(key, want, &EvaluationContext::default()).await
}

async fn reason(handle: &Handle<Rpc>, key: &str) -> EvaluationReason {
    ask(handle, key, Type::Bool).await.expect("an answer").reason
}

async fn becomes(what: &str, holds: impl Fn() -> bool) {
    let started = Instant::now();
    while !holds() {
        assert!(started.elapsed() < PATIENCE, "still not: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn static_answers_are_kept_until_an_event_says_otherwise() {
    let script = Script::new(vec![Ok(true)]);
    let provider = open(&Options { selector: Some("source=a.json".into()), ..script.serve().await }).await;
    let changes = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&changes);
    provider.on(EventKind::ConfigurationChanged, move |event| {
        assert_eq!(event.flags_changed.as_deref(), Some(&["a".to_owned()][..]));
        counted.fetch_add(1, Ordering::SeqCst);
    });
    for key in ["a", "b"] {
        assert_eq!(reason(&provider, key).await, EvaluationReason::Static);
        assert_eq!(reason(&provider, key).await, EvaluationReason::Cached);
    }
    for _ in 0..2 {
        assert_eq!(reason(&provider, "targeted").await, EvaluationReason::TargetingMatch);
    }
    let _ = script.events.send(Ok(event("configuration_change", &["a"])));
    becomes("the change is told", || changes.load(Ordering::SeqCst) == 1).await;
    assert_eq!(reason(&provider, "a").await, EvaluationReason::Static);
    assert_eq!(reason(&provider, "b").await, EvaluationReason::Cached);
    assert_eq!(script.calls(), 5);
    assert!(script.selectors.lock().expect("no panic").iter().all(|selector| selector == "source=a.json"));

    let off = open(&Options { cache: Cache::Disabled, ..script.serve().await }).await;
    assert_eq!(reason(&off, "a").await, EvaluationReason::Static);
    assert_eq!(reason(&off, "a").await, EvaluationReason::Static);
}

#[tokio::test]
async fn a_lost_stream_is_stale_then_an_error_then_ready_and_nothing_old_is_kept() {
    let script = Script::new(vec![Ok(true)]);
    let provider = open(&script.serve().await).await;
    reason(&provider, "a").await;
    *script.refusal.lock().expect("no panic") = Some(Status::unavailable("restarting"));
    let _ = script.events.send(Err(Status::unavailable("gone")));
    becomes("stale", || provider.state() == State::Stale).await;
    assert_eq!(reason(&provider, "a").await, EvaluationReason::Cached, "what is kept answers for a while");
    becomes("an error", || provider.state() == State::Error).await;
    // Without the event stream nothing is kept that nobody would say is old.
    assert_eq!(reason(&provider, "a").await, EvaluationReason::Static);
    assert_eq!(reason(&provider, "a").await, EvaluationReason::Static);
    *script.refusal.lock().expect("no panic") = None;
    becomes("ready", || provider.state() == State::Ready).await;
    assert_eq!(reason(&provider, "a").await, EvaluationReason::Static);
    assert_eq!(reason(&provider, "a").await, EvaluationReason::Cached);
}

#[tokio::test]
async fn a_stream_that_ends_by_its_deadline_is_no_event() {
    let script = Script::new(vec![Ok(true)]);
    let options = Options { stream_deadline: Duration::from_millis(150), ..script.serve().await };
    let provider = open(&options).await;
    let stale = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&stale);
    provider.on(EventKind::Stale, move |_| {
        counted.fetch_add(1, Ordering::SeqCst);
    });
    becomes("three streams", || script.streams.load(Ordering::SeqCst) >= 3).await;
    assert_eq!(stale.load(Ordering::SeqCst), 0);
    assert_eq!(provider.state(), State::Ready);
}

#[tokio::test]
async fn what_passes_is_asked_again_and_a_verdict_is_not() {
    let unavailable = || Err(Status::unavailable("try again"));
    let script = Script::new(vec![unavailable(), Err(Status::unknown("proxy")), Ok(true)]);
    let provider = open(&script.serve().await).await;
    assert_eq!(ask(&provider, "a", Type::Bool).await.expect("the third").value, Some(Value::Bool(true)));
    assert_eq!(script.calls(), 3);

    let script = Script::new(vec![unavailable()]);
    let provider = open(&script.serve().await).await;
    let error = ask(&provider, "a", Type::Bool).await.expect_err("always unavailable");
    assert!(error.message.expect("a message").contains("try again"));
    assert_eq!(script.calls(), 3, "three attempts");

    let script = Script::new(vec![Err(Status::unknown("General error"))]);
    let provider = open(&script.serve().await).await;
    ask(&provider, "a", Type::Bool).await.expect_err("a verdict");
    assert_eq!(script.calls(), 1);
}

#[tokio::test]
async fn an_evaluation_ends_by_its_deadline() {
    let script = Script { delay: Duration::from_secs(30), ..Script::new(vec![Ok(true)]) };
    let provider = open(&Options { deadline: Duration::from_millis(200), ..script.serve().await }).await;
    let started = Instant::now();
    let error = ask(&provider, "a", Type::Bool).await.expect_err("too slow");
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    assert!(error.message.expect("a message").contains("within 200ms"));
}

#[tokio::test]
async fn refusals_have_their_codes_and_a_disabled_flag_is_none() {
    let script = Script::new(vec![Ok(true)]);
    let provider = open(&script.serve().await).await;
    let code = |result: Result<Answer, EvaluationError>| result.expect_err("a refusal").code;
    assert_eq!(code(ask(&provider, "a", Type::Object).await), EvaluationErrorCode::FlagNotFound);
    assert_eq!(code(ask(&provider, "a", Type::Int).await), EvaluationErrorCode::TypeMismatch);
    assert_eq!(code(ask(&provider, "a", Type::Float).await), EvaluationErrorCode::ParseError);
    let answer = ask(&provider, "a", Type::String).await.expect("an answer");
    assert_eq!((answer.value, answer.reason), (None, EvaluationReason::Disabled));
}

#[tokio::test]
async fn a_fatal_code_is_the_end() {
    let script = Script::new(vec![Ok(true)]);
    *script.refusal.lock().expect("no panic") = Some(Status::permission_denied("forbidden"));
    let codes = vec!["UNAUTHENTICATED".to_owned(), "PERMISSION_DENIED".to_owned()];
    let options = Options { fatal_status_codes: codes, ..script.serve().await };
    let provider = Provider::new(Rpc::open(&options).expect("good options"));
    becomes("fatal", || provider.state() == State::Fatal).await;
    let error = provider.ready(PATIENCE).await.expect_err("never");
    assert!(error.to_string().contains("PermissionDenied: forbidden"), "{error}");
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(script.streams.load(Ordering::SeqCst), 1, "nothing is tried again");
}

#[tokio::test]
async fn without_a_server_the_start_ends_by_its_deadline_and_is_caught_up() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    let port = listener.local_addr().expect("an address").port();
    drop(listener);
    let options = Options {
        host: "127.0.0.1".to_owned(),
        port: Some(port),
        deadline: Duration::from_millis(200),
        retry_backoff: Duration::from_millis(50),
        retry_backoff_max: Duration::from_millis(50),
        ..Options::default()
    };
    let provider = Provider::new(Rpc::open(&options).expect("good options"));
    let error = ask(&provider, "a", Type::Bool).await.expect_err("too early");
    assert_eq!(error.code, EvaluationErrorCode::ProviderNotReady);
    becomes("an error", || provider.state() == State::Error).await;
    let script = Script::new(vec![Ok(true)]);
    let listener = TcpListener::bind(("127.0.0.1", port)).await.expect("the port is still free");
    let serving = Server::builder().add_service(ServiceServer::new(script.clone()));
    tokio::spawn(serving.serve_with_incoming(TcpListenerStream::new(listener)));
    becomes("ready", || provider.state() == State::Ready).await;
    assert_eq!(reason(&provider, "a").await, EvaluationReason::Static);
}
