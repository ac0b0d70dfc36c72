//! From frames to what the client speaks.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{BufMut, Bytes};
use http::HeaderMap;
use http_body::Frame;
use tokio::time::Sleep;
use tonic::Status;

use super::dialect::{Codec, Dialect, Protocol};
use super::method::Method;
use super::{fault, gzip};
use crate::services::grpc::{self, FrameStream, PREFIX};

const COMPRESSED: u8 = 1;
/// The flag of a Connect stream's last envelope.
pub(super) const END_OF_STREAM: u8 = 2;
/// The flag of the envelope that holds gRPC-Web's trailers.
const TRAILERS: u8 = 0x80;

/// A message in an envelope.
pub(super) fn frame(flags: u8, message: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(PREFIX + message.len());
    out.put_u8(flags);
    // The daemon's own messages are far below 4 GiB.
    out.put_u32(u32::try_from(message.len()).unwrap_or(u32::MAX));
    out.extend_from_slice(message);
    out
}

/// One message as the client reads it, and whether it is compressed.
///
/// # Errors
/// INTERNAL if it cannot be written.
pub(super) fn encode(
    message: Bytes,
    method: &Method,
    codec: Codec,
    is_packed: bool,
) -> Result<Bytes, Status> {
    let message = match codec {
        Codec::Proto => message,
        Codec::Json => {
            let json = (method.to_json)(&message);
            json.map_err(|why| Status::internal(format!("marshal message: {why}")))?.into()
        }
    };
    if is_packed { gzip::pack(&message).map(Bytes::from) } else { Ok(message) }
}

/// The body of an answer, said in the client's words message by message.
pub(super) struct Recoded {
    pub(super) frames: FrameStream,
    pub(super) method: &'static Method,
    pub(super) dialect: &'static Dialect,
    pub(super) is_packed: bool,
    /// Whether frames are what the client wants, byte for byte.
    pub(super) passes_on: bool,
    /// When the client stops waiting.
    pub(super) deadline: Option<Pin<Box<Sleep>>>,
    pub(super) is_over: bool,
}

impl Recoded {
    fn envelope(&self, frame: Bytes) -> Result<Bytes, Status> {
        if self.passes_on {
            return Ok(frame);
        }
        let content = encode(grpc::message(frame), self.method, self.dialect.codec, self.is_packed)?;
        Ok(self::frame(if self.is_packed { COMPRESSED } else { 0 }, &content).into())
    }

    /// The last part: how it ended.
    fn end(&mut self, status: &Status) -> Frame<Bytes> {
        self.is_over = true;
        match self.dialect.protocol {
            Protocol::Grpc => Frame::trailers(grpc::trailers(status)),
            Protocol::GrpcWeb => Frame::data(frame(TRAILERS, &lines(&grpc::trailers(status))).into()),
            Protocol::ConnectStream | Protocol::ConnectUnary => {
                Frame::data(frame(END_OF_STREAM, &fault::end_of_stream(status)).into())
            }
        }
    }

    fn next(&mut self, cx: &mut Context<'_>) -> Poll<Frame<Bytes>> {
        if let Poll::Ready(next) = self.frames.as_mut().poll_next(cx) {
            let next = next.map(|frame| frame.and_then(|frame| self.envelope(frame)));
            return Poll::Ready(match next {
                Some(Ok(envelope)) => Frame::data(envelope),
                Some(Err(status)) => self.end(&status),
                None => self.end(&Status::ok("")),
            });
        }
        match self.deadline.as_mut().map(|deadline| deadline.as_mut().poll(cx)) {
            Some(Poll::Ready(())) => {
                let status = Status::deadline_exceeded("stream closed due to server-side timeout");
                Poll::Ready(self.end(&status))
            }
            _ => Poll::Pending,
        }
    }
}

impl http_body::Body for Recoded {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let this = self.get_mut();
        if this.is_over {
            return Poll::Ready(None);
        }
        this.next(cx).map(|frame| Some(Ok(frame)))
    }

    fn is_end_stream(&self) -> bool {
        self.is_over
    }
}

/// Trailers as gRPC-Web writes them into the body.
fn lines(trailers: &HeaderMap) -> Vec<u8> {
    let mut out = Vec::with_capacity(64);
    for (name, value) in trailers {
        out.extend_from_slice(name.as_str().as_bytes());
        out.extend_from_slice(b": ");
        out.extend_from_slice(value.as_bytes());
        out.extend_from_slice(b"\r\n");
    }
    out
}
