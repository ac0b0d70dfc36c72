//! OFREP: flags over plain HTTP and JSON (contract 4), with ETags and event streams of OFREP 0.3.0.
//!
//! ```text
//! path --route--> one flag | all flags                        | news
//!                 body -> light -> ask -> convert -> answer   | events: server-sent, until the daemon closes
//!                                  tag: 304 when nothing can have changed
//! ```
//!
//! What is not here: CORS and metrics (layers round this), TLS and header limits (`listen`).

mod body;
mod convert;
mod events;
mod route;
mod tag;

use std::borrow::Cow;
use std::convert::Infallible;
use std::fmt::Write;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use engine::{Bump, Selector};
use http::header::{
    CACHE_CONTROL, CONNECTION, CONTENT_TYPE, ETAG, LOCATION, RETRY_AFTER, X_CONTENT_TYPE_OPTIONS,
};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Version};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited, StreamBody};
use store::Store;
use tokio::sync::{Semaphore, watch};
use tonic::body::Body;
use tower::Service;

use self::events::{News, Wish};
use self::route::{Route, route};
use self::tag::{Hash, Views};
use crate::ask::{Ask, Outcome, Type};
use crate::light::{Body as ContextBody, Enrichment, Light, Unreadable};
use crate::listen::aside;

pub use self::body::{NotARequest, context};
pub use self::route::label;

/// How many clients may follow the news at once.
const FOLLOWERS: usize = 8192;
/// How long a hidden page stays connected, in seconds; OFREP's own default.
const IDLE_SECONDS: u64 = 120;

const SELECTOR: HeaderName = HeaderName::from_static("flagd-selector");
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
const FORWARDED_PREFIX: HeaderName = HeaderName::from_static("x-forwarded-prefix");
const JSON: HeaderValue = HeaderValue::from_static("application/json");

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// The OFREP service. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Ofrep {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    ask: Ask,
    store: Arc<Store>,
    views: Arc<Views>,
    places: Arc<Semaphore>,
    body_bytes: Option<usize>,
    closing: watch::Receiver<bool>,
}

impl Ofrep {
    /// `body_bytes` is the most that a request body may have, `None` for no limit. Event streams end when `closing` turns
    /// true. `salt` stands for the options that answers depend on (the bucketing, say), so that ETags differ when they do.
    pub fn new(
        ask: Ask,
        store: Arc<Store>,
        body_bytes: Option<usize>,
        salt: &str,
        closing: watch::Receiver<bool>,
    ) -> Self {
        let mut all = Hash::default();
        all.part(salt);
        for (key, value) in ask.enrichment().fixed() {
            all.part(key).part(value);
        }
        let views = Arc::new(Views::new(&all.hex()));
        let places = Arc::new(Semaphore::new(FOLLOWERS));
        Self { shared: Arc::new(Shared { ask, store, views, places, body_bytes, closing }) }
    }
}

/// Writes a flag's reply before anybody asks for it.
pub(super) fn foresee(outcome: &Outcome<'_>) {
    convert::evaluation(&mut Vec::new(), outcome, None);
}

impl<B> Service<Request<B>> for Ofrep
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
        let shared = Arc::clone(&self.shared);
        Box::pin(async move { Ok(shared.answer(request).await) })
    }
}

impl Shared {
    async fn answer<B>(&self, request: Request<B>) -> Response<Body>
    where
        B: http_body::Body<Data = Bytes>,
        B::Error: Into<BoxError>,
    {
        let (head, body) = request.into_parts();
        match route(head.uri.path()) {
            Route::Single(_) | Route::Bulk if head.method != Method::POST => {
                empty(StatusCode::METHOD_NOT_ALLOWED)
            }
            Route::Single(key) => match self.read(&head, body).await {
                Ok(body) => self.single(&head, &key, &body),
                Err(refusal) => refusal.response(Some(&key)),
            },
            Route::Bulk => match self.read(&head, body).await {
                Ok(body) => {
                    aside(head.version).await;
                    self.bulk(&head, &body)
                }
                Err(refusal) => refusal.response(None),
            },
            Route::Events if head.method != Method::GET => empty(StatusCode::METHOD_NOT_ALLOWED),
            Route::Events => self.events(&head),
            Route::Moved(path) => moved(&head, path),
            Route::Malformed => plain(StatusCode::BAD_REQUEST, "400 Bad Request"),
            Route::Unknown => plain(StatusCode::NOT_FOUND, "404 page not found\n"),
        }
    }

