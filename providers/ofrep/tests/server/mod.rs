//! An OFREP server that answers as a test tells it, and remembers what it was asked.

#![allow(dead_code, unreachable_pub, reason = "each test binary uses a part of it")]

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode, Uri};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

pub type Reply = Response<UnsyncBoxBody<Bytes, Infallible>>;
type Answer = Arc<dyn Fn(Asked) -> Pin<Box<dyn Future<Output = Reply> + Send>> + Send + Sync>;

/// One request.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Counts from 0, streams apart.
    pub number: usize,
    pub method: http::Method,
    pub uri: Uri,
    pub headers: HeaderMap,
    pub body: Value,
}

impl Asked {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().expect("text"))
    }

    pub fn is_stream(&self) -> bool {
        self.method == http::Method::GET
    }
}

/// A server on a free port; gone when dropped.
pub struct Server {
    pub url: String,
    asked: Arc<Mutex<Vec<Asked>>>,
    task: JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Server {
    pub async fn start<F>(answer: impl Fn(Asked) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Reply> + Send + 'static,
    {
        let answer: Answer = Arc::new(move |asked| Box::pin(answer(asked)));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let asked = Arc::default();
        let seen = Arc::clone(&asked);
        let task = tokio::spawn(async move {
            // Connections end with the server.
            let mut connections = tokio::task::JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.expect("a connection");
                connections.spawn(serve(stream, Arc::clone(&answer), Arc::clone(&seen)));
            }
        });
        Self { url, asked, task }
    }

    /// A server behind TLS, with its acceptor.
    pub async fn start_tls<F>(
        acceptor: tokio_rustls::TlsAcceptor,
        answer: impl Fn(Asked) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Reply> + Send + 'static,
    {
        let answer: Answer = Arc::new(move |asked| Box::pin(answer(asked)));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let asked = Arc::default();
        let seen = Arc::clone(&asked);
        let task = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.expect("a connection");
                let (acceptor, answer, seen) = (acceptor.clone(), Arc::clone(&answer), Arc::clone(&seen));
                tokio::spawn(async move {
                    if let Ok(stream) = acceptor.accept(stream).await {
                        serve(stream, answer, seen).await;
                    }
                });
            }
        });
        Self { url: format!("https://localhost:{port}"), asked, task }
    }

    /// A server that sends `bytes` to whoever connects, and hangs up.
    pub async fn raw(bytes: &'static [u8]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let task = tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.expect("a connection");
                // Read a little, so that hanging up is no reset.
                let mut some = [0; 4096];
                let _ = tokio::io::AsyncReadExt::read(&mut stream, &mut some).await;
                let _ = stream.write_all(bytes).await;
                let _ = stream.shutdown().await;
            }
        });
        Self { url, asked: Arc::default(), task }
    }

    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().expect("a lock").clone()
    }
}

async fn serve<S>(stream: S, answer: Answer, seen: Arc<Mutex<Vec<Asked>>>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(move |request: Request<Incoming>| {
        let (answer, seen) = (Arc::clone(&answer), Arc::clone(&seen));
        async move {
            let (head, body) = request.into_parts();
            let body = body.collect().await.expect("a body").to_bytes();
            let asked = {
                let mut seen = seen.lock().expect("a lock");
                let is_stream = head.method == http::Method::GET;
                let number = seen.iter().filter(|asked| asked.is_stream() == is_stream).count();
                let body = serde_json::from_slice(&body).unwrap_or_default();
                let asked = Asked { number, method: head.method, uri: head.uri, headers: head.headers, body };
                seen.push(asked.clone());
                asked
            };
            Ok::<_, Infallible>(answer(asked).await)
        }
    });
    let _ = Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service).await;
}

/// An answer with a body of JSON.
pub fn json(status: u16, body: &Value) -> Reply {
    text(status, "application/json", &body.to_string())
}

pub fn text(status: u16, kind: &str, body: &str) -> Reply {
    let mut reply = Response::new(Full::new(Bytes::from(body.to_owned())).boxed_unsync());
    *reply.status_mut() = StatusCode::from_u16(status).expect("a status");
    reply.headers_mut().insert("content-type", kind.parse().expect("a value"));
    reply
}

pub fn with(mut reply: Reply, name: &'static str, value: &str) -> Reply {
    reply.headers_mut().insert(name, value.parse().expect("a value"));
    reply
}

/// An event stream that says `texts`, then stays open.
pub fn stream(texts: &[&str]) -> Reply {
    let (sender, reply) = channel();
    for text in texts {
        sender.try_send((*text).to_owned()).expect("room");
    }
    // The sender lives on, so that the stream does not end.
    tokio::spawn(async move { sender.closed().await });
    reply
}

/// An event stream that says what it is sent; it ends when the sender is dropped.
pub fn channel() -> (tokio::sync::mpsc::Sender<String>, Reply) {
    let (sender, mut receiver) = tokio::sync::mpsc::channel::<String>(64);
    let frames = futures_util::stream::poll_fn(move |cx| receiver.poll_recv(cx));
    let frames = futures_util::StreamExt::map(frames, |text| Ok(Frame::data(Bytes::from(text))));
    let mut reply = Response::new(http_body_util::StreamBody::new(frames).boxed_unsync());
    reply.headers_mut().insert("content-type", "text/event-stream".parse().expect("a value"));
    (sender, reply)
}

/// Waits until `done`, for ten seconds at most.
pub async fn eventually(what: &str, done: impl Fn() -> bool) {
    for _ in 0..1000 {
        if done() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("not within ten seconds: {what}");
}
