//! All flags at once: kept, followed by stream and by polling, and through every fault.

#![allow(clippy::expect_used, clippy::panic)]

mod server;

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hoist_provider_ofrep::{Bulk, Mode, OfrepResolver, Options, OptionsError, OtherContexts, provider};
use kit::{EventKind, Handle, Provider, State, Type};
use open_feature::{EvaluationContext, EvaluationErrorCode, EvaluationReason, OpenFeature, Value};
use serde_json::json;
use server::{Asked, Reply, Server, channel, eventually, json, stream, text, with};

const PATIENCE: Duration = Duration::from_secs(10);

fn options(server: &Server, bulk: Bulk) -> Options {
    Options { base_url: server.url.clone(), mode: Mode::Bulk(bulk), ..Options::default() }
}

fn polling(interval: u64) -> Bulk {
    Bulk { poll_interval: Duration::from_millis(interval), event_stream: false, ..Bulk::default() }
}

fn streaming() -> Bulk {
    Bulk { poll_interval: Duration::ZERO, ..Bulk::default() }
}

fn start(options: Options) -> (Provider<OfrepResolver>, Handle<OfrepResolver>) {
    let provider = provider(options).expect("options");
    let handle = provider.handle();
    (provider, handle)
}

async fn int(handle: &Handle<OfrepResolver>, key: &str) -> i64 {
    let answer = handle.resolve(key, Type::Int, &EvaluationContext::default()).await.expect("an answer");
    match answer.value {
        Some(Value::Int(value)) => value,
        other => panic!("{other:?}"),
    }
}

/// All flags: one, `n`.
fn flags(n: i64) -> Reply {
    let body =
        json!({"flags": [{"key": "n", "value": n, "reason": "STATIC", "variant": "v"}], "metadata": {}});
    with(json(200, &body), "etag", &format!("W/\"{n}\""))
}

/// All flags, and where to hear of changes.
fn followed(n: i64) -> Reply {
    let body = json!({
        "flags": [{"key": "n", "value": n, "reason": "STATIC"}],
        "eventStreams": [{"type": "carrier-pigeon", "url": "x"}, {"type": "sse", "endpoint": {"requestUri": format!("/events?since={n}")}}],
    });
    with(json(200, &body), "etag", &format!("\"{n}\""))
}

/// Gathers the kinds of events, with the keys that changed.
fn told(handle: &Handle<OfrepResolver>) -> Arc<Mutex<Vec<String>>> {
    let told: Arc<Mutex<Vec<String>>> = Arc::default();
    for kind in [EventKind::Ready, EventKind::Stale, EventKind::Error, EventKind::ConfigurationChanged] {
        let told = Arc::clone(&told);
        handle.on(kind, move |event| {
            let keys = event.flags_changed.as_ref().map(|keys| keys.join(",")).unwrap_or_default();
            told.lock().expect("a lock").push(format!("{} {keys}", event.kind).trim().to_owned());
        });
    }
    told
}

#[tokio::test]
async fn answers_come_from_memory_and_changes_by_polling() {
    let value = Arc::new(AtomicUsize::new(1));
    let now = Arc::clone(&value);
    let server = Server::start(move |asked: Asked| {
        let n = now.load(Ordering::SeqCst);
        let known = asked.header("if-none-match") == Some(&format!("W/\"{n}\""));
        std::future::ready(if known {
            text(304, "text/plain", "")
        } else {
            flags(i64::try_from(n).expect("small"))
        })
    })
    .await;
    let (_provider, handle) = start(options(&server, polling(50)));
    let told = told(&handle);
    assert_eq!(handle.state(), State::NotReady);
    handle.ready(PATIENCE).await.expect("ready");
    for _ in 0..100 {
        assert_eq!(int(&handle, "n").await, 1);
    }
    eventually("two polls", || server.asked().len() >= 3).await;
    assert!(server.asked().len() < 50, "evaluations asked the server");
    assert_eq!(server.asked()[1].header("if-none-match"), Some("W/\"1\""));
    let missing = handle.resolve("x", Type::Int, &EvaluationContext::default()).await.expect_err("no flag");
    assert_eq!(missing.code, EvaluationErrorCode::FlagNotFound);

    value.store(2, Ordering::SeqCst);
    eventually("the change", || told.lock().expect("a lock").len() >= 2).await;
    assert_eq!(int(&handle, "n").await, 2);
    assert_eq!(*told.lock().expect("a lock"), ["PROVIDER_READY", "PROVIDER_CONFIGURATION_CHANGED n"]);
}

