//! Management: is the daemon alive, is it ready, what has it counted (contract 8).
//!
//! ```text
//! /healthz   200 while the process serves
//! /readyz    200 once every source has flags in service, as fresh as --readiness asks, else 412; says why to whoever
//!            asks for JSON
//! /metrics   Prometheus text
//! gRPC       grpc.health.v1.Health
//! /hooks/git POST by a git server after a push, if --hook-secret-path is given
//! ```

mod health;
mod hooks;
mod metrics;
mod readiness;

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE, VARY, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use store::Store;
use tokio::sync::watch;
use tonic::body::Body;
use tonic_health::pb::health_server::HealthServer;
use tower::Service;

pub use self::metrics::families;

use self::health::Health;
pub use self::hooks::Hooks;
pub(crate) use self::readiness::report;
use crate::telemetry::{self, Telemetry};

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// What management speaks of: a daemon, or a proxy.
pub trait Subject: std::fmt::Debug + Send + Sync + 'static {
    /// Whether clients may come.
    fn ready(&self) -> bool;
    /// How it is doing, as JSON; `ready` is what the status says.
    fn report(&self, ready: bool) -> Vec<u8>;
    /// What it has counted, as Prometheus text.
    fn metrics(&self) -> String;
}

/// A daemon's store and what it has counted.
#[derive(Debug)]
struct Daemon {
    store: Arc<Store>,
    telemetry: Telemetry,
}

impl Subject for Daemon {
    fn ready(&self) -> bool {
        self.store.ready()
    }

    fn report(&self, ready: bool) -> Vec<u8> {
        readiness::report(&self.store, ready)
    }

    fn metrics(&self) -> String {
        metrics::families(&self.store, &self.telemetry).finish()
    }
}

/// The management service. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Management {
    subject: Arc<dyn Subject>,
    health: HealthServer<Health>,
    closing: watch::Receiver<bool>,
    hooks: Option<Arc<Hooks>>,
}

impl Management {
    /// Speaks of `store` and `telemetry`; when `closing` turns true, health watchers are let go and nothing is ready.
    pub fn new(store: Arc<Store>, telemetry: Telemetry, closing: watch::Receiver<bool>) -> Self {
        Self::of(Arc::new(Daemon { store, telemetry }), closing)
    }

    /// The same of any subject.
    pub fn of(subject: Arc<dyn Subject>, closing: watch::Receiver<bool>) -> Self {
        Self { subject, health: HealthServer::new(Health::new(closing.clone())), closing, hooks: None }
    }

    /// Listens to git servers, too.
    #[must_use]
    pub fn with_hooks(self, hooks: Hooks) -> Self {
        Self { hooks: Some(Arc::new(hooks)), ..self }
    }

    fn answer(&self, head: &http::request::Parts) -> Response<Body> {
        match head.uri.path() {
            "/healthz" => empty(StatusCode::OK),
            "/readyz" => self.readyz(head),
            "/metrics" => self.metrics(&head.headers),
            _ => not_found(),
        }
    }

    fn readyz(&self, head: &http::request::Parts) -> Response<Body> {
        let ready = self.subject.ready() && !*self.closing.borrow();
        let status = if ready { StatusCode::OK } else { StatusCode::PRECONDITION_FAILED };
        if !wants_json(head) {
            return empty(status);
        }
        let report = self.subject.report(ready);
        let mut response = Response::new(Body::new(Full::from(report)));
        *response.status_mut() = status;
        set(&mut response, CONTENT_TYPE, "application/json");
        response
    }

    fn metrics(&self, headers: &HeaderMap) -> Response<Body> {
        let text = self.subject.metrics();
        let (body, zipped) = match accepts_gzip(headers).then(|| metrics::gzip(&text)).flatten() {
            Some(zipped) => (Bytes::from(zipped), true),
            None => (Bytes::from(text), false),
        };
        let mut response = Response::new(Body::new(Full::new(body)));
        set(&mut response, CONTENT_TYPE, telemetry::CONTENT_TYPE);
        set(&mut response, VARY, "Accept-Encoding");
        if zipped {
            set(&mut response, CONTENT_ENCODING, "gzip");
        }
        response
    }
}

impl<B> Service<Request<B>> for Management
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        if is_grpc(request.headers()) {
            if !request.uri().path().starts_with("/grpc.health.v1.Health/") {
                return Box::pin(std::future::ready(Ok(unimplemented(request.uri().path()))));
            }
            let body = |body: B| Body::new(body.map_err(Into::into));
            let mut health = self.health.clone();
            return Box::pin(async move { health.call(request.map(body)).await });
        }
        let (head, body) = request.into_parts();
        if let Some(hooks) = self.hooks.as_ref().filter(|_| head.uri.path() == hooks::PATH) {
            let hooks = Arc::clone(hooks);
            return Box::pin(async move { Ok(hooks.answer(&head, body).await) });
        }
        let answer = self.answer(&head);
        Box::pin(std::future::ready(Ok(answer)))
    }
}

/// The label under which requests for `path` are counted.
pub fn label(path: &str) -> &'static str {
    match path {
        "/healthz" => "/healthz",
        "/readyz" => "/readyz",
        "/metrics" => "/metrics",
        hooks::PATH => hooks::PATH,
        "/grpc.health.v1.Health/Check" => "/grpc.health.v1.Health/Check",
        "/grpc.health.v1.Health/Watch" => "/grpc.health.v1.Health/Watch",
        _ => "other",
    }
}

fn is_grpc(headers: &HeaderMap) -> bool {
    headers.get(CONTENT_TYPE).is_some_and(|value| value.as_bytes().starts_with(b"application/grpc"))
}

/// Whether the client asks for words: by `Accept`, or with `?verbose` or `?format=json`.
fn wants_json(head: &http::request::Parts) -> bool {
    let by_query = head.uri.query().is_some_and(|query| {
        query.split('&').any(|pair| pair == "format=json" || pair.split('=').next() == Some("verbose"))
    });
    by_query || lists(&head.headers, &ACCEPT, "application/json")
}

fn accepts_gzip(headers: &HeaderMap) -> bool {
    lists(headers, &ACCEPT_ENCODING, "gzip")
}

/// Whether a header's comma-separated list has `word`, and not at quality 0.
fn lists(headers: &HeaderMap, name: &HeaderName, word: &str) -> bool {
    let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|item| {
        let mut parts = item.split(';').map(str::trim);
        let found = parts.next().is_some_and(|found| found.eq_ignore_ascii_case(word));
        let refused =
            |part: &str| part.strip_prefix("q=").and_then(|quality| quality.parse::<f32>().ok()) == Some(0.0);
        found && !parts.any(refused)
    })
}

fn set(response: &mut Response<Body>, name: HeaderName, value: &'static str) {
    response.headers_mut().insert(name, HeaderValue::from_static(value));
}

fn empty(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

fn not_found() -> Response<Body> {
    let mut response = Response::new(Body::new(Full::from("404 page not found\n")));
    *response.status_mut() = StatusCode::NOT_FOUND;
    set(&mut response, CONTENT_TYPE, "text/plain; charset=utf-8");
    set(&mut response, X_CONTENT_TYPE_OPTIONS, "nosniff");
    response
}

fn unimplemented(path: &str) -> Response<Body> {
    let service = path.trim_start_matches('/').split('/').next().unwrap_or_default();
    tonic::Status::unimplemented(format!("unknown service {service}")).into_http()
}
