//! From the service's gRPC answer to what the client speaks.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf, BufMut, Bytes, BytesMut};
use http::HeaderMap;
use http_body::{Body as _, Frame};
use http_body_util::BodyExt;
use tokio::time::Sleep;
use tonic::body::Body;
use tonic::{Code, Status};

use super::dialect::{Codec, Dialect, Protocol};
use super::method::Method;
use super::read::PREFIX;
use super::{fault, gzip};

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

/// The message and the status of a unary call's answer.
///
/// # Errors
/// The status the call ended with, unless it is OK.
pub(super) async fn only_message(mut body: Body) -> Result<Bytes, Status> {
    let (mut frames, mut trailers) = (BytesMut::new(), None);
    while let Some(part) = body.frame().await {
        match part?.into_data() {
            Ok(data) => frames.extend_from_slice(&data),
            Err(part) => trailers = part.into_trailers().ok(),
        }
    }
    match trailers.and_then(|trailers| Status::from_header_map(&trailers)) {
        Some(status) if status.code() == Code::Ok => {}
        Some(status) => return Err(status),
        None => return Err(Status::internal("the answer has no status")),
    }
    take(&mut frames).ok_or_else(|| Status::internal("the answer has no message"))
}

/// The next whole message of uncompressed gRPC frames.
fn take(frames: &mut BytesMut) -> Option<Bytes> {
    let length = frames.get(1..PREFIX)?.iter().fold(0, |length, byte| length << 8 | usize::from(*byte));
    if frames.len() < PREFIX + length {
        return None;
    }
    frames.advance(PREFIX);
    Some(frames.split_to(length).freeze())
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

/// The body of a gRPC answer, said in the client's words message by message.
pub(super) struct Recoded {
    pub(super) body: Body,
    pub(super) method: &'static Method,
    pub(super) dialect: &'static Dialect,
    pub(super) is_packed: bool,
    /// When the client stops waiting.
    pub(super) deadline: Option<Pin<Box<Sleep>>>,
    pub(super) frames: BytesMut,
    pub(super) is_over: bool,
}

impl Recoded {
    fn envelope(&self, message: Bytes) -> Result<Bytes, Status> {
        let content = encode(message, self.method, self.dialect.codec, self.is_packed)?;
        Ok(frame(if self.is_packed { COMPRESSED } else { 0 }, &content).into())
    }

    /// The last part: a status, and with gRPC what else the service put into the trailers.
    fn end(&mut self, trailers: HeaderMap) -> Frame<Bytes> {
        self.is_over = true;
        match self.dialect.protocol {
            Protocol::Grpc => Frame::trailers(trailers),
            Protocol::GrpcWeb => Frame::data(frame(TRAILERS, &lines(&trailers)).into()),
            Protocol::ConnectStream | Protocol::ConnectUnary => {
                let status = Status::from_header_map(&trailers);
                let status = status.unwrap_or_else(|| Status::internal("the stream has no status"));
                Frame::data(frame(END_OF_STREAM, &fault::end_of_stream(&status)).into())
            }
        }
    }

    fn fail(&mut self, status: Status) -> Frame<Bytes> {
        let mut trailers = HeaderMap::new();
        if status.add_header(&mut trailers).is_err() {
            trailers.insert(Status::GRPC_STATUS, http::HeaderValue::from(Code::Internal as i32));
        }
        self.end(trailers)
    }

    fn next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Frame<Bytes>>> {
        loop {
            if let Some(message) = take(&mut self.frames) {
                let envelope = self.envelope(message);
                return Poll::Ready(Some(
                    envelope.map(Frame::data).unwrap_or_else(|status| self.fail(status)),
                ));
            }
            let Poll::Ready(part) = Pin::new(&mut self.body).poll_frame(cx) else { break };
            match part.map(|part| part.map(Frame::into_data)) {
                Some(Ok(Ok(data))) => self.frames.extend_from_slice(&data),
                Some(Ok(Err(part))) => {
                    return Poll::Ready(part.into_trailers().ok().map(|trailers| self.end(trailers)));
                }
                Some(Err(status)) => return Poll::Ready(Some(self.fail(status))),
                None => return Poll::Ready(Some(self.fail(Status::internal("the stream has no status")))),
            }
        }
        match self.deadline.as_mut().map(|deadline| deadline.as_mut().poll(cx)) {
            Some(Poll::Ready(())) => {
                let status = Status::deadline_exceeded("stream closed due to server-side timeout");
                Poll::Ready(Some(self.fail(status)))
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
        this.next(cx).map(|frame| frame.map(Ok))
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
