//! gRPC, gRPC-Web and Connect on one port, over one gRPC service.
//!
//! ```text
//! method    path -> kind, shape, JSON                                   404, 405
//! dialect   content type -> protocol and codec; compression; deadline   415
//! read      body -> one encoded message, capped                         400, 429, 501 ...
//!           the service, asked in gRPC within the process
//! write     its answer -> unary or stream, JSON or protobuf, gzip or plain
//! fault     an error in each protocol's words
//! ```
//!
//! Every method of the evaluation services has one request message, so the body is read whole, within a limit, before the
//! service is asked; the service itself sees plain, uncompressed gRPC. An answer to a gRPC client that wants no compression is
//! passed on as it is. What is not here: evaluation, CORS ([`super::cors`]), connections and their limits ([`crate::listen`]).

mod dialect;
mod fault;
mod gzip;
mod json;
mod method;
mod read;
mod write;

use std::convert::Infallible;
use std::fmt::Display;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::request::Parts;
use http::{HeaderValue, Method as Verb, Request, Response, Version, header};
use http_body_util::Full;
use tonic::Status;
use tonic::body::Body;
use tower::{Service, ServiceExt};

use self::dialect::{Dialect, Gzip, Protocol};
use self::method::{Kind, Method};
use self::write::Recoded;
use super::cors::{Cors, Origins};

const GZIP: HeaderValue = HeaderValue::from_static("gzip");

/// What stands round the evaluation services.
#[derive(Clone, Debug)]
pub struct StackOptions {
    /// Which pages of which origins may ask, `cors-origin`.
    pub origins: Origins,
    /// The size of a request body in bytes, as sent and again decompressed, `max-request-body`; `None` for any size.
    pub body_bytes: Option<usize>,
}

/// Makes gRPC evaluation services (tonic's `Routes`) speak gRPC, gRPC-Web and Connect, with CORS.
///
/// The services must accept messages of any size: the limit is kept here, and a request in JSON grows when it is encoded.
pub fn evaluation_stack<S>(services: S, options: StackOptions) -> Cors<Connect<S>> {
    let limit = options.body_bytes.unwrap_or(usize::MAX);
    Cors::new(Connect { services, limit }, options.origins)
}

/// The label under which requests for `path` are counted.
pub fn label(path: &str) -> &'static str {
    method::label(path)
}

/// The message that the body of a request to `path` holds, encoded as protobuf: framing, compression and JSON of a client
/// that sent `content_type`, as one pure function.
///
/// # Errors
/// The status the client would get; UNIMPLEMENTED for a path or content type we do not answer.
pub fn decode_request(path: &str, content_type: &str, is_packed: bool, body: Bytes) -> Result<Bytes, Status> {
    let method = Method::at(path).ok_or_else(|| Status::unimplemented("unknown method"))?;
    let dialect = Dialect::of(content_type, method.kind);
    let dialect = dialect.ok_or_else(|| Status::unimplemented("unknown content type"))?;
    let gzip = Gzip { request: is_packed, answer: false };
    read::message(&body, method, dialect, gzip, body.len().saturating_mul(64).max(1 << 20))
}

/// See [`evaluation_stack`].
#[derive(Clone, Debug)]
pub struct Connect<S> {
    services: S,
    limit: usize,
}

impl<S, B> Service<Request<B>> for Connect<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
    B: http_body::Body<Data = Bytes, Error: Display + Send> + Send + 'static,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let this = self.clone();
        Box::pin(async move { Ok(this.answer(request).await) })
    }
}

/// A call that has been understood.
struct Call {
    method: &'static Method,
    dialect: &'static Dialect,
    gzip: Gzip,
    patience: Option<Duration>,
}

impl Call {
    /// Reads the headers in the order in which flagd complains of them.
    fn understand(method: &'static Method, dialect: &'static Dialect, head: &Parts) -> Result<Self, Status> {
        let gzip = Gzip::agree(&head.headers, dialect.protocol)?;
        dialect::check_version(&head.headers, dialect.protocol)?;
        let patience = dialect::patience(&head.headers, dialect.protocol)?;
        if patience.is_some_and(|patience| patience.is_zero()) {
            return Err(out_of_time());
        }
        Ok(Self { method, dialect, gzip, patience })
    }
}

fn out_of_time() -> Status {
    Status::deadline_exceeded("context deadline exceeded")
}

