//! gRPC, gRPC-Web and Connect on one port, over one set of methods.
//!
//! ```text
//! method    path -> kind, shape, JSON                                   404, 405
//! dialect   content type -> protocol and codec; compression; deadline   415
//! read      body -> one encoded message, capped                         400, 429, 501 ...
//!           the methods: an encoded message in, gRPC frames out
//! write     frames -> unary or stream, JSON or protobuf, gzip or plain
//! fault     an error in each protocol's words
//! ```
//!
//! Every method of the evaluation services has one request message, so the body is read whole, within a limit, before the
//! method is asked; the methods see plain, uncompressed protobuf. A frame for a gRPC client that wants no compression is
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
use std::future::ready;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method as Verb, Request, Response, Version, header};
use http_body_util::Full;
use tonic::Status;
use tonic::body::Body;
use tower::Service;

use self::dialect::{Codec, Dialect, Gzip, Protocol};
use self::method::{Kind, Method};
use self::write::Recoded;
use super::cors::{Cors, Origins};
use super::grpc;
pub use super::grpc::{FrameStream, Frames, Methods};
use crate::listen::aside;

const GZIP: HeaderValue = HeaderValue::from_static("gzip");

/// What stands round the evaluation services.
#[derive(Clone, Debug)]
pub struct StackOptions {
    /// Which pages of which origins may ask, `cors-origin`.
    pub origins: Origins,
    /// The size of a request body in bytes, as sent and again decompressed, `max-request-body`; `None` for any size.
    pub body_bytes: Option<usize>,
}

/// Makes methods speak gRPC, gRPC-Web and Connect, with CORS.
pub fn evaluation_stack<M: Methods>(methods: M, options: StackOptions) -> Cors<Connect<M>> {
    let limit = options.body_bytes.unwrap_or(usize::MAX);
    Cors::new(Connect { methods, limit }, options.origins)
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
pub struct Connect<M> {
    methods: M,
    limit: usize,
}

impl<M, B> Service<Request<B>> for Connect<M>
where
    M: Methods,
    B: http_body::Body<Data = Bytes, Error: Display + Send> + Send + 'static,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let call = match Call::of(&request) {
            Ok(call) => call,
            Err(refusal) => return Box::pin(ready(Ok(*refusal))),
        };
        let (head, body) = request.into_parts();
        // What waits is moved into its place once: it holds no more than it needs.
        let carried = carry_out(self.methods.clone(), self.limit, call, head.headers, body);
        match call.patience {
            None => Box::pin(carried),
            Some(patience) => Box::pin(async move {
                let carried = Box::pin(carried);
                tokio::time::timeout(patience, carried)
                    .await
                    .unwrap_or_else(|_| Ok(fault::answer(out_of_time(), call.dialect)))
            }),
        }
    }
}

/// A call that has been understood.
#[derive(Clone, Copy)]
struct Call {
    method: &'static Method,
    dialect: &'static Dialect,
    gzip: Gzip,
    patience: Option<Duration>,
    version: Version,
}

impl Call {
    /// What a request asks for, or the refusal of what cannot be understood.
    fn of<B>(request: &Request<B>) -> Result<Self, Box<Response<Body>>> {
        let method = Method::at(request.uri().path()).ok_or_else(|| Box::new(fault::not_found()))?;
        if request.method() != Verb::POST {
            return Err(Box::new(fault::method_not_allowed()));
        }
        let headers = request.headers();
        let dialect = Dialect::of(dialect::text(headers, header::CONTENT_TYPE), method.kind);
        let dialect = dialect.ok_or_else(|| Box::new(fault::unsupported_media_type(method.kind)))?;
        let understood = Self::understand(method, dialect, headers, request.version());
        understood.map_err(|status| Box::new(fault::answer(status, dialect)))
    }