    async fn read<B>(&self, head: &Parts, body: B) -> Result<Bytes, Refusal>
    where
        B: http_body::Body<Data = Bytes>,
        B::Error: Into<BoxError>,
    {
        let limit = self.body_bytes.unwrap_or(usize::MAX);
        let too_large = Refusal::TooLarge { close: head.version < Version::HTTP_2 };
        if body.size_hint().lower() > limit as u64 {
            return Err(too_large);
        }
        match Limited::new(body, limit).collect().await {
            Ok(body) => Ok(body.to_bytes()),
            Err(error) if error.is::<LengthLimitError>() => Err(too_large),
            // What stalls or breaks off is no context either.
            Err(_) => Err(Refusal::Context),
        }
    }

    fn single(&self, head: &Parts, key: &str, body: &[u8]) -> Response<Body> {
        let text = String::from_utf8_lossy(body);
        let selector = selector(&head.headers);
        let answer = light(&text, &head.headers).and_then(|light| {
            let selector = Selector::parse(&selector).map_err(Refusal::from)?;
            let mut out = Vec::with_capacity(256);
            let render = |outcome: crate::ask::Outcome<'_>| {
                convert::evaluation(&mut out, &outcome, selector.reflection())
            };
            let status = self.ask.one(key, &selector, Type::Any, &light, render)?;
            Ok(json(status, out))
        });
        answer.unwrap_or_else(|refusal| refusal.response(Some(key)))
    }

    fn bulk(&self, head: &Parts, body: &[u8]) -> Response<Body> {
        let text = String::from_utf8_lossy(body);
        let selector = selector(&head.headers);
        let answer = light(&text, &head.headers).and_then(|light| {
            let selector = Selector::parse(&selector).map_err(Refusal::from)?;
            self.all(head, &selector, &light)
        });
        answer.unwrap_or_else(|refusal| refusal.response(None))
    }

    fn all(
        &self,
        head: &Parts,
        selector: &Selector<'_>,
        light: &Light<'_>,
    ) -> Result<Response<Body>, Refusal> {
        let snapshot = self.store.read();
        let view = self.views.view(&snapshot, selector);
        let prefix = prefix(&head.headers);
        let mut tag = self.tag(&view.tag, light, prefix);
        if !view.timely && tag::is_known(&head.headers, &tag) {
            return Ok(unmodified(&tag));
        }
        let mut out = b"{\"flags\":[".to_vec();
        let start = out.len();
        self.ask.all_of(
            &snapshot,
            selector,
            light,
            |_| Some(Type::Any),
            |outcome| {
                if out.len() > start {
                    out.push(b',');
                }
                convert::evaluation(&mut out, &outcome, selector.reflection());
            },
        )?;
        let events = Wish::address(prefix, &expression(selector), &view.tag);
        convert::bulk_end(&mut out, selector.reflection(), &events, IDLE_SECONDS);
        if view.timely {
            tag = tag::of_body(&out);
            if tag::is_known(&head.headers, &tag) {
                return Ok(unmodified(&tag));
            }
        }
        let mut response = json(StatusCode::OK, out);
        set_tag(&mut response, &tag);
        Ok(response)
    }

    /// The tag of an answer that follows from the flags and the request alone.
    fn tag(&self, view: &str, light: &Light<'_>, prefix: &str) -> Box<str> {
        let mut hash = Hash::default();
        hash.part(view).part(prefix);
        hash.part(match light.body {
            ContextBody::Json(text) => text,
            _ => "",
        });
        let headers = light.headers.into_iter();
        for (key, value) in headers.flat_map(|headers| self.ask.enrichment().mapped(headers)) {
            hash.part(key).part(value);
        }
        hash.hex()
    }

    fn events(&self, head: &Parts) -> Response<Body> {
        let wish = Wish::read(head.uri.query().unwrap_or_default());
        let selector = wish.selector.unwrap_or_else(|| selector(&head.headers).into_owned());
        if let Err(error) = Selector::parse(&selector) {
            return Refusal::from(error).response(None);
        }
        let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else {
            let mut response = json(
                StatusCode::SERVICE_UNAVAILABLE,
                br#"{"errorDetails":"too many event streams"}"#.to_vec(),
            );
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("30"));
            return response;
        };
        let last = head.headers.get(LAST_EVENT_ID).and_then(|id| id.to_str().ok()).map(str::to_owned);
        let news = News {
            store: Arc::clone(&self.store),
            views: Arc::clone(&self.views),
            selector,
            since: last.or(wish.since),
            closing: self.closing.clone(),
        };
        let mut response = Response::new(Body::new(StreamBody::new(news.frames(place))));
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache, no-transform"));
        // nginx would otherwise hold events back until it has a page full of them.
        headers.insert(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
        response
    }
}

