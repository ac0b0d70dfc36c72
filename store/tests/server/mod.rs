//! An HTTP server whose every answer a test decides, over TLS or not.

#![allow(dead_code, unreachable_pub, clippy::expect_used, reason = "a module of several test binaries")]

use std::collections::VecDeque;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use rustls::pki_types::PrivateKeyDer;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

/// When every document was written, as object stores say with each.
const WRITTEN: &str = "Thu, 01 Jan 2026 00:00:00 GMT";

pub type Body = BoxBody<Bytes, Infallible>;

/// What the server does with a request.
#[derive(Clone, Debug)]
pub enum Answer {
    /// The document, or 304 if the client has it.
    Document,
    /// A status with these headers and this body.
    Status(u16, Vec<(&'static str, String)>, String),
    /// A body that announces more than it brings.
    Truncated,
    /// A body without end.
    Endless,
    /// One byte now and then.
    Drip,
    /// Nothing at all.
    Hang,
}

/// What a test says and learns.
#[derive(Debug)]
pub struct Script {
    /// The document; `None` is 404.
    pub document: Option<String>,
    /// Sent with the document.
    pub content_type: &'static str,
    /// Whether documents carry an ETag, and 304 is given.
    pub etags: bool,
    /// In place of an ETag: when the document was written, in whole seconds, and the header that says it exactly.
    pub dated: Option<(String, &'static str, String)>,
    /// What to do with the next requests, before documents are given again.
    pub next: VecDeque<Answer>,
    /// What to do with every request, if anything.
    pub always: Option<Answer>,
    /// Heads and bodies of the requests that came.
    pub seen: Vec<(hyper::http::request::Parts, String)>,
    /// How many were answered 304.
    pub not_modified: usize,
}

/// A running server; it stops when dropped.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    script: Arc<Mutex<Script>>,
    certificate: Option<PathBuf>,
    _folder: tempfile::TempDir,
    task: tokio::task::JoinHandle<()>,
}

impl Server {
    /// Starts on a free port of loopback.
    pub async fn start(tls: bool) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
        let address = listener.local_addr().expect("a bound address");
        let script = Arc::new(Mutex::new(Script {
            document: None,
            content_type: "application/json",
            etags: true,
            dated: None,
            next: VecDeque::new(),
            always: None,
            seen: Vec::new(),
            not_modified: 0,
        }));
        let (acceptor, certificate) = if tls {
            let path = folder.path().join("ca.pem");
            (Some(acceptor(&path)), Some(path))
        } else {
            (None, None)
        };
        let task = tokio::spawn(serve(listener, acceptor, Arc::clone(&script)));
        Self { address, script, certificate, _folder: folder, task }
    }

    pub fn url(&self, path: &str) -> String {
        let scheme = if self.certificate.is_some() { "https" } else { "http" };
        format!("{scheme}://localhost:{}{path}", self.address.port())
    }

    /// The certificate that clients must trust.
    pub fn certificate(&self) -> Option<&PathBuf> {
        self.certificate.as_ref()
    }

    pub fn script(&self) -> MutexGuard<'_, Script> {
        self.script.lock().expect("no test panicked while it held this")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

pub fn acceptor(certificate: &std::path::Path) -> TlsAcceptor {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    std::fs::write(certificate, made.cert.pem()).expect("a writable file");
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).expect("a key");
    let config =
        rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("usual versions")
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .expect("a matching pair");
    TlsAcceptor::from(Arc::new(config))
}

async fn serve(listener: TcpListener, acceptor: Option<TlsAcceptor>, script: Arc<Mutex<Script>>) {
    while let Ok((stream, _)) = listener.accept().await {
        let (script, acceptor) = (Arc::clone(&script), acceptor.clone());
        tokio::spawn(async move {
            let service = service_fn(move |request| answer(Arc::clone(&script), request));
            let builder = Builder::new(TokioExecutor::new());
            // A client that goes away is part of the tests.
            let _ = match acceptor {
                Some(acceptor) => match acceptor.accept(stream).await {
                    Ok(stream) => builder.serve_connection(TokioIo::new(stream), service).await,
                    Err(_) => return,
                },
                None => builder.serve_connection(TokioIo::new(stream), service).await,
            };
        });
    }
}

async fn answer(
    script: Arc<Mutex<Script>>,
    request: Request<Incoming>,
) -> Result<Response<Body>, Infallible> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    let said = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let asked = (said("if-none-match"), said("if-modified-since"));
    let answer = {
        let mut script = script.lock().expect("no test panicked while it held this");
        script.seen.push((parts, String::from_utf8_lossy(&body).into_owned()));
        script.next.pop_front().or_else(|| script.always.clone()).unwrap_or(Answer::Document)
    };
    let response = Response::builder().header("last-modified", WRITTEN);
    Ok(match answer {
        Answer::Document => document(&script, asked),
        Answer::Status(status, headers, body) => {
            let response =
                headers.into_iter().fold(response.status(status), |r, (name, value)| r.header(name, value));
            response.body(Full::new(Bytes::from(body)).boxed()).expect("a response")
        }
        Answer::Truncated => {
            let pieces = tokio_stream::iter([Ok(Frame::data(Bytes::from_static(b"{\"flags\":")))]);
            let response = response
                .header("content-type", "application/json")
                .header("content-length", "1000")
                .header("etag", "\"0\"");
            response.body(BodyExt::boxed(StreamBody::new(pieces))).expect("a response")
        }
        Answer::Endless => flood(Bytes::from(vec![b' '; 64 << 10]), Duration::ZERO),
        Answer::Drip => {
            let mut drip = flood(Bytes::from_static(b" "), Duration::from_millis(20));
            for (name, value) in
                [("content-length", "1000000"), ("etag", "\"0\""), ("last-modified", WRITTEN)]
            {
                drip.headers_mut().insert(name, value.parse().expect("a value"));
            }
            drip
        }
        Answer::Hang => std::future::pending().await,
    })
}

