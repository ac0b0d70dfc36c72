//! A Kubernetes API server that knows one kind of resource, FeatureFlag, and one object of it.
//!
//! It keeps the API's promises that a follower lives by (kubernetes.io, "Kubernetes API Concepts"): a list has the version
//! that it shows; a watch from a version brings every later event once and in order; versions grow older than the server
//! remembers, which is 410, as a status or as an event; bookmarks come when asked for; watches end after their time;
//! tokens are checked. Nothing else of a cluster is here, and no etcd.

#![allow(dead_code, unreachable_pub, clippy::expect_used, reason = "a module of several test binaries")]

use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::http::request::Parts;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio_stream::wrappers::ReceiverStream;

use crate::server::acceptor;

type Body = BoxBody<Bytes, Infallible>;

/// Where the objects are.
pub const PATH: &str = "/apis/core.openfeature.dev/v1beta1/namespaces/team/featureflags";

/// What the server does in place of what it should.
#[derive(Clone, Debug)]
pub enum Trouble {
    /// A status with a message, to every request; the last is `Retry-After`, 0 for none.
    Status(u16, &'static str, u64),
    /// Nothing at all.
    Hang,
    /// A body that ends early, or one event that does.
    Truncated,
    /// A page of a proxy.
    Garbage,
    /// Watches end as soon as they begin.
    NoWatch,
}

/// What a test says and learns.
#[derive(Debug)]
pub struct State {
    version: u64,
    object: Option<(Value, String, u64)>,
    /// Version, type and object of each event.
    events: Vec<(u64, &'static str, String)>,
    /// Versions up to this one are forgotten.
    forgotten: u64,
    /// The token that is right.
    pub token: String,
    pub fault: Option<Trouble>,
    /// How often all watches were ended.
    hung_up: u64,
    /// Whether 410 comes as a status, and not as an event.
    pub gone_by_status: bool,
    /// Between bookmarks.
    pub bookmarks: Duration,
    /// The requests that came.
    pub seen: Vec<Parts>,
}

/// A running server; it stops when dropped.
#[derive(Debug)]
pub struct ApiServer {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
    news: Arc<watch::Sender<()>>,
    folder: tempfile::TempDir,
    task: tokio::task::JoinHandle<()>,
}

impl ApiServer {
    /// Starts on a free port of loopback, with TLS and a token.
    pub async fn start() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
        let address = listener.local_addr().expect("a bound address");
        let state = Arc::new(Mutex::new(State {
            version: 100,
            object: None,
            events: Vec::new(),
            forgotten: 0,
            token: "first".to_owned(),
            fault: None,
            hung_up: 0,
            gone_by_status: false,
            bookmarks: Duration::from_secs(10),
            seen: Vec::new(),
        }));
        let acceptor = acceptor(&folder.path().join("ca.crt"));
        let news = Arc::new(watch::Sender::new(()));
        std::fs::write(folder.path().join("token"), "first\n").expect("a file");
        let (shared, told) = (Arc::clone(&state), Arc::clone(&news));
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (state, news, acceptor) = (Arc::clone(&shared), Arc::clone(&told), acceptor.clone());
                tokio::spawn(async move {
                    let Ok(stream) = acceptor.accept(stream).await else { return };
                    let service =
                        service_fn(move |request| answer(Arc::clone(&state), news.subscribe(), request));
                    let _ = Builder::new(TokioExecutor::new())
                        .serve_connection(TokioIo::new(stream), service)
                        .await;
                });
            }
        });
        Self { address, state, news, folder, task }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// A kubeconfig for the server, with its token in a file beside it.
    pub fn kubeconfig(&self) -> PathBuf {
        self.kubeconfig_by(self.address.port())
    }

    /// The same as one reaches the server by `port`.
    pub fn kubeconfig_by(&self, port: u16) -> PathBuf {
        let text = format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: it\ncontexts:\n- name: it\n  context: {{cluster: c, user: u}}\n\
             clusters:\n- name: c\n  cluster: {{server: 'https://localhost:{port}', certificate-authority: ca.crt}}\n\
             users:\n- name: u\n  user: {{tokenFile: token}}\n"
        );
        let path = self.folder.path().join("config");
        std::fs::write(&path, text).expect("a file");
        path
    }

    /// Where the token is read from.
    pub fn token(&self) -> PathBuf {
        self.folder.path().join("token")
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no test panicked while it held this")
    }

    /// Makes `document` the object's `flagSpec`: as it stands if it is JSON, as a string otherwise. As with any server, an
    /// object that is written as it was is not changed.
    pub fn put(&self, document: &str) {
        let raw = serde_json::from_str::<&RawValue>(document).map(|raw| raw.get().to_owned());
        let spec = raw.unwrap_or_else(|_| Value::from(document).to_string());
        let mut state = self.state();
        // Nesting beyond what can be compared is only ever written once.
        let value = serde_json::from_str(&spec).unwrap_or_else(|_| Value::from(spec.len()));
        if state.object.as_ref().is_some_and(|(known, ..)| *known == value) {
            return;
        }
        let kind = if state.object.is_some() { "MODIFIED" } else { "ADDED" };
        state.version += 1;
        let version = state.version;
        state.object = Some((value, spec.clone(), version));
        state.events.push((version, kind, object(&spec, version)));
        drop(state);
        self.news.send_replace(());
    }

    /// Deletes the object.
    pub fn delete(&self) {
        let mut state = self.state();
        let Some((_, spec, _)) = state.object.take() else { return };
        state.version += 1;
        let version = state.version;
        state.events.push((version, "DELETED", object(&spec, version)));
        drop(state);
        self.news.send_replace(());
    }

    /// Something else in the cluster changes, and everything so far is forgotten.
    pub fn compact(&self) {
        let mut state = self.state();
        state.version += 10;
        state.forgotten = state.version - 1;
        state.events.clear();
    }

    /// Ends every watch under way; what follows meets `fault`.
    pub fn hang_up(&self, fault: Option<Trouble>) {
        let mut state = self.state();
        state.fault = fault;
        state.hung_up += 1;
        drop(state);
        self.news.send_replace(());
    }
}

