//! The in-process resolver against a sync server that says just what a test wants, and against files.
#![allow(clippy::expect_used, clippy::panic, reason = "a test that cannot go on says why")]

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use hoist_provider_flagd::{InProcess, Mode, Options, in_process};
use kit::{Evaluate, EventKind, Provider, State};
use open_feature::{EvaluationContext, EvaluationErrorCode, EvaluationReason, StructValue, Value};
use proto::flagd::sync::v1::flag_sync_service_server::{FlagSyncService, FlagSyncServiceServer};
use proto::flagd::sync::v1::*;
use proto::{Kind, Struct};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_stream::wrappers::{TcpListenerStream, WatchStream};
use tokio_stream::{Stream, StreamExt};
use tonic::transport::Server;
use tonic::{Request, Response, Status};

const PATIENCE: Duration = Duration::from_secs(10);

/// What a server sends.
#[derive(Clone, Default)]
struct Said {
    document: String,
    context: Option<Struct>,
}

#[derive(Clone)]
struct Script {
    said: watch::Sender<Result<Said, Status>>,
    seen: Arc<Mutex<Vec<(String, SyncFlagsRequest)>>>,
    metadata: Option<Struct>,
}

type Documents = Pin<Box<dyn Stream<Item = Result<SyncFlagsResponse, Status>> + Send>>;

#[tonic::async_trait]
impl FlagSyncService for Script {
    type SyncFlagsStream = Documents;

    async fn sync_flags(&self, request: Request<SyncFlagsRequest>) -> Result<Response<Documents>, Status> {
        let header = request.metadata().get("flagd-selector").and_then(|text| text.to_str().ok());
        let header = header.unwrap_or_default().to_owned();
        self.seen.lock().expect("no panic").push((header, request.into_inner()));
        let said = WatchStream::new(self.said.subscribe()).map(|said| {
            let Said { document, context } = said?;
            Ok(SyncFlagsResponse { flag_configuration: document.into(), sync_context: context })
        });
        Ok(Response::new(Box::pin(said)))
    }

    async fn fetch_all_flags(
        &self,
        _: Request<FetchAllFlagsRequest>,
    ) -> Result<Response<FetchAllFlagsResponse>, Status> {
        Err(Status::unimplemented("not asked for"))
    }

    #[allow(deprecated, reason = "older servers know no other way")]
    async fn get_metadata(
        &self,
        _: Request<GetMetadataRequest>,
    ) -> Result<Response<GetMetadataResponse>, Status> {
        match &self.metadata {
            Some(metadata) => Ok(Response::new(GetMetadataResponse { metadata: Some(metadata.clone()) })),
            None => Err(Status::unimplemented("metadata endpoint disabled")),
        }
    }
}

fn context(key: &str, text: &str) -> Struct {
    let value = proto::Value { kind: Some(Kind::StringValue(text.to_owned())) };
    Struct { fields: HashMap::from([(key.to_owned(), value)]) }
}

/// Flags with a number, and one that depends on the context's `stage`.
fn document(n: i64) -> String {
    format!(
        r#"{{"flags": {{
            "n": {{"state": "ENABLED", "variants": {{"now": {n}}}, "defaultVariant": "now"}},
            "off": {{"state": "DISABLED", "variants": {{"on": true}}, "defaultVariant": "on"}},
            "object": {{"state": "ENABLED", "variants": {{"v": {{"deep": [{{"whole": 3, "part": 2.5}}]}}}},
                "defaultVariant": "v", "metadata": {{"owner": "us", "tier": 2}}}},
            "stage": {{"state": "ENABLED", "variants": {{"live": "live", "other": "other"}},
                "defaultVariant": "other", "targeting": {{"if": [{{"===": [{{"var": "stage"}}, "live"]}}, "live"]}}}}
        }}}}"#
    )
}

impl Script {
    fn new(n: i64) -> Self {
        let said = Said { document: document(n), context: Some(Struct::default()) };
        Self { said: watch::Sender::new(Ok(said)), seen: Arc::default(), metadata: None }
    }

    fn say(&self, document: String) {
        let _ = self.said.send_replace(Ok(Said { document, context: Some(Struct::default()) }));
    }

    async fn serve(&self) -> Options {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let port = listener.local_addr().expect("an address").port();
        let serving = Server::builder().add_service(FlagSyncServiceServer::new(self.clone()));
        tokio::spawn(serving.serve_with_incoming(TcpListenerStream::new(listener)));
        options(port)
    }
}