fn document(script: &Mutex<Script>, (tag, date): (Option<String>, Option<String>)) -> Response<Body> {
    let mut script = script.lock().expect("no test panicked while it held this");
    let Some(text) = script.document.clone() else {
        return Response::builder().status(404).body(Full::default().boxed()).expect("a response");
    };
    let mut response = Response::builder().header("content-type", script.content_type);
    if let Some((written, name, exact)) = script.dated.clone() {
        if date.as_ref() == Some(&written) {
            script.not_modified += 1;
            return response.status(304).body(Full::default().boxed()).expect("a response");
        }
        response = response.header("last-modified", written).header(name, exact);
    } else {
        response = response.header("last-modified", WRITTEN);
    }
    if script.etags && script.dated.is_none() {
        use std::hash::{DefaultHasher, Hash, Hasher};
        let mut hasher = DefaultHasher::new();
        text.hash(&mut hasher);
        let etag = format!("\"{:x}\"", hasher.finish());
        if tag.as_ref() == Some(&etag) {
            script.not_modified += 1;
            return response.status(304).body(Full::default().boxed()).expect("a response");
        }
        response = response.header("etag", etag);
    }
    response.body(Full::new(Bytes::from(text)).boxed()).expect("a response")
}

fn flood(piece: Bytes, pause: Duration) -> Response<Body> {
    use tokio_stream::StreamExt;
    let pieces = tokio_stream::iter(std::iter::repeat_with(move || Ok(Frame::data(piece.clone()))));
    let response = Response::builder().header("content-type", "application/json");
    let body = if pause.is_zero() {
        BodyExt::boxed(StreamBody::new(pieces))
    } else {
        let (feed, body) = tokio::sync::mpsc::channel(1);
        tokio::spawn(async move {
            let mut pieces = std::pin::pin!(pieces);
            while let Some(piece) = pieces.next().await {
                if feed.send(piece).await.is_err() {
                    return;
                }
                tokio::time::sleep(pause).await;
            }
        });
        BodyExt::boxed(StreamBody::new(tokio_stream::wrappers::ReceiverStream::new(body)))
    };
    response.body(body).expect("a response")
}