impl Drop for ApiServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn object(spec: &str, version: u64) -> String {
    format!(
        r#"{{"apiVersion":"core.openfeature.dev/v1beta1","kind":"FeatureFlag","metadata":{{"name":"flags","namespace":"team",
"resourceVersion":"{version}","uid":"0","managedFields":[]}},"spec":{{"flagSpec":{spec}}}}}"#
    )
    .replace('\n', "")
}

async fn answer(
    state: Arc<Mutex<State>>,
    news: watch::Receiver<()>,
    request: Request<Incoming>,
) -> Result<Response<Body>, Infallible> {
    let (head, _) = request.into_parts();
    match respond(&state, news, head) {
        Some(response) => Ok(response),
        None => std::future::pending().await,
    }
}

/// The answer to a request; none for one that is to hang.
fn respond(state: &Arc<Mutex<State>>, news: watch::Receiver<()>, head: Parts) -> Option<Response<Body>> {
    let query = head.uri.query().unwrap_or_default().to_owned();
    let has = |pair: &str| query.split('&').any(|found| found == pair);
    let mut held = state.lock().expect("no test panicked while it held this");
    let token = head.headers.get("authorization").and_then(|token| token.to_str().ok()).unwrap_or_default();
    let welcome = token == format!("Bearer {}", held.token);
    let (path, known) = (head.uri.path().to_owned(), has("fieldSelector=metadata.name%3Dflags"));
    held.seen.push(head);
    if !welcome {
        return Some(status(401, "Unauthorized", 0));
    }
    match held.fault.clone() {
        Some(Trouble::Status(code, message, rest)) => return Some(status(code, message, rest)),
        Some(Trouble::Hang) => return None,
        Some(Trouble::Truncated) => return Some(whole("{\"type\":\"MODIFIED\",\"obj")),
        Some(Trouble::Garbage) => return Some(whole("<html>\n")),
        Some(Trouble::NoWatch) if has("watch=1") => return Some(whole("")),
        Some(Trouble::NoWatch) | None => {}
    }
    if path != PATH {
        return Some(status(404, "the server could not find the requested resource", 0));
    }
    if !has("watch=1") {
        let items = held.object.iter().filter(|_| known).map(|(_, spec, version)| object(spec, *version));
        let items: Vec<String> = items.collect();
        let version = held.version;
        let list = format!(
            r#"{{"kind":"FeatureFlagList","metadata":{{"resourceVersion":"{version}"}},"items":[{}]}}"#,
            items.join(",")
        );
        return Some(whole(&list));
    }
    let number = |name: &str| query.split('&').find_map(|pair| pair.strip_prefix(name)?.parse::<u64>().ok());
    let from = number("resourceVersion=").unwrap_or_default();
    if from < held.forgotten {
        let gone = json!({"kind": "Status", "status": "Failure", "reason": "Expired", "code": 410, "message": "too old"});
        return Some(match held.gone_by_status {
            true => status(410, "too old resource version", 0),
            false => whole(&format!("{}\n", json!({"type": "ERROR", "object": gone}))),
        });
    }
    drop(held);
    let lasts = Duration::from_secs(number("timeoutSeconds=").unwrap_or(60));
    let bookmarks = has("allowWatchBookmarks=true");
    let (feed, body) = mpsc::channel(16);
    tokio::spawn(stream(Arc::clone(state), news, from, (lasts, bookmarks), feed));
    let response = Response::builder().header("content-type", "application/json;stream=watch");
    Some(response.body(BodyExt::boxed(StreamBody::new(ReceiverStream::new(body)))).expect("a response"))
}