    /// Reads the headers in the order in which flagd complains of them.
    fn understand(
        method: &'static Method,
        dialect: &'static Dialect,
        headers: &HeaderMap,
        version: Version,
    ) -> Result<Self, Status> {
        let gzip = Gzip::agree(headers, dialect.protocol)?;
        dialect::check_version(headers, dialect.protocol)?;
        let patience = dialect::patience(headers, dialect.protocol)?;
        if patience.is_some_and(|patience| patience.is_zero()) {
            return Err(out_of_time());
        }
        Ok(Self { method, dialect, gzip, patience, version })
    }
}

fn out_of_time() -> Status {
    Status::deadline_exceeded("context deadline exceeded")
}

async fn carry_out<M: Methods, B>(
    methods: M,
    limit: usize,
    call: Call,
    headers: HeaderMap,
    body: B,
) -> Result<Response<Body>, Infallible>
where
    B: http_body::Body<Data = Bytes, Error: Display + Send>,
{
    let read = read::body(body, call.dialect.protocol, limit).await;
    if call.method.is_bulk() {
        aside(call.version).await;
    }
    let answer = match read {
        Ok(body) => call.ask(&methods, limit, &headers, &body).await,
        Err(status) => Err(status),
    };
    Ok(answer.unwrap_or_else(|status| fault::answer(status, call.dialect)))
}

impl Call {
    async fn ask<M: Methods>(
        &self,
        methods: &M,
        limit: usize,
        headers: &HeaderMap,
        body: &Bytes,
    ) -> Result<Response<Body>, Status> {
        let message = read::message(body, self.method, self.dialect, self.gzip, limit)?;
        let frames = methods.answer(self.method.path, headers, message).await?;
        Ok(self.answer(self.say(frames)?))
    }

    /// Messages as the client reads them.
    fn say(&self, frames: Frames) -> Result<Body, Status> {
        let Self { method, dialect, gzip, .. } = *self;
        Ok(match (dialect.protocol, frames) {
            (Protocol::ConnectUnary, Frames::One(frame)) => {
                Body::new(Full::new(write::encode(grpc::message(frame), method, dialect.codec, gzip.answer)?))
            }
            (Protocol::ConnectUnary, Frames::Kept(reply)) if dialect.codec == Codec::Json && !gzip.answer => {
                let json =
                    |frame: &Bytes| write::encode(grpc::message(frame.clone()), method, Codec::Json, false);
                Body::new(Full::new(reply.json(json)?))
            }
            (_, Frames::Kept(reply)) => self.say(Frames::One(reply.bytes.clone()))?,
            (Protocol::Grpc, frames @ Frames::One(_)) if self.passes_on() => frames.body(),
            (_, Frames::One(frame)) => self.recode(Box::pin(futures_util::stream::iter([Ok(frame)]))),
            (_, Frames::Many(frames)) => self.recode(frames),
        })
    }

    fn recode(&self, frames: FrameStream) -> Body {
        let Self { method, dialect, gzip, patience, .. } = *self;
        let deadline = patience.filter(|_| method.kind == Kind::Stream);
        Body::new(Recoded {
            frames,
            method,
            dialect,
            is_packed: gzip.answer,
            passes_on: self.passes_on(),
            deadline: deadline.map(tokio::time::sleep).map(Box::pin),
            is_over: false,
        })
    }

    /// Whether frames are what the client wants, byte for byte.
    fn passes_on(&self) -> bool {
        let envelopes = self.dialect.protocol != Protocol::ConnectUnary;
        envelopes && self.dialect.codec == Codec::Proto && !self.gzip.answer
    }

    /// The whole answer, its head as the protocol has it.
    fn answer(&self, body: Body) -> Response<Body> {
        let (encoding, accepted) = self.dialect.protocol.encoding_headers();
        let mut answer = Response::new(body);
        let headers = answer.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(self.dialect.content_type));
        headers.insert(accepted, GZIP);
        if self.gzip.answer {
            headers.insert(encoding, GZIP);
        }
        answer
    }
}
