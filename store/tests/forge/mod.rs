//! A git repository that tests push to, and a server for it: git's own `http-backend` behind TLS and a token.

#![allow(
    dead_code,
    unreachable_pub,
    unused_imports,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a module of several test binaries"
)]

mod repository;
mod world;

use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use tempfile::TempDir;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio_stream::StreamExt;

pub use repository::{Repository, git_is_missing};
pub use world::{World, follow};

use crate::server::{Body, acceptor};

/// Basic authorization of the user `me` with the token `hunter2`.
const AUTHORIZATION: &str = "Basic bWU6aHVudGVyMg==";
pub const TOKEN: &str = "hunter2";

/// What the server does with requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    None,
    /// A status without a body.
    Status(u16),
    /// Nothing at all.
    Hang,
    /// Half of what the answer would be.
    Cut,
    /// A page for people.
    Page,
    /// Of a pack so many eighths, then nothing; all else as it should be.
    Stall(u8),
}

/// A server of everything below a folder; it stops when dropped.
pub struct Forge {
    port: u16,
    fault: Arc<Mutex<Fault>>,
    requests: Arc<Mutex<usize>>,
    certificates: TempDir,
    task: tokio::task::JoinHandle<()>,
}

impl Forge {
    /// Serves what is below `root`, to whoever has the token.
    pub async fn start(root: &Path) -> Self {
        let certificates = tempfile::tempdir().expect("a directory");
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
        let port = listener.local_addr().expect("a bound address").port();
        let acceptor = acceptor(&certificates.path().join("ca.pem"));
        let (fault, requests) = (Arc::new(Mutex::new(Fault::None)), Arc::new(Mutex::new(0)));
        let state = (root.to_owned(), Arc::clone(&fault), Arc::clone(&requests));
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, state) = (acceptor.clone(), state.clone());
                tokio::spawn(async move {
                    let Ok(stream) = acceptor.accept(stream).await else { return };
                    let service = service_fn(move |request| answer(state.clone(), request));
                    let builder = Builder::new(TokioExecutor::new());
                    // A client that goes away is part of the tests.
                    let _ = builder.serve_connection(TokioIo::new(stream), service).await;
                });
            }
        });
        Self { port, fault, requests, certificates, task }
    }

    pub fn uri(&self, query: &str) -> String {
        self.uri_at(self.port, query)
    }

    /// As one reaches it by another port.
    pub fn uri_at(&self, port: u16, query: &str) -> String {
        format!("git+https://localhost:{port}/origin.git?{query}")
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn certificate(&self) -> PathBuf {
        self.certificates.path().join("ca.pem")
    }

    pub fn set(&self, fault: Fault) {
        *self.fault.lock().expect("no panic") = fault;
    }

    /// How many requests came.
    pub fn requests(&self) -> usize {
        *self.requests.lock().expect("no panic")
    }
}

impl Drop for Forge {
    fn drop(&mut self) {
        self.task.abort();
    }
}

type State = (PathBuf, Arc<Mutex<Fault>>, Arc<Mutex<usize>>);

async fn answer(
    (root, fault, requests): State,
    request: Request<Incoming>,
) -> Result<Response<Body>, Infallible> {
    *requests.lock().expect("no panic") += 1;
    let fault = *fault.lock().expect("no panic");
    let authorized = request.headers().get("authorization").is_some_and(|value| value == AUTHORIZATION);
    Ok(match fault {
        Fault::Hang => std::future::pending().await,
        Fault::Status(status) => empty(status),
        Fault::Page => {
            let response = Response::builder().header("content-type", "text/html");
            response.body(Full::new(Bytes::from_static(b"<html>")).boxed()).expect("a response")
        }
        _ if !authorized => empty(401),
        _ => backend(&root, request, fault).await,
    })
}

fn empty(status: u16) -> Response<Body> {
    Response::builder().status(status).body(Full::default().boxed()).expect("a response")
}

/// One run of `git http-backend`, as CGI has it (RFC 3875).
async fn backend(root: &Path, request: Request<Incoming>, fault: Fault) -> Response<Body> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    let header = |name: &str| {
        head.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
    };
    let mut child = tokio::process::Command::new("git")
        .args(["-c", "safe.directory=*", "http-backend"])
        .env("GIT_PROJECT_ROOT", root)
        .env("GIT_HTTP_EXPORT_ALL", "1")
        .env("HOME", root)
        .env("REQUEST_METHOD", head.method.as_str())
        .env("PATH_INFO", head.uri.path())
        .env("QUERY_STRING", head.uri.query().unwrap_or_default())
        .env("CONTENT_TYPE", header("content-type"))
        .env("CONTENT_LENGTH", body.len().to_string())
        .env("GIT_PROTOCOL", header("git-protocol"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("git http-backend runs");
    child.stdin.take().expect("a pipe").write_all(&body).await.expect("written");
    let output = child.wait_with_output().await.expect("it ends").stdout;
    let end = output.windows(4).position(|window| window == b"\r\n\r\n").unwrap_or(output.len());
    let mut response = Response::builder();
    for line in String::from_utf8_lossy(&output[..end]).lines() {
        let (name, value) = line.split_once(':').unwrap_or_default();
        response = match name.to_ascii_lowercase().as_str() {
            "status" => response.status(value.trim()[..3].parse::<u16>().expect("a status")),
            _ => response.header(name, value.trim()),
        };
    }
    let output = Bytes::from(output);
    let body = output.slice((end + 4).min(output.len())..);
    let Some(part) = fault.part_of(&body) else {
        return response.body(Full::new(body).boxed()).expect("a response");
    };
    let piece = tokio_stream::iter([Ok(Frame::data(body.slice(..part)))]);
    let response = response.header("content-length", body.len().to_string());
    let body = match fault {
        Fault::Stall(_) => BodyExt::boxed(StreamBody::new(piece.chain(tokio_stream::pending()))),
        _ => BodyExt::boxed(StreamBody::new(piece)),
    };
    response.body(body).expect("a response")
}

impl Fault {
    /// How much of an answer is sent, unless it is all.
    fn part_of(self, body: &[u8]) -> Option<usize> {
        match self {
            Self::Cut => Some(body.len() / 2),
            Self::Stall(eighths) if body.windows(8).any(|window| window == b"packfile") => {
                Some(body.len() / 8 * usize::from(eighths))
            }
            _ => None,
        }
    }
}
