//! A Flipt for tests: snapshots by ETag, the stream of version 2, and evaluation of one namespace.
//!
//! It evaluates by the crate's own rules: it shows that questions and answers are carried over, not that the rules are right.

#![allow(
    dead_code,
    unreachable_pub,
    clippy::expect_used,
    clippy::panic,
    reason = "a module of several test binaries"
)]

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use hoist_provider_flipt::rules::{Body as Kind, Cause, Flag, Question, compile, read, switch};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use serde_json::{Map, Value, json};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};

type Body = BoxBody<Bytes, Infallible>;

/// How the stream behaves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Streams {
    /// A message at once, and one for each change. To a client that says it has the first the server's headers come with the second.
    #[default]
    Well,
    /// There is no such thing, as before version 2.
    Absent,
    /// Open, with a message at once, and then silent whatever happens.
    Dead,
    /// A message breaks off in its middle.
    Cut,
    /// A message without end.
    Endless,
    /// An error in place of a message.
    Complains,
}

/// What a test says and learns.
#[derive(Debug, Default)]
pub struct Script {
    pub streams: Streams,
    /// Every request is refused so.
    pub refuse: Option<u16>,
    pub seen: Vec<Seen>,
    pub not_modified: usize,
    pub open_streams: usize,
}

#[derive(Clone, Debug)]
pub struct Seen {
    pub path: String,
    pub query: String,
    pub authorization: String,
    pub environment: String,
    pub body: Value,
}

/// A running Flipt; it stops when dropped.
pub struct Flipt {
    address: SocketAddr,
    script: Arc<Mutex<Script>>,
    document: watch::Sender<Value>,
    task: tokio::task::JoinHandle<()>,
}

impl Flipt {
    /// Starts with the flags of a namespace.
    pub async fn start(flags: Value) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let script: Arc<Mutex<Script>> = Arc::default();
        let document = watch::Sender::new(snapshot(flags));
        let (told, news) = (Arc::clone(&script), document.clone());
        let task = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let (told, news) = (Arc::clone(&told), news.clone());
                connections.spawn(async move {
                    let service = service_fn(move |request| answer(Arc::clone(&told), news.clone(), request));
                    // A client that goes away is part of the tests.
                    let _ = Builder::new(TokioExecutor::new())
                        .serve_connection(TokioIo::new(stream), service)
                        .await;
                });
            }
        });
        Self { address, script, document, task }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Has other flags from now on.
    pub fn set(&self, flags: Value) {
        self.document.send_replace(snapshot(flags));
    }

    pub fn script(&self) -> std::sync::MutexGuard<'_, Script> {
        self.script.lock().expect("no test panicked while it held this")
    }

    pub fn asked(&self, part: &str) -> Vec<Seen> {
        self.script().seen.iter().filter(|seen| seen.path.contains(part)).cloned().collect()
    }
}

