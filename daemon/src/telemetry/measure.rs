//! The layer round a port's service that counts its requests.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response};
use http_body::{Body as _, Frame, SizeHint};
use tonic::body::Body;
use tower::{Layer, Service};
use tracing::Span;
use tracing::field::Empty;

use super::SPANS;
use super::requests::{Done, GIVEN_UP, Requests, Target};

/// Counts the requests of one port.
#[derive(Clone, Debug)]
pub struct Measure {
    requests: Arc<Requests>,
    scheme: &'static str,
    route: fn(&str) -> &'static str,
    traced: bool,
}

impl Measure {
    /// `route` names the route of a path; it gives words of a fixed set, never the path itself. `tls` decides the scheme.
    pub fn new(requests: Arc<Requests>, tls: bool, route: fn(&str) -> &'static str) -> Self {
        Self { requests, scheme: if tls { "https" } else { "http" }, route, traced: false }
    }

    /// Makes a span of each request, if `traced`.
    #[must_use]
    pub fn traced(self, traced: bool) -> Self {
        Self { traced, ..self }
    }

    /// The span of a request, which continues the trace that its headers name.
    fn span(&self, target: Target, headers: &HeaderMap) -> Span {
        if !self.traced {
            return Span::none();
        }
        let span = tracing::info_span!(
            target: SPANS,
            "request",
            otel.name = span_name(target.route),
            otel.kind = "server",
            http.route = target.route,
            http.request.method = target.method,
            http.response.status_code = Empty,
            url.scheme = target.scheme,
            feature_flag.key = Empty,
            feature_flag.provider.name = "flagd",
            feature_flag.result.variant = Empty,
            feature_flag.result.reason = Empty,
            error.type = Empty,
        );
        #[cfg(feature = "otel")]
        super::export::continue_trace(&span, headers);
        #[cfg(not(feature = "otel"))]
        let _ = headers;
        span
    }
}

/// What flagd calls the span: the method, its first letter small, or else the route.
fn span_name(route: &'static str) -> String {
    match route.rsplit_once('/') {
        Some((service, method)) if service.contains('.') => {
            let (first, rest) = method.split_at(method.len().min(1));
            first.to_ascii_lowercase() + rest
        }
        _ => route.to_owned(),
    }
}

impl<S> Layer<S> for Measure {
    type Service = Measured<S>;

    fn layer(&self, inner: S) -> Measured<S> {
        Measured { inner, measure: self.clone() }
    }
}

/// A service whose requests are counted.
#[derive(Clone, Debug)]
pub struct Measured<S> {
    inner: S,
    measure: Measure,
}

impl<S, B> Service<Request<B>> for Measured<S>
where
    S: Service<Request<B>, Response = Response<Body>, Error = Infallible>,
    B: http_body::Body,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Answering<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let target = Target {
            route: (self.measure.route)(request.uri().path()),
            method: method(request.method()),
            scheme: self.measure.scheme,
        };
        let span = self.measure.span(target, request.headers());
        let size = request.body().size_hint().exact();
        let clock = Clock::start(&self.measure.requests, target, size, span.clone());
        let inner = span.in_scope(|| self.inner.call(request));
        Answering { inner, clock: Some(clock) }
    }
}

pin_project_lite::pin_project! {
    /// The answer of a counted service, under way.
    #[derive(Debug)]
    pub struct Answering<F> {
        #[pin]
        inner: F,
        clock: Option<Clock>,
    }
}

impl<F: Future<Output = Result<Response<Body>, Infallible>>> Future for Answering<F> {
    type Output = Result<Response<Body>, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let span = this.clock.as_ref().map(|clock| clock.span.clone()).unwrap_or_else(Span::none);
        let response = match ready!(span.in_scope(|| this.inner.poll(cx))) {
            Ok(response) => response,
            Err(never) => match never {},
        };
        let Some(mut clock) = this.clock.take() else { return Poll::Ready(Ok(response)) };
        clock.done.status = response.status().as_u16();
        clock.span.record("http.response.status_code", clock.done.status);
        if let Some(bytes) = response.body().size_hint().exact() {
            clock.done.response_bytes = bytes;
            return Poll::Ready(Ok(response));
        }
        Poll::Ready(Ok(response.map(|inner| Body::new(Counted { inner, clock }))))
    }
}

