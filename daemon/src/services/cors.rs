//! Cross-origin requests, answered as flagd answers them, on the evaluation port and on OFREP's.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_REQUEST_HEADERS, ACCESS_CONTROL_REQUEST_METHOD, ORIGIN,
    VARY,
};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use tower::Service;

/// What flagd exposes, and `ETag`, which OFREP clients need to ask whether anything changed.
const EXPOSED: HeaderValue = HeaderValue::from_static(
    "Accept, Accept-Encoding, Accept-Post, Connect-Accept-Encoding, Connect-Content-Encoding, Content-Encoding, \
     Grpc-Accept-Encoding, Grpc-Encoding, Grpc-Message, Grpc-Status, Grpc-Status-Details-Bin, ETag",
);
const VARY_PREFLIGHT: HeaderValue =
    HeaderValue::from_static("Origin, Access-Control-Request-Method, Access-Control-Request-Headers");
const VARY_ORIGIN: HeaderValue = HeaderValue::from_static("Origin");
const METHODS: [Method; 6] =
    [Method::HEAD, Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE];

/// Which origins may read answers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Origins {
    /// Every page of the world.
    #[default]
    Any,
    /// These alone, such as `https://app.example.com`; `*` once in one of them stands for any text.
    Listed(Vec<String>),
}

impl Origins {
    /// The origins of `cors-origin`: an empty list, or one with `*` in it, means any.
    pub fn from_list(listed: &[String]) -> Self {
        if listed.is_empty() || listed.iter().any(|origin| origin == "*") {
            return Self::Any;
        }
        Self::Listed(listed.iter().map(|origin| origin.to_lowercase()).collect())
    }

    /// What `Access-Control-Allow-Origin` says to a page of this origin.
    fn allowed(&self, origin: &HeaderValue) -> Option<HeaderValue> {
        match self {
            Self::Any => Some(HeaderValue::from_static("*")),
            Self::Listed(listed) => {
                let text = origin.to_str().ok()?.to_lowercase();
                listed.iter().any(|pattern| is_match(pattern, &text)).then(|| origin.clone())
            }
        }
    }
}

fn is_match(pattern: &str, origin: &str) -> bool {
    match pattern.split_once('*') {
        Some((begin, end)) => {
            origin.len() >= begin.len() + end.len() && origin.starts_with(begin) && origin.ends_with(end)
        }
        None => pattern == origin,
    }
}

/// A service whose answers pages of other origins may read.
#[derive(Clone, Debug)]
pub struct Cors<S> {
    service: S,
    origins: Arc<Origins>,
}

impl<S> Cors<S> {
    /// Puts CORS round `service`.
    pub fn new(service: S, origins: Origins) -> Self {
        Self { service, origins: Arc::new(origins) }
    }
}

impl<S, B, A> Service<Request<B>> for Cors<S>
where
    S: Service<Request<B>, Response = Response<A>>,
    A: Default,
{
    type Response = Response<A>;
    type Error = S::Error;
    type Future = Allowing<S::Future, A>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.service.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let headers = request.headers();
        if request.method() == Method::OPTIONS && headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD) {
            let mut answer = Response::new(A::default());
            *answer.status_mut() = StatusCode::NO_CONTENT;
            *answer.headers_mut() = preflight(headers, &self.origins);
            return Allowing { asked: None, answer: Some(answer), allowed: None };
        }
        let allowed = headers.get(ORIGIN).and_then(|origin| self.origins.allowed(origin));
        Allowing { asked: Some(self.service.call(request)), answer: None, allowed }
    }
}

pin_project_lite::pin_project! {
    /// An answer under way, to be told which pages may read it.
    pub struct Allowing<F, A> {
        #[pin]
        asked: Option<F>,
        // Of a preflight, which the service is not asked.
        answer: Option<Response<A>>,
        allowed: Option<HeaderValue>,
    }
}

impl<F, A, E> Future for Allowing<F, A>
where
    F: Future<Output = Result<Response<A>, E>>,
{
    type Output = Result<Response<A>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let Some(asked) = this.asked.as_pin_mut() else {
            // A future that is done is not polled again.
            return this.answer.take().map_or(Poll::Pending, |answer| Poll::Ready(Ok(answer)));
        };
        let mut answer = ready!(asked.poll(cx))?;
        answer.headers_mut().append(VARY, VARY_ORIGIN);
        if let Some(origin) = this.allowed.take() {
            answer.headers_mut().insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
            answer.headers_mut().insert(ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
        }
        Poll::Ready(Ok(answer))
    }
}

/// What a page learns that asks whether it may ask. A refusal says nothing.
fn preflight(asked: &HeaderMap, origins: &Origins) -> HeaderMap {
    let mut answer = HeaderMap::new();
    answer.insert(VARY, VARY_PREFLIGHT);
    let Some(origin) = asked.get(ORIGIN).and_then(|origin| origins.allowed(origin)) else { return answer };
    let Some(method) = asked.get(ACCESS_CONTROL_REQUEST_METHOD) else { return answer };
    if !METHODS.iter().any(|known| known.as_str().as_bytes() == method.as_bytes()) {
        return answer;
    }
    answer.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    answer.insert(ACCESS_CONTROL_ALLOW_METHODS, method.clone());
    if let Some(headers) = asked.get(ACCESS_CONTROL_REQUEST_HEADERS).filter(|headers| !headers.is_empty()) {
        answer.insert(ACCESS_CONTROL_ALLOW_HEADERS, headers.clone());
    }
    answer
}