type Line = Result<Frame<Bytes>, Infallible>;

/// Sends every event after `from` until the watch's time is over.
async fn stream(
    state: Arc<Mutex<State>>,
    mut news: watch::Receiver<()>,
    mut from: u64,
    (lasts, bookmarks): (Duration, bool),
    feed: mpsc::Sender<Line>,
) {
    let end = tokio::time::Instant::now() + lasts;
    let began = state.lock().expect("no test panicked while it held this").hung_up;
    news.mark_changed();
    loop {
        let between = state.lock().expect("no test panicked while it held this").bookmarks;
        let mark = tokio::select! {
            heard = news.changed() => if heard.is_err() { return } else { false },
            () = tokio::time::sleep(between) => true,
            () = tokio::time::sleep_until(end) => return,
            () = feed.closed() => return,
        };
        let mut lines = Vec::new();
        {
            let held = state.lock().expect("no test panicked while it held this");
            if held.hung_up != began {
                return;
            }
            let since = from;
            for (version, kind, object) in held.events.iter().filter(|(version, ..)| *version > since) {
                lines.push(format!("{{\"type\":\"{kind}\",\"object\":{object}}}\n"));
                from = *version;
            }
            if mark && bookmarks {
                from = held.version;
                let about = json!({"kind": "FeatureFlag", "metadata": {"resourceVersion": from.to_string()}});
                lines.push(format!("{}\n", json!({"type": "BOOKMARK", "object": about})));
            }
        }
        for line in lines {
            // In two pieces: lines do not come as packets do.
            let cut = line.len() / 2;
            for piece in [&line[..cut], &line[cut..]] {
                if feed.send(Ok(Frame::data(Bytes::copy_from_slice(piece.as_bytes())))).await.is_err() {
                    return;
                }
            }
        }
    }
}

fn whole(text: &str) -> Response<Body> {
    let body = Full::new(Bytes::copy_from_slice(text.as_bytes())).boxed();
    Response::builder().header("content-type", "application/json").body(body).expect("a response")
}

fn status(code: u16, message: &str, rest: u64) -> Response<Body> {
    let text = json!({"kind": "Status", "status": "Failure", "message": message, "code": code}).to_string();
    let mut response = Response::builder().status(code);
    if rest > 0 {
        response = response.header("retry-after", rest);
    }
    response.body(Full::new(Bytes::from(text)).boxed()).expect("a response")
}