#[tokio::test]
async fn a_stream_says_when_to_ask_again() {
    let (sender, reply) = channel();
    let reply = Arc::new(Mutex::new(Some(reply)));
    let server = Server::start(move |asked: Asked| {
        let reply = if asked.is_stream() {
            reply.lock().expect("a lock").take().unwrap_or_else(|| text(500, "text/plain", ""))
        } else {
            followed(i64::try_from(asked.number).expect("small"))
        };
        std::future::ready(reply)
    })
    .await;
    let options = Options { bearer_token: Some("t".to_owned()), ..options(&server, streaming()) };
    let (_provider, handle) = start(options);
    handle.ready(PATIENCE).await.expect("ready");
    eventually("the stream", || server.asked().len() == 2).await;
    let opened = &server.asked()[1];
    assert_eq!(opened.uri.to_string(), "/events?since=0");
    assert_eq!(opened.header("accept"), Some("text/event-stream"));
    assert_eq!(opened.header("authorization"), Some("Bearer t"));
    assert_eq!(int(&handle, "n").await, 0);

    for text in
        [": still here\n\n", "event: other\ndata: {\"type\":\"refetchEvaluation\"}\n\n", "data: nonsense\n\n"]
    {
        sender.send(text.to_owned()).await.expect("a stream");
    }
    sender.send("data: {\"type\":\"refetch".to_owned()).await.expect("a stream");
    sender.send("Evaluation\",\"etag\":\"e1\"}\n\n".to_owned()).await.expect("a stream");
    eventually("the news", || server.asked().len() == 3).await;
    let again = server.asked()[2].clone();
    assert_eq!(again.uri.to_string(), "/ofrep/v1/evaluate/flags?flagConfigEtag=e1");
    assert_eq!(again.header("if-none-match"), Some("\"0\""));
    let mut events = handle.events();
    while int(&handle, "n").await != 1 {
        events.next().await.expect("an event");
    }
}

#[tokio::test]
async fn a_stream_that_breaks_is_opened_again_and_what_was_missed_is_asked_for() {
    let server = Server::start(|asked: Asked| {
        let reply = match (asked.is_stream(), asked.number) {
            (true, 0) => {
                let (sender, reply) = channel();
                sender.try_send("retry: 100\nid: 7\n\n".to_owned()).expect("room");
                reply
            }
            (true, 1) => text(502, "text/plain", ""),
            (true, _) => stream(&["retry: 100\n\n"]),
            (false, n) => followed(i64::try_from(n).expect("small")),
        };
        std::future::ready(reply)
    })
    .await;
    let (_provider, handle) = start(options(&server, streaming()));
    handle.ready(PATIENCE).await.expect("ready");
    eventually("three streams and a second question", || {
        let asked = server.asked();
        asked.iter().filter(|asked| asked.is_stream()).count() == 3
            && asked.iter().filter(|asked| !asked.is_stream()).count() == 2
    })
    .await;
    let asked = server.asked();
    let streams: Vec<_> = asked.iter().filter(|asked| asked.is_stream()).collect();
    assert_eq!(streams[0].header("last-event-id"), None);
    assert_eq!(streams[2].header("last-event-id"), Some("7"));
    assert_eq!(handle.state(), State::Ready, "polling would have gone on");
}