/// Why a request is refused before any evaluation.
enum Refusal {
    /// The body or the context in it cannot be read.
    Context,
    /// The selector cannot be read; says why.
    Selector(String),
    /// The body is larger than allowed; `close` if the connection is of no use afterwards.
    TooLarge { close: bool },
}

impl From<Unreadable> for Refusal {
    fn from(_: Unreadable) -> Self {
        Self::Context
    }
}

impl From<engine::SelectorError> for Refusal {
    fn from(error: engine::SelectorError) -> Self {
        Self::Selector(error.to_string())
    }
}

impl Refusal {
    fn response(&self, key: Option<&str>) -> Response<Body> {
        let mut out = Vec::with_capacity(128);
        match self {
            Self::Context => {
                convert::refusal(&mut out, key, "INVALID_CONTEXT", "Provider context is not valid")
            }
            Self::Selector(why) => {
                let mut details = String::from("invalid selector: ");
                // Writing to a string cannot fail.
                let _ = details.write_str(why);
                convert::refusal(&mut out, key, "GENERAL", &details);
            }
            Self::TooLarge { close } => {
                out.extend_from_slice(br#"{"errorDetails":"request body too large"}"#);
                let mut response = json(StatusCode::PAYLOAD_TOO_LARGE, out);
                if *close {
                    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
                }
                return response;
            }
        }
        json(StatusCode::BAD_REQUEST, out)
    }
}

/// Whether a request with this body would be evaluated: the whole way of a body, as one pure function.
pub fn is_readable(body: &[u8]) -> bool {
    let (text, headers) = (String::from_utf8_lossy(body), HeaderMap::new());
    let read = light(&text, &headers);
    read.is_ok_and(|light| Enrichment::default().lay(&light, &Bump::new(), |_| ()).is_ok())
}

fn light<'r>(body: &'r str, headers: &'r HeaderMap) -> Result<Light<'r>, Refusal> {
    let context = context(body).map_err(|NotARequest| Refusal::Context)?;
    let body = context.map_or(ContextBody::Empty, ContextBody::Json);
    Ok(Light { body, headers: Some(headers) })
}

fn selector(headers: &HeaderMap) -> Cow<'_, str> {
    headers.get(SELECTOR).map(|value| String::from_utf8_lossy(value.as_bytes())).unwrap_or_default()
}

/// The selector as a client would write it.
fn expression(selector: &Selector<'_>) -> String {
    match selector {
        Selector::Any => String::new(),
        Selector::FlagSet(id) => format!("flagSetId={id}"),
        Selector::Source(uri) => format!("source={uri}"),
    }
}

/// The path below which a proxy shows us, if it says so and means a path.
fn prefix(headers: &HeaderMap) -> &str {
    let told = headers.get(FORWARDED_PREFIX).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let told = told.trim_end_matches('/');
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/-._~".contains(&byte);
    let is_path = told.starts_with('/') && !told.starts_with("//") && told.bytes().all(plain);
    if is_path { told } else { "" }
}

fn json(status: StatusCode, body: Vec<u8>) -> Response<Body> {
    let mut response = Response::new(Body::new(Full::from(body)));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, JSON);
    response
}

fn empty(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

fn plain(status: StatusCode, text: &'static str) -> Response<Body> {
    let mut response = Response::new(Body::new(Full::from(text)));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response.headers_mut().insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

fn moved(head: &Parts, path: String) -> Response<Body> {
    let target = match head.uri.query() {
        Some(query) => format!("{path}?{query}"),
        None => path,
    };
    match HeaderValue::try_from(target) {
        Ok(target) => {
            let mut response = empty(StatusCode::MOVED_PERMANENTLY);
            response.headers_mut().insert(LOCATION, target);
            response
        }
        Err(_) => plain(StatusCode::BAD_REQUEST, "400 Bad Request"),
    }
}

fn unmodified(tag: &str) -> Response<Body> {
    let mut response = empty(StatusCode::NOT_MODIFIED);
    set_tag(&mut response, tag);
    response
}

fn set_tag(response: &mut Response<Body>, tag: &str) {
    // Hexadecimal digits make a header value always.
    if let Ok(value) = HeaderValue::try_from(format!("\"{tag}\"")) {
        response.headers_mut().insert(ETAG, value);
    }
}
