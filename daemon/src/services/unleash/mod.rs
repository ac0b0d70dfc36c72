//! The client and frontend APIs of Unleash, served from our snapshot, so that its SDKs can move without a change of code: what
//! Unleash Edge does.
//!
//! ```text
//! token --Gate: asked of the server once, remembered--> what it may see
//! GET  /api/client/features    the definitions, with ETag            place: the documents of one source, per generation
//! GET, POST /api/frontend      the flags that are on for a context
//! POST register, metrics       added up, passed on once a minute
//! ```
//!
//! Many clients cost the server one poll. What is not here: the server's admin API, and streaming, which only its enterprise
//! version has.

mod place;
mod route;

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use serde_json::{Value, json};
use store::{Origin, OriginError, Store};
use tokio::sync::{Mutex, watch};
use tokio::task::JoinSet;
use tonic::body::Body;
use tower::Service;
use unleash::door::{Denied, Form, Kind, Registration, Token, Usage, context_of_json, context_of_query};

use crate::ask;
use place::Place;
use route::{Route, route};

pub use route::label;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// The most of a body when requests have no other limit.
const MOST_BYTES: usize = 1 << 20;

/// The service. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Unleash {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    store: Arc<Store>,
    places: Vec<Arc<Place>>,
    body_bytes: usize,
    /// What passes reports on, to the end.
    reports: Mutex<JoinSet<()>>,
}

impl Unleash {
    /// Serves the flags of `origins`, sources of Unleash that `store` follows. Must be called in a Tokio runtime: what SDKs
    /// report is passed on in the background until `closing` turns true.
    ///
    /// # Errors
    /// An option of an origin cannot be used.
    pub fn new(
        store: Arc<Store>,
        origins: &[Origin],
        body_bytes: Option<usize>,
        closing: &watch::Receiver<bool>,
    ) -> Result<Self, OriginError> {
        let places = origins.iter().map(|origin| Place::open(origin).map(Arc::new));
        let places = places.collect::<Result<Vec<_>, _>>()?;
        let mut reports = JoinSet::new();
        for place in &places {
            reports.spawn(Arc::clone(place).report(closing.clone()));
        }
        let body_bytes = body_bytes.unwrap_or(MOST_BYTES);
        let reports = Mutex::new(reports);
        Ok(Self { shared: Arc::new(Shared { store, places, body_bytes, reports }) })
    }

    /// Waits until the last reports are passed on, after `closing` has turned true.
    pub async fn farewell(&self) {
        let mut reports = self.shared.reports.lock().await;
        while reports.join_next().await.is_some() {}
    }
}

impl<B> Service<Request<B>> for Unleash
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
        Box::pin(async move {
            let (head, body) = request.into_parts();
            Ok(shared.answer(&head, body).await.unwrap_or_else(Refusal::response))
        })
    }
}

/// Why a request gets nothing.
enum Refusal {
    NoSuchPath,
    Method,
    Denied(Denied),
    NotReady,
    Body,
}

impl Shared {
    async fn answer<B>(&self, head: &Parts, body: B) -> Result<Response<Body>, Refusal>
    where
        B: http_body::Body<Data = Bytes>,
        B::Error: Into<BoxError>,
    {
        let route = route(head.uri.path()).ok_or(Refusal::NoSuchPath)?;
        let reads = matches!(route, Route::Health | Route::Features | Route::Frontend);
        let allowed = match head.method {
            Method::GET => reads,
            Method::POST => route == Route::Frontend || !reads,
            _ => false,
        };
        if !allowed {
            return Err(Refusal::Method);
        }
        if route == Route::Health {
            return Ok(answer(StatusCode::OK, &json!({"health": "GOOD"})));
        }
        let (place, token) = self.admit(&head.headers, route.kind()).await?;
        match route {
            Route::Features => self.features(head, place, &token).await,
            Route::Frontend => {
                let body = self.read(body).await?;
                self.frontend(head, &body, place, &token).await
            }
            Route::Register(_) => {
                let body = self.read(body).await?;
                let registration: Registration = serde_json::from_slice(&body).map_err(|_| Refusal::Body)?;
                place.desk.register(registration, &token.environment);
                Ok(accepted(route))
            }
            Route::Metrics(_) => {
                let body = self.read(body).await?;
                let usage: Usage = serde_json::from_slice(&body).map_err(|_| Refusal::Body)?;
                place.desk.count(usage, &token.environment);
                Ok(accepted(route))
            }
            Route::Health => Err(Refusal::NoSuchPath),
        }
    }