#[tokio::test]
async fn a_silent_stream_is_taken_for_dead() {
    let server = Server::start(|asked: Asked| {
        std::future::ready(if asked.is_stream() { stream(&["retry: 100\n\n"]) } else { followed(0) })
    })
    .await;
    let bulk = Bulk { stream_silence: Duration::from_millis(100), ..streaming() };
    let (_provider, handle) = start(options(&server, bulk));
    handle.ready(PATIENCE).await.expect("ready");
    eventually("a second stream", || server.asked().iter().filter(|asked| asked.is_stream()).count() >= 2)
        .await;
}

#[tokio::test]
async fn credentials_stay_with_the_server() {
    let elsewhere = Server::start(|_| async { stream(&[]) }).await;
    let address = format!("{}/s", elsewhere.url);
    let server = Server::start(move |_| {
        let body = json!({"flags": [], "eventStreams": [{"type": "sse", "url": address}]});
        std::future::ready(json(200, &body))
    })
    .await;
    let options = Options {
        bearer_token: Some("t".to_owned()),
        headers: vec![("x-api-key".to_owned(), "k".to_owned())],
        ..options(&server, streaming())
    };
    let (_provider, handle) = start(options);
    handle.ready(PATIENCE).await.expect("ready");
    eventually("the stream", || !elsewhere.asked().is_empty()).await;
    let opened = &elsewhere.asked()[0];
    assert_eq!((opened.header("authorization"), opened.header("x-api-key")), (None, None));
}

#[tokio::test]
async fn a_server_that_fails_makes_answers_stale_then_the_provider_an_error() {
    let broken = Arc::new(AtomicBool::new(false));
    let is_broken = Arc::clone(&broken);
    let server = Server::start(move |_| {
        std::future::ready(if is_broken.load(Ordering::SeqCst) {
            text(500, "text/plain", "")
        } else {
            flags(1)
        })
    })
    .await;
    let bulk = Bulk { grace_period: Duration::from_millis(500), ..polling(30) };
    let (_provider, handle) = start(options(&server, bulk));
    let told = told(&handle);
    handle.ready(PATIENCE).await.expect("ready");
    broken.store(true, Ordering::SeqCst);
    eventually("STALE", || handle.state() == State::Stale).await;
    let answer = handle.resolve("n", Type::Int, &EvaluationContext::default()).await.expect("an answer");
    assert_eq!(answer.reason, EvaluationReason::Other("STALE".to_owned()));
    eventually("ERROR", || handle.state() == State::Error).await;
    assert_eq!(int(&handle, "n").await, 1);
    broken.store(false, Ordering::SeqCst);
    eventually("READY", || handle.state() == State::Ready).await;
    let answer = handle.resolve("n", Type::Int, &EvaluationContext::default()).await.expect("an answer");
    assert_eq!(answer.reason, EvaluationReason::Static);
    let told = told.lock().expect("a lock");
    assert_eq!(*told, ["PROVIDER_READY", "PROVIDER_STALE", "PROVIDER_ERROR", "PROVIDER_READY"]);
}

#[tokio::test]
async fn whom_the_server_never_let_in_gives_up() {
    let server = Server::start(|_| async { text(401, "text/plain", "") }).await;
    let (_provider, handle) = start(options(&server, polling(20)));
    let error = handle.ready(PATIENCE).await.expect_err("never ready");
    assert_eq!(error.state, State::Fatal);
    assert!(error.to_string().contains("check bearer_token"), "{error}");
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(server.asked().len(), 1, "no endless knocking");
}

#[tokio::test]
async fn a_server_that_is_late_is_waited_for() {
    let server = Server::start(|asked: Asked| async move {
        match asked.number {
            0 => with(text(429, "text/plain", ""), "retry-after", "1"),
            1 => text(200, "text/html", "<p>starting"),
            _ => flags(1),
        }
    })
    .await;
    let (_provider, handle) = start(options(&server, polling(20)));
    handle.ready(PATIENCE).await.expect("ready");
    assert_eq!(server.asked().len(), 3);
    assert_eq!(int(&handle, "n").await, 1);
}

