//! gRPC by methods that take an encoded message and give frames that are ready.
//!
//! tonic's generated servers encode each message for each client. Where ten thousand clients get one document that is ten
//! thousand copies; here it is one. The same methods are spoken to in other protocols by [`connect`](super::connect).

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Buf, BufMut, Bytes, BytesMut};
use futures_util::Stream;
use http::{HeaderMap, HeaderValue, Request, Response, header};
use http_body::Frame;
use prost::Message;
use tonic::body::Body;
use tonic::codec::{CompressionEncoding, DecodeBuf, Decoder};
use tonic::{Code, Status, Streaming};
use tower::Service;

use super::replies::Reply;

/// A flag byte and a length.
pub(super) const PREFIX: usize = 5;
/// The largest message that a client may send: it names what it wants, no more.
const REQUEST_BYTES: usize = 4 << 20;

/// Methods whose requests are one encoded message each, and whose answers are messages in gRPC frames, uncompressed.
pub trait Methods: Clone + Send + Sync + 'static {
    /// Answers the method at `path`.
    ///
    /// # Errors
    /// What the client is told in place of an answer.
    fn answer(
        &self,
        path: &str,
        headers: &HeaderMap,
        message: Bytes,
    ) -> impl Future<Output = Result<Frames, Status>> + Send;
}

/// A stream of frames, and the status it ends with unless that is OK.
pub type FrameStream = Pin<Box<dyn Stream<Item = Result<Bytes, Status>> + Send>>;

/// What a method answers.
pub enum Frames {
    /// One message.
    One(Bytes),
    /// One message that was given before.
    Kept(Arc<Reply>),
    /// As many as there are.
    Many(FrameStream),
}

impl Frames {
    /// The frames of `stream`.
    pub(super) fn many(stream: impl Stream<Item = Result<Bytes, Status>> + Send + 'static) -> Self {
        Self::Many(Box::pin(stream))
    }

    /// The body of an answer to a gRPC client.
    pub(super) fn body(self) -> Body {
        match self {
            Self::One(frame) => Body::new(Single { frame: Some(frame), over: false }),
            Self::Kept(reply) => Self::One(reply.bytes.clone()).body(),
            Self::Many(frames) => Body::new(Told { frames, over: false }),
        }
    }
}

/// A port's service that speaks gRPC and nothing else.
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
            let (head, body) = request.into_parts();
            let answered = async {
                let message = only_message(&head.headers, body).await?;
                methods.answer(head.uri.path(), &head.headers, message).await
            };
            Ok(match answered.await {
                Ok(frames) => {
                    let mut answer = Response::new(frames.body());
                    let kind = HeaderValue::from_static("application/grpc");
                    answer.headers_mut().insert(header::CONTENT_TYPE, kind);
                    answer
                }
                Err(status) => status.into_http(),
            })
        })
    }
}

/// The status of a method that there is not.
pub(super) fn unknown() -> Status {
    Status::unimplemented("unknown method")
}

/// The one message of a request, decompressed.
async fn only_message<B>(headers: &HeaderMap, body: B) -> Result<Bytes, Status>
where
    B: http_body::Body<Data = Bytes, Error: Into<tonic::codegen::StdError>> + Send + 'static,
{
    let encoding = match headers.get("grpc-encoding").map(HeaderValue::as_bytes) {
        None | Some(b"identity") => None,
        Some(b"gzip") => Some(CompressionEncoding::Gzip),
        Some(other) => {
            let other = String::from_utf8_lossy(other);
            return Err(Status::unimplemented(format!("unknown compression {other:?}; supported is gzip")));
        }
    };
    let mut messages = Streaming::new_request(Undecoded, body, encoding, Some(REQUEST_BYTES));
    messages.message().await?.ok_or_else(|| Status::internal("Missing request message."))
}

/// Leaves messages as they are.
struct Undecoded;

impl Decoder for Undecoded {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, message: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(message.copy_to_bytes(message.remaining())))
    }
}

/// A request in its encoded message.
///
/// # Errors
/// It is none.
pub(super) fn read<M: Message + Default>(message: Bytes) -> Result<M, Status> {
    M::decode(message).map_err(|error| Status::internal(error.to_string()))
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

/// The body of an answer of one message.
struct Single {
    frame: Option<Bytes>,
    over: bool,
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

/// The body of an answer of many: frames, then how it ended.
struct Told {
    frames: FrameStream,
    over: bool,
}

impl http_body::Body for Told {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        if self.over {
            return Poll::Ready(None);
        }
        let status = match ready!(self.frames.as_mut().poll_next(cx)) {
            Some(Ok(frame)) => return Poll::Ready(Some(Ok(Frame::data(frame)))),
            Some(Err(status)) => status,
            None => Status::ok(""),
        };
        self.over = true;
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
        let frames = [Ok(frame.clone()), Err(Status::not_found("gone"))];
        let mut body = Frames::many(stream::iter(frames)).body();
        let first = body.frame().await.expect("a frame").expect("no error").into_data().expect("data");
        assert_eq!(first.as_ptr(), frame.as_ptr());
        let last = body.frame().await.expect("a frame").expect("no error").into_trailers().expect("trailers");
        assert_eq!(last.get("grpc-status").expect("a status"), "5");
        assert_eq!(last.get("grpc-message").expect("a message"), "gone");
        assert!(body.frame().await.is_none());
    }
}