impl Drop for Flipt {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Flags as a snapshot with a digest as long as the server's.
pub fn snapshot(flags: Value) -> Value {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut hasher = DefaultHasher::new();
    flags.to_string().hash(&mut hasher);
    json!({"digest": format!("{:040x}", hasher.finish()), "namespace": {"key": "default"}, "flags": flags})
}

/// A boolean flag that is on for whoever has `value` as their `region`.
pub fn by_region(value: &str) -> Value {
    let constraint = json!({"type": "STRING_CONSTRAINT_COMPARISON_TYPE", "property": "region", "operator": "eq", "value": value});
    let segment = json!({"key": "there", "matchType": "ALL_SEGMENT_MATCH_TYPE", "constraints": [constraint]});
    json!({"key": "shop", "type": "BOOLEAN_FLAG_TYPE", "enabled": false, "rules": [], "rollouts": [
        {"type": "SEGMENT_ROLLOUT_TYPE", "rank": 1, "segment": {"value": true, "segments": [segment]}}]})
}

fn plain(status: u16, text: String) -> Response<Body> {
    let response = Response::builder().status(status).header("content-type", "application/json");
    response.body(Full::new(Bytes::from(text)).boxed()).expect("a response")
}

fn refusal(status: u16, code: u16, message: &str) -> Response<Body> {
    plain(status, json!({"code": code, "message": message, "details": []}).to_string())
}

async fn answer(
    script: Arc<Mutex<Script>>,
    document: watch::Sender<Value>,
    request: Request<Incoming>,
) -> Result<Response<Body>, Infallible> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    let header =
        |name: &str| head.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or("").to_owned();
    let seen = Seen {
        path: head.uri.path().to_owned(),
        query: head.uri.query().unwrap_or_default().to_owned(),
        authorization: header("authorization"),
        environment: header("x-flipt-environment"),
        body: serde_json::from_slice(&body).unwrap_or_default(),
    };
    let (streams, refuse) = {
        let mut script = script.lock().expect("no panic");
        script.seen.push(seen.clone());
        (script.streams, script.refuse)
    };
    let now = document.borrow().clone();
    let digest = now["digest"].as_str().expect("a digest").to_owned();
    Ok(match seen.path.as_str() {
        _ if refuse.is_some() => refusal(refuse.unwrap_or_default(), 16, "not you"),
        "/health" => plain(200, r#"{"status":"SERVING"}"#.to_owned()),
        "/internal/v1/evaluation/snapshot/namespace/default" if header("if-none-match") == digest => {
            script.lock().expect("no panic").not_modified += 1;
            plain(304, String::new())
        }
        "/internal/v1/evaluation/snapshot/namespace/default" => {
            let mut response = plain(200, now.to_string());
            response.headers_mut().insert("etag", digest.parse().expect("a value"));
            response
        }
        path if path.starts_with("/client/v2/") && streams == Streams::Absent => refusal(404, 5, "Not Found"),
        "/client/v2/environments/default/namespaces/default/stream" => {
            let mut news = document.subscribe();
            if seen.query == format!("digest={digest}") {
                let _ = news.changed().await;
            }
            streamed(script, document, streams)
        }
        "/evaluate/v1/boolean" => evaluated(&now, &seen.body, "BOOLEAN_FLAG_TYPE"),
        "/evaluate/v1/variant" => evaluated(&now, &seen.body, "VARIANT_FLAG_TYPE"),
        "/evaluate/v1/batch" => {
            let requests = seen.body["requests"].as_array().cloned().unwrap_or_default();
            let responses: Vec<Value> = requests.iter().map(|request| one_of(&now, request)).collect();
            plain(200, json!({"requestId": "", "responses": responses}).to_string())
        }
        _ => refusal(404, 5, "Not Found"),
    })
}

fn streamed(script: Arc<Mutex<Script>>, document: watch::Sender<Value>, streams: Streams) -> Response<Body> {
    let (feed, body) = mpsc::channel::<Result<Frame<Bytes>, Infallible>>(4);
    tokio::spawn(async move {
        script.lock().expect("no panic").open_streams += 1;
        let mut news = document.subscribe();
        for at in 0.. {
            if at > 0 && tokio::select! { news = news.changed() => news.is_err(), () = feed.closed() => true }
            {
                break;
            }
            // Whoever refuses everybody ends what it had begun.
            if script.lock().expect("no panic").refuse.is_some() {
                break;
            }
            let line = format!("{}\n", json!({"result": news.borrow_and_update().clone()}));
            let pieces = match streams {
                Streams::Dead if at > 0 => continue,
                Streams::Well | Streams::Dead => vec![line],
                Streams::Absent => continue,
                Streams::Cut => vec![line[..line.len() / 2].to_owned()],
                Streams::Complains => {
                    vec![
                        json!({"error": {"code": 14, "message": "going away", "details": []}}).to_string()
                            + "\n",
                    ]
                }
                Streams::Endless => vec![" ".repeat(64 << 10); 1_000],
            };
            let last = !matches!(streams, Streams::Well | Streams::Dead);
            for piece in pieces {
                if feed.send(Ok(Frame::data(Bytes::from(piece)))).await.is_err() {
                    break;
                }
            }
            if last {
                break;
            }
        }
        script.lock().expect("no panic").open_streams -= 1;
    });
    let body = StreamBody::new(tokio_stream::wrappers::ReceiverStream::new(body));
    Response::builder()
        .header("content-type", "application/json")
        .body(BodyExt::boxed(body))
        .expect("a response")
}

fn one_of(snapshot: &Value, request: &Value) -> Value {
    match evaluation(snapshot, request) {
        Some((answer, "BOOLEAN_FLAG_TYPE")) => {
            json!({"type": "BOOLEAN_EVALUATION_RESPONSE_TYPE", "booleanResponse": answer})
        }
        Some((answer, _)) => json!({"type": "VARIANT_EVALUATION_RESPONSE_TYPE", "variantResponse": answer}),
        None => {
            json!({"type": "ERROR_EVALUATION_RESPONSE_TYPE", "errorResponse": {"flagKey": request["flagKey"],
            "namespaceKey": request["namespaceKey"], "reason": "NOT_FOUND_ERROR_EVALUATION_REASON"}})
        }
    }
}

fn evaluated(snapshot: &Value, request: &Value, kind: &str) -> Response<Body> {
    let context = request["context"].as_object().cloned().unwrap_or_default();
    if context.values().any(|value| !value.is_string()) {
        return refusal(StatusCode::BAD_REQUEST.as_u16(), 3, "proto: invalid value for string type");
    }
    match evaluation(snapshot, request) {
        None => refusal(404, 5, &format!("flag {} not found", request["flagKey"])),
        Some((_, other)) if other != kind => refusal(400, 3, &format!("flag type {other} invalid")),
        Some((answer, _)) => plain(200, answer.to_string()),
    }
}

fn evaluation(snapshot: &Value, request: &Value) -> Option<(Value, &'static str)> {
    if request["namespaceKey"] != "default" {
        return None;
    }
    let compiled = compile(read(serde_json::from_value(snapshot.clone()).expect("a snapshot")));
    let flag: &Flag = compiled.flags.iter().find(|flag| flag.key() == request["flagKey"])?;
    let nothing = Map::new();
    let attributes = request["context"].as_object().unwrap_or(&nothing);
    let question = Question { entity: request["entityId"].as_str().unwrap_or(""), attributes };
    let told = |cause: Cause<'_>| match cause {
        Cause::Default => (false, vec![], "DEFAULT"),
        Cause::Unknown => (false, vec![], "UNKNOWN"),
        Cause::Disabled => (false, vec![], "FLAG_DISABLED"),
        Cause::Segments(segments, _) => {
            (true, segments.matching(&question).map(str::to_owned).collect(), "MATCH")
        }
        Cause::Share(_) => (true, vec![], "MATCH"),
    };
    Some(match flag.body() {
        Kind::Boolean(rollouts) => {
            let switched = switch(flag, rollouts, &question);
            let (_, segments, reason) = told(switched.cause);
            let answer = json!({"enabled": switched.enabled, "reason": format!("{reason}_EVALUATION_REASON"),
                "requestId": "r1", "flagKey": flag.key(), "segmentKeys": segments});
            (answer, "BOOLEAN_FLAG_TYPE")
        }
        Kind::Variant(variants) => {
            let chosen = variants.choose(flag, &question);
            let (matched, segments, reason) = told(chosen.cause);
            let key = chosen.variant.map_or("", |variant| variant.key());
            let attachment = chosen.variant.and_then(|variant| variant.attachment()).map(Value::to_string);
            let answer = json!({"match": matched, "segmentKeys": segments, "reason": format!("{reason}_EVALUATION_REASON"),
                "variantKey": key, "variantAttachment": attachment.unwrap_or_default(), "requestId": "r1",
                "flagKey": flag.key()});
            (answer, "VARIANT_FLAG_TYPE")
        }
    })
}