fn options(port: u16) -> Options {
    Options {
        resolver: Mode::InProcess,
        host: "127.0.0.1".to_owned(),
        port: Some(port),
        retry_backoff: Duration::from_millis(20),
        retry_backoff_max: Duration::from_millis(100),
        retry_grace_period: Duration::from_millis(300),
        ..Options::default()
    }
}

async fn open(options: Options) -> Provider<InProcess> {
    let provider = in_process(options).expect("good options");
    provider.ready(PATIENCE).await.expect("ready");
    provider
}

async fn becomes(what: &str, holds: impl Fn() -> bool) {
    let started = Instant::now();
    while !holds() {
        assert!(started.elapsed() < PATIENCE, "still not: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn nobody() -> EvaluationContext {
    EvaluationContext::default()
}

#[tokio::test]
async fn values_are_exact_and_come_with_all_that_is_known() {
    let script = Script::new(7);
    let provider = open(script.serve().await).await;
    let details = provider.details("object", StructValue::default(), &nobody());
    let deep = StructValue::default().with_field("whole", 3_i64).with_field("part", 2.5_f64);
    let deep = StructValue::default().with_field("deep", Value::Array(vec![Value::Struct(deep)]));
    assert_eq!(details.value, deep);
    assert_eq!((details.variant.as_deref(), details.reason), (Some("v"), EvaluationReason::Static));
    let metadata = open_feature::FlagMetadata::default().with_value("owner", "us").with_value("tier", 2);
    assert_eq!(details.metadata, metadata);
    let off = provider.details("off", true, &nobody());
    assert_eq!((off.value, off.reason, off.error), (true, EvaluationReason::Disabled, None));
    let missing = provider.details("missing", 5, &nobody());
    assert_eq!(missing.error.expect("an error").code, EvaluationErrorCode::FlagNotFound);
    assert_eq!(
        provider.get::<bool>("n", &nobody()).expect_err("a number").code,
        EvaluationErrorCode::TypeMismatch
    );
}

#[tokio::test]
async fn changes_are_told_by_key_after_they_can_be_seen() {
    let script = Script::new(1);
    let provider = open(script.serve().await).await;
    let (handle, told) = (provider.handle(), Arc::new(Mutex::new(Vec::new())));
    let telling = Arc::clone(&told);
    provider.on(EventKind::ConfigurationChanged, move |event| {
        let keys = event.flags_changed.as_deref().expect("the keys are known").to_vec();
        telling.lock().expect("no panic").push((keys, handle.int("n", 0, &nobody())));
    });
    script.say(document(2));
    becomes("the change is told", || !told.lock().expect("no panic").is_empty()).await;
    script.say(r#"{"flags": {}}"#.to_owned());
    becomes("the end is told", || told.lock().expect("no panic").len() == 2).await;
    let keys = |keys: &[&str]| keys.iter().map(|key| (*key).to_owned()).collect::<Vec<_>>();
    let all = keys(&["n", "object", "off", "stage"]);
    assert_eq!(*told.lock().expect("no panic"), [(keys(&["n"]), 2), (all, 0)]);
}

#[tokio::test]
async fn the_servers_context_lies_over_every_other() {
    let mut script = Script::new(1);
    let stage = EvaluationContext::default().with_custom_field("stage", "mine");
    let provider = open(script.serve().await).await;
    assert_eq!(provider.string("stage", "", &stage), "other");
    let said = Said { document: document(1), context: Some(context("stage", "live")) };
    let _ = script.said.send_replace(Ok(said));
    becomes("the context is there", || provider.string("stage", "", &stage) == "live").await;

    let enricher = Some(Arc::new(|mut seen: serde_json::Map<String, serde_json::Value>| {
        let text = seen.remove("stage").unwrap_or_default();
        assert_eq!(text, "live");
        seen
    }) as hoist_provider_flagd::ContextEnricher);
    let enriched = open(Options { context_enricher: enricher, ..script.serve().await }).await;
    assert_eq!(enriched.string("stage", "", &stage), "other");

    // A server that says it only when asked.
    let _ = script.said.send_replace(Ok(Said { document: document(1), context: None }));
    script.metadata = Some(context("stage", "live"));
    assert_eq!(open(script.serve().await).await.string("stage", "", &stage), "live");
    script.metadata = None;
    assert_eq!(open(script.serve().await).await.string("stage", "", &stage), "other");
}

#[tokio::test]
#[allow(deprecated, reason = "the selector of the message is for flagd-proxy")]
async fn what_is_configured_is_what_is_sent() {
    let script = Script::new(1);
    let options = Options {
        selector: Some("source=a.json".to_owned()),
        provider_id: Some("me".to_owned()),
        ..script.serve().await
    };
    open(options).await;
    let seen = script.seen.lock().expect("no panic");
    let (header, message) = &seen[0];
    assert_eq!((header.as_str(), message.selector.as_str()), ("source=a.json", "source=a.json"));
    assert_eq!(message.provider_id, "me");
}

#[tokio::test]
async fn a_lost_server_leaves_its_flags_and_a_spoilt_document_too() {
    let script = Script::new(1);
    let provider = open(script.serve().await).await;
    let _ = script.said.send_replace(Err(Status::unavailable("gone")));
    becomes("stale", || provider.state() == State::Stale).await;
    becomes("an error", || provider.state() == State::Error).await;
    assert_eq!(provider.int("n", 0, &nobody()), 1);
    script.say(document(2));
    becomes("ready", || provider.state() == State::Ready).await;
    assert_eq!(provider.int("n", 0, &nobody()), 2);
    script.say("{ not JSON".to_owned());
    becomes("stale", || provider.state() == State::Stale).await;
    assert_eq!(provider.int("n", 0, &nobody()), 2);
    script.say(document(3));
    becomes("ready", || provider.state() == State::Ready).await;
    assert_eq!(provider.int("n", 0, &nobody()), 3);
    provider.shutdown();
    let error = provider.get::<i64>("n", &nobody()).expect_err("shut down");
    assert_eq!(error.code, EvaluationErrorCode::ProviderNotReady);
}

#[tokio::test]
async fn flags_that_were_kept_serve_a_start_without_the_server() {
    let folder = tempfile::tempdir().expect("a folder");
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    let port = listener.local_addr().expect("an address").port();
    let kept = || Options { last_known_good: Some(folder.path().to_owned()), ..options(port) };
    let script = Script::new(42);
    let serving = Server::builder().add_service(FlagSyncServiceServer::new(script.clone()));
    let server = tokio::spawn(serving.serve_with_incoming(TcpListenerStream::new(listener)));
    let provider = open(kept()).await;
    becomes("a copy", || std::fs::read_dir(folder.path()).is_ok_and(|files| files.count() > 0)).await;
    // The copy is written beside, then moved into place.
    tokio::time::sleep(Duration::from_millis(300)).await;
    drop(provider);
    server.abort();
    let _ = server.await;

    let provider = in_process(kept()).expect("good options");
    provider.ready(PATIENCE).await.expect("stale flags are flags");
    assert_eq!(provider.int("n", 0, &nobody()), 42);
    becomes("an error", || provider.state() == State::Error).await;
    assert_eq!(provider.int("n", 0, &nobody()), 42);

    let without = in_process(options(port)).expect("good options");
    becomes("an error", || without.state() == State::Error).await;
    let error = without.get::<i64>("n", &nobody()).expect_err("no flags have come");
    assert_eq!(error.code, EvaluationErrorCode::ProviderNotReady);
}

#[tokio::test]
async fn a_file_is_watched_and_its_selector_counts() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("flags.yaml");
    let write = |n: i64| {
        let set = r#"{variants: {on: true}, defaultVariant: on, metadata: {flagSetId: web}}"#;
        let text = format!("flags:\n  n: {{variants: {{now: {n}}}, defaultVariant: now}}\n  web: {set}\n");
        std::fs::write(&path, text).expect("a file");
    };
    let file =
        || Options { resolver: Mode::InProcess, offline_flag_source_path: Some(path.clone()), ..options(1) };
    let provider = in_process(file()).expect("good options");
    becomes("an error", || provider.state() == State::Error).await;
    write(1);
    becomes("ready", || provider.state() == State::Ready).await;
    assert_eq!(provider.int("n", 0, &nobody()), 1);
    write(2);
    becomes("the change", || provider.int("n", 0, &nobody()) == 2).await;

    let web = open(Options { selector: Some("flagSetId=web".to_owned()), ..file() }).await;
    assert!(web.bool("web", false, &nobody()));
    assert_eq!(web.int("n", 0, &nobody()), 0);
    let bad = Options { selector: Some("set=web".to_owned()), ..file() };
    assert_eq!(in_process(bad).expect_err("no such key").option, "selector");
}

#[tokio::test]
async fn a_dropped_provider_hangs_up() {
    let script = Script::new(1);
    let provider = open(script.serve().await).await;
    assert_eq!(script.said.receiver_count(), 1);
    drop(provider);
    becomes("no stream", || script.said.receiver_count() == 0).await;
    let opened = AtomicUsize::new(script.seen.lock().expect("no panic").len());
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(opened.load(Ordering::SeqCst), script.seen.lock().expect("no panic").len());
}