    /// The first place that knows the token.
    async fn admit(&self, headers: &HeaderMap, kind: Kind) -> Result<(&Arc<Place>, Token), Refusal> {
        let text = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let mut denied = Denied::Unknown;
        for place in &self.places {
            match place.gate.admit(text.trim(), kind).await {
                Ok(token) => return Ok((place, token)),
                // What says more than "unknown" is told.
                Err(why) if denied == Denied::Unknown => denied = why,
                Err(_) => {}
            }
        }
        Err(Refusal::Denied(denied))
    }

    async fn features(
        &self,
        head: &Parts,
        place: &Arc<Place>,
        token: &Token,
    ) -> Result<Response<Body>, Refusal> {
        let door = place.door(&self.store).await.ok_or(Refusal::NotReady)?;
        let specification = head.headers.get("unleash-client-spec").and_then(|value| value.to_str().ok());
        let prefix = place::parameter(head.uri.query().unwrap_or_default(), "namePrefix");
        let (document, etag) = door.document(token, &prefix, Form::for_client(specification));
        let known = head.headers.get_all(IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
        let known = known.flat_map(|list| list.split(',')).any(|one| {
            let one = one.trim();
            one == "*" || one.strip_prefix("W/").unwrap_or(one) == etag
        });
        let mut response = if known {
            let mut response = Response::new(Body::empty());
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            response
        } else {
            json_text(StatusCode::OK, document)
        };
        // Hexadecimal digits and colons make a header value always.
        if let Ok(etag) = HeaderValue::try_from(etag) {
            response.headers_mut().insert(ETAG, etag);
        }
        Ok(response)
    }

    async fn frontend(
        &self,
        head: &Parts,
        body: &[u8],
        place: &Arc<Place>,
        token: &Token,
    ) -> Result<Response<Body>, Refusal> {
        let context = match head.method {
            Method::GET => context_of_query(head.uri.query().unwrap_or_default()),
            _ => context_of_json(body),
        };
        let context = context.ok_or(Refusal::Body)?;
        let door = place.door(&self.store).await.ok_or(Refusal::NotReady)?;
        let toggles = door.toggles(token, context, ask::now());
        Ok(answer(StatusCode::OK, &json!({ "toggles": toggles })))
    }

    async fn read<B>(&self, body: B) -> Result<Bytes, Refusal>
    where
        B: http_body::Body<Data = Bytes>,
        B::Error: Into<BoxError>,
    {
        Limited::new(body, self.body_bytes)
            .collect()
            .await
            .map(|body| body.to_bytes())
            .map_err(|_| Refusal::Body)
    }
}

impl Refusal {
    /// As the server itself says it.
    fn response(self) -> Response<Body> {
        let (status, name, message) = match self {
            Self::NoSuchPath => (StatusCode::NOT_FOUND, "NotFoundError", "there is no such path here"),
            Self::Method => (StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed", "not by this method"),
            Self::Body => (
                StatusCode::BAD_REQUEST,
                "BadDataError",
                "the request's body cannot be read, or is too large",
            ),
            Self::NotReady => {
                (StatusCode::SERVICE_UNAVAILABLE, "NotReady", "no flags have come from the server yet")
            }
            Self::Denied(Denied::Unknown) => {
                (StatusCode::UNAUTHORIZED, "AuthenticationRequired", "the server does not know this token")
            }
            Self::Denied(Denied::WrongKind) => (
                StatusCode::FORBIDDEN,
                "NoAccessError",
                "invalid token: expected a different token type for this endpoint",
            ),
            Self::Denied(Denied::WrongEnvironment) => (
                StatusCode::FORBIDDEN,
                "NoAccessError",
                "the token is for another environment than is served here",
            ),
            Self::Denied(Denied::Later) => (
                StatusCode::SERVICE_UNAVAILABLE,
                "TokenNotChecked",
                "the token cannot be checked now, as the server does not answer",
            ),
        };
        answer(status, &json!({ "name": name, "message": message }))
    }
}

/// What a report is answered with: 202 on the client API, 200 on the frontend API.
fn accepted(route: Route) -> Response<Body> {
    let status = match route.kind() {
        Kind::Backend => StatusCode::ACCEPTED,
        Kind::Frontend => StatusCode::OK,
    };
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

fn answer(status: StatusCode, body: &Value) -> Response<Body> {
    json_text(status, body.to_string())
}

fn json_text(status: StatusCode, text: String) -> Response<Body> {
    let mut response = Response::new(Body::new(Full::from(text)));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