impl<S> Connect<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible> + Clone,
{
    async fn answer<B>(self, request: Request<B>) -> Response<Body>
    where
        B: http_body::Body<Data = Bytes, Error: Display + Send>,
    {
        let Some(method) = Method::at(request.uri().path()) else { return fault::not_found() };
        if request.method() != Verb::POST {
            return fault::method_not_allowed();
        }
        let content_type = dialect::text(request.headers(), header::CONTENT_TYPE);
        let Some(dialect) = Dialect::of(content_type, method.kind) else {
            return fault::unsupported_media_type(method.kind);
        };
        let (head, body) = request.into_parts();
        let answer = match Call::understand(method, dialect, &head) {
            Ok(call) => self.carry_out(call, head, body).await,
            Err(status) => Err(status),
        };
        answer.unwrap_or_else(|status| fault::answer(status, dialect))
    }

    async fn carry_out<B>(self, call: Call, head: Parts, body: B) -> Result<Response<Body>, Status>
    where
        B: http_body::Body<Data = Bytes, Error: Display + Send>,
    {
        let protocol = call.dialect.protocol;
        let asked = async {
            let body = read::body(body, protocol, self.limit).await?;
            let message = read::message(&body, call.method, call.dialect, call.gzip, self.limit)?;
            let request =
                Request::from_parts(inner_head(head), Body::new(Full::new(inner_body(&body, message))));
            let Ok(answer) = self.services.oneshot(request).await;
            match Status::from_header_map(answer.headers()) {
                Some(status) if status.code() != tonic::Code::Ok => Err(status),
                _ => Ok(answer),
            }
        };
        let answer = match call.patience {
            Some(patience) => {
                tokio::time::timeout(patience, asked).await.unwrap_or_else(|_| Err(out_of_time()))?
            }
            None => asked.await?,
        };
        let (head, body) = answer.into_parts();
        let body = call.say(body).await?;
        Ok(Response::from_parts(outer_head(head, call.dialect, call.gzip), body))
    }
}

impl Call {
    /// The service's answer as the client reads it.
    async fn say(&self, body: Body) -> Result<Body, Status> {
        let Self { method, dialect, gzip, patience } = *self;
        Ok(match dialect.protocol {
            Protocol::ConnectUnary => {
                let message = write::only_message(body).await?;
                Body::new(Full::new(write::encode(message, method, dialect.codec, gzip.answer)?))
            }
            Protocol::Grpc if is_passed_on(dialect, gzip, method.kind, patience) => body,
            _ => Body::new(Recoded {
                body,
                method,
                dialect,
                is_packed: gzip.answer,
                deadline: patience
                    .filter(|_| method.kind == Kind::Stream)
                    .map(tokio::time::sleep)
                    .map(Box::pin),
                frames: BytesMut::new(),
                is_over: false,
            }),
        })
    }
}

/// Whether the service's answer is what the client wants, byte for byte.
fn is_passed_on(dialect: &Dialect, gzip: Gzip, kind: Kind, patience: Option<Duration>) -> bool {
    let ends_itself = kind == Kind::Unary || patience.is_none();
    dialect.codec == dialect::Codec::Proto && !gzip.answer && ends_itself
}

/// The head of the request to the service: the client's headers, but for those that speak of its protocol.
fn inner_head(mut head: Parts) -> Parts {
    head.version = Version::HTTP_2;
    let foreign = [
        header::CONTENT_LENGTH,
        header::CONTENT_ENCODING,
        header::ACCEPT_ENCODING,
        header::TRANSFER_ENCODING,
        header::CONNECTION,
    ];
    for name in foreign {
        head.headers.remove(name);
    }
    for name in ["grpc-encoding", "grpc-accept-encoding", "grpc-timeout"] {
        head.headers.remove(name);
    }
    head.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    head.headers.insert(header::TE, HeaderValue::from_static("trailers"));
    head
}

/// The body of the request to the service: the client's own, if it is the message in an envelope already.
fn inner_body(body: &Bytes, message: Bytes) -> Bytes {
    let is_enveloped = body.len() == read::PREFIX + message.len()
        && body.first() == Some(&0)
        && body[read::PREFIX..].as_ptr() == message.as_ptr();
    if is_enveloped { body.clone() } else { write::frame(0, &message).into() }
}

/// The head of the answer to the client.
fn outer_head(mut head: http::response::Parts, dialect: &Dialect, gzip: Gzip) -> http::response::Parts {
    let (encoding, accepted) = dialect.protocol.encoding_headers();
    head.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(dialect.content_type));
    head.headers.insert(accepted, GZIP);
    if gzip.answer {
        head.headers.insert(encoding, GZIP);
    }
    if !matches!(dialect.protocol, Protocol::Grpc) {
        head.headers.remove(Status::GRPC_STATUS);
        head.headers.remove(Status::GRPC_MESSAGE);
    }
    head
}
