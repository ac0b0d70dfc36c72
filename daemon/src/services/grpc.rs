//! gRPC by frames that are ready: what many clients get is encoded once, and shared by all of them.
//!
//! tonic's generated servers encode each message for each client. Where ten thousand clients get one document that is ten
//! thousand copies; here it is one.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, BufMut, Bytes, BytesMut};
use futures_util::Stream;
use http::{HeaderMap, HeaderValue, Request, Response, header};
use http_body::Frame;
use prost::Message;
use tonic::body::Body;
use tonic::codec::{Codec, CompressionEncoding};
use tonic::{Code, Status, Streaming};
use tonic_prost::ProstCodec;
use tower::Service;

/// A flag byte and a length.
const PREFIX: usize = 5;
/// The largest message that a client may send: it names what it wants, no more.
const REQUEST_BYTES: usize = 4 << 20;

/// Methods behind one port.
pub trait Methods: Clone + Send + Sync + 'static {
    /// Answers the request for the method at `path`.
    ///
    /// # Errors
    /// What the client is told in place of an answer.
    fn answer(
        &self,
        path: &str,
        request: Request<Body>,
    ) -> impl Future<Output = Result<Response<Body>, Status>> + Send;
}

/// A port's service that answers by its [`Methods`].
#[derive(Clone, Debug)]
pub struct Grpc<M>(pub(super) M);

impl<M, B> Service<Request<B>> for Grpc<M>
where
    M: Methods,
    B: http_body::Body<Data = Bytes, Error: Into<tonic::codegen::StdError>> + Send + 'static,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let methods = self.0.clone();
        Box::pin(async move {
            let uri = request.uri().clone();
            let answer = methods.answer(uri.path(), request.map(Body::new)).await;
            Ok(answer.unwrap_or_else(Status::into_http))
        })
    }
}

/// The status of a method that there is not.
pub(super) fn unknown() -> Status {
    Status::unimplemented("unknown method")
}

/// The headers of a request and its one message.
///
/// # Errors
/// The message is missing, too large, or not one.
pub(super) async fn asked<M>(request: Request<Body>) -> Result<(HeaderMap, M), Status>
where
    M: Message + Default + 'static,
{
    let (head, body) = request.into_parts();
    let encoding = match head.headers.get("grpc-encoding").map(HeaderValue::as_bytes) {
        None | Some(b"identity") => None,
        Some(b"gzip") => Some(CompressionEncoding::Gzip),
        Some(other) => {
            let other = String::from_utf8_lossy(other);
            return Err(Status::unimplemented(format!("unknown compression {other:?}; supported is gzip")));
        }
    };
    let decoder = ProstCodec::<M, M>::default().decoder();
    let mut messages = Streaming::new_request(decoder, body, encoding, Some(REQUEST_BYTES));
    let message = messages.message().await?;
    Ok((head.headers, message.ok_or_else(|| Status::internal("Missing request message."))?))
}

/// A message in its frame, uncompressed.
pub(super) fn frame(message: &impl Message) -> Bytes {
    let length = message.encoded_len();
    let mut frame = BytesMut::with_capacity(PREFIX + length);
    frame.put_u8(0);
    // The daemon's own messages are far below 4 GiB.
    frame.put_u32(u32::try_from(length).unwrap_or(u32::MAX));
    message.encode_raw(&mut frame);
    frame.freeze()
}

/// The message in a frame.
pub(super) fn message(mut frame: Bytes) -> Bytes {
    frame.advance(PREFIX.min(frame.len()));
    frame
}

/// The answer of a method that gives one message.
pub(super) fn one(frame: Bytes) -> Response<Body> {
    answer(Body::new(Single::new(frame)))
}

/// The answer of a method that gives many.
pub(super) fn many(frames: impl Stream<Item = Result<Bytes, Status>> + Send + 'static) -> Response<Body> {
    answer(Body::new(Told { frames, over: false }))
}

fn answer(body: Body) -> Response<Body> {
    let mut answer = Response::new(body);
    answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    answer
}

/// The body of an answer of one message.
#[derive(Debug)]
pub(super) struct Single {
    frame: Option<Bytes>,
    over: bool,
}

impl Single {
    pub(super) fn new(frame: Bytes) -> Self {
        Self { frame: Some(frame), over: false }
    }
}

impl http_body::Body for Single {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let frame = match self.frame.take() {
            Some(frame) => Frame::data(frame),
            None if self.over => return Poll::Ready(None),
            None => {
                self.over = true;
                Frame::trailers(trailers(&Status::ok("")))
            }
        };
        Poll::Ready(Some(Ok(frame)))
    }

    fn is_end_stream(&self) -> bool {
        self.over
    }
}

pin_project_lite::pin_project! {
    /// The body of an answer: frames, then how it ended.
    struct Told<S> {
        #[pin]
        frames: S,
        over: bool,
    }
}

impl<S: Stream<Item = Result<Bytes, Status>>> http_body::Body for Told<S> {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let this = self.project();
        if *this.over {
            return Poll::Ready(None);
        }
        let status = match ready!(this.frames.poll_next(cx)) {
            Some(Ok(frame)) => return Poll::Ready(Some(Ok(Frame::data(frame)))),
            Some(Err(status)) => status,
            None => Status::ok(""),
        };
        *this.over = true;
        Poll::Ready(Some(Ok(Frame::trailers(trailers(&status)))))
    }

    fn is_end_stream(&self) -> bool {
        self.over
    }
}

/// A status as it ends an answer.
pub(super) fn trailers(status: &Status) -> HeaderMap {
    let mut trailers = HeaderMap::with_capacity(2);
    if status.add_header(&mut trailers).is_err() {
        trailers.insert(Status::GRPC_STATUS, HeaderValue::from(Code::Internal as i32));
    }
    trailers
}

#[cfg(test)]
mod tests {
    use futures_util::stream;
    use http_body_util::BodyExt;

    use super::*;

    #[tokio::test]
    async fn frames_are_passed_on_uncopied_and_an_error_ends_them() {
        let frame = frame(&"text".to_owned());
        assert_eq!(frame[..PREFIX], [0, 0, 0, 0, 6]);
        let answer = many(stream::iter([Ok(frame.clone()), Err(Status::not_found("gone"))]));
        let mut body = answer.into_body();
        let first = body.frame().await.expect("a frame").expect("no error").into_data().expect("data");
        assert_eq!(first.as_ptr(), frame.as_ptr());
        let last = body.frame().await.expect("a frame").expect("no error").into_trailers().expect("trailers");
        assert_eq!(last.get("grpc-status").expect("a status"), "5");
        assert_eq!(last.get("grpc-message").expect("a message"), "gone");
        assert!(body.frame().await.is_none());
    }
}