/// Runs from the request's head to the answer's last byte; dropping it stops it.
#[derive(Debug)]
struct Clock {
    requests: Arc<Requests>,
    target: Target,
    since: Instant,
    done: Done,
    span: Span,
}

impl Clock {
    fn start(requests: &Arc<Requests>, target: Target, request_bytes: Option<u64>, span: Span) -> Self {
        requests.began(target);
        let done = Done { status: GIVEN_UP, seconds: 0.0, request_bytes, response_bytes: 0 };
        Self { requests: Arc::clone(requests), target, since: Instant::now(), done, span }
    }
}

impl Drop for Clock {
    fn drop(&mut self) {
        self.done.seconds = self.since.elapsed().as_secs_f64();
        self.requests.ended(self.target, self.done);
    }
}

/// A body of unknown length whose bytes are counted as they pass.
#[derive(Debug)]
struct Counted {
    inner: Body,
    clock: Clock,
}

impl http_body::Body for Counted {
    type Data = Bytes;
    type Error = <Body as http_body::Body>::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let frame = ready!(Pin::new(&mut self.inner).poll_frame(cx));
        if let Some(Ok(frame)) = &frame {
            self.clock.done.response_bytes += frame.data_ref().map_or(0, |data| data.len() as u64);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

fn method(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::HEAD => "HEAD",
        Method::OPTIONS => "OPTIONS",
        Method::PUT => "PUT",
        Method::DELETE => "DELETE",
        Method::PATCH => "PATCH",
        Method::TRACE => "TRACE",
        Method::CONNECT => "CONNECT",
        _ => "_OTHER",
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::{BodyExt, Full, StreamBody};

    use super::*;
    use crate::telemetry::exposition::Exposition;

    fn text(requests: &Requests) -> String {
        let mut out = Exposition::default();
        requests.render(&mut out);
        out.finish()
    }

    fn measured<S: Clone>(requests: &Arc<Requests>, inner: S) -> Measured<S> {
        Measure::new(Arc::clone(requests), false, |path| if path == "/a" { "/a" } else { "other" })
            .layer(inner)
    }

    #[tokio::test]
    async fn the_true_status_and_the_bytes_of_a_stream_are_counted() {
        let requests = Arc::new(Requests::default());
        let inner = tower::service_fn(async |_: Request<Full<Bytes>>| {
            let frames =
                [Bytes::from("12345"), Bytes::from("678")].map(|data| Ok::<_, Infallible>(Frame::data(data)));
            let mut response = Response::new(Body::new(StreamBody::new(futures_util::stream::iter(frames))));
            *response.status_mut() = http::StatusCode::IM_A_TEAPOT;
            Ok::<_, Infallible>(response)
        });
        let request = Request::post("/unheard-of").body(Full::from("abc")).expect("a request");
        let response = measured(&requests, inner).call(request).await.expect("an answer");
        assert!(text(&requests).contains(r#"http_route="other",service_name="flagd",url_scheme="http"} 1"#));
        response.into_body().collect().await.expect("a body");
        let text = text(&requests);
        let labels = r#"{http_request_method="POST",http_response_status_code="418",http_route="other",service_name="flagd",url_scheme="http"}"#;
        assert!(text.contains(&format!("http_server_response_body_size_bytes_sum{labels} 8\n")), "{text}");
        assert!(text.contains(&format!("http_server_request_body_size_bytes_sum{labels} 3\n")), "{text}");
    }

    #[tokio::test]
    async fn a_request_given_up_is_counted_as_such() {
        let requests = Arc::new(Requests::default());
        let inner = tower::service_fn(|_: Request<Full<Bytes>>| {
            std::future::pending::<Result<Response<Body>, Infallible>>()
        });
        let request = Request::get("/a").body(Full::default()).expect("a request");
        drop(measured(&requests, inner).call(request));
        assert!(text(&requests).contains(r#"http_response_status_code="499",http_route="/a""#));
    }
}