#[tokio::test]
async fn other_contexts_are_asked_for_unless_ignored() {
    let answer = |asked: Asked| {
        std::future::ready(match asked.uri.path() {
            "/ofrep/v1/evaluate/flags" => flags(1),
            _ => json(200, &json!({"key": "n", "value": 9, "reason": "TARGETING_MATCH"})),
        })
    };
    let other = EvaluationContext::default().with_custom_field("request", 1);
    let same = EvaluationContext::default().with_targeting_key("device");
    for (other_contexts, value) in [(OtherContexts::Ask, 9), (OtherContexts::Ignore, 1)] {
        let server = Server::start(answer).await;
        let options =
            Options { context: same.clone(), ..options(&server, Bulk { other_contexts, ..polling(0) }) };
        let (_provider, handle) = start(options);
        handle.ready(PATIENCE).await.expect("ready");
        assert_eq!(server.asked()[0].body, json!({"context": {"targetingKey": "device"}}));
        let kept = handle.resolve("n", Type::Int, &same).await.expect("an answer");
        assert_eq!(kept.value, Some(Value::Int(1)));
        let asked = handle.resolve("n", Type::Int, &other).await.expect("an answer");
        assert_eq!(asked.value, Some(Value::Int(value)), "{other_contexts:?}");
        if other_contexts == OtherContexts::Ask {
            let body = &server.asked()[1].body;
            assert_eq!(*body, json!({"context": {"targetingKey": "device", "request": 1}}));
        }
    }
}

#[tokio::test]
async fn the_static_context_can_be_replaced() {
    let server = Server::start(|asked: Asked| {
        let n = asked.body["context"]["tier"].as_i64().unwrap_or_default();
        std::future::ready(flags(n))
    })
    .await;
    let global = EvaluationContext::default().with_custom_field("tier", 5);
    let provider =
        provider(Options { context: global.clone(), ..options(&server, polling(0)) }).expect("options");
    let handle = provider.handle();
    let mut api = OpenFeature::default();
    api.set_evaluation_context(global).await;
    api.set_provider(provider).await;
    handle.ready(PATIENCE).await.expect("ready");
    let client = api.create_client();
    assert_eq!(client.get_int_value("n", None, None).await.expect("a value"), 5);
    assert_eq!(server.asked().len(), 1, "what the SDK says is what was asked with");

    let mut events = handle.events();
    let resolver = handle.resolver().expect("not shut down");
    resolver.set_context(EvaluationContext::default().with_custom_field("tier", 6));
    drop(resolver);
    loop {
        let event = events.next().await.expect("an event");
        if event.kind == EventKind::ConfigurationChanged {
            break;
        }
    }
    let last = server.asked().last().cloned().expect("a question");
    assert_eq!(last.header("if-none-match"), None, "a tag holds for one context");
    assert_eq!(int(&handle, "n").await, 6);
}

#[tokio::test]
async fn dropping_the_provider_stops_everything() {
    let server = Server::start(|asked: Asked| {
        std::future::ready(if asked.is_stream() { stream(&[]) } else { followed(1) })
    })
    .await;
    let bulk = Bulk { poll_interval: Duration::from_millis(5), ..Bulk::default() };
    let (provider, handle) = start(options(&server, bulk));
    handle.ready(PATIENCE).await.expect("ready");
    drop(provider);
    tokio::time::sleep(Duration::from_millis(100)).await;
    let asked = server.asked().len();
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(server.asked().len(), asked);
    let error = handle.resolve("n", Type::Int, &EvaluationContext::default()).await.expect_err("shut down");
    assert_eq!(error.code, EvaluationErrorCode::ProviderNotReady);
}

#[test]
fn without_a_runtime_it_says_so() {
    let options = Options { mode: Mode::Bulk(Bulk::default()), ..Options::default() };
    assert!(matches!(provider(options).expect_err("no runtime"), OptionsError::Runtime(_)));
}
