//! From a request's body to one encoded message.

use std::fmt::Display;
use std::pin::Pin;

use bytes::{Buf, Bytes, BytesMut};
use http_body::Body;
use http_body_util::BodyExt;
use tonic::Status;

use super::dialect::{Codec, Dialect, Gzip, Protocol};
use super::method::{Method, Shape};
use super::{gzip, json};
use crate::services::grpc::PREFIX;

const COMPRESSED: u8 = 1;

/// Reads the body to its end, but never more than `limit` bytes of it.
///
/// # Errors
/// RESOURCE_EXHAUSTED beyond the limit, in flagd's words; UNKNOWN for a body that does not arrive.
pub(super) async fn body<B>(body: B, protocol: Protocol, limit: usize) -> Result<Bytes, Status>
where
    B: Body<Data = Bytes, Error: Display + Send>,
{
    let mut body = std::pin::pin!(body);
    let (mut first, mut rest) = (Bytes::new(), BytesMut::new());
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| Status::unknown(format!("read message: {error}")))?;
        let Ok(data) = frame.into_data() else { continue };
        if data.len() > limit - first.len() - rest.len() {
            let begin: Vec<u8> = first.iter().chain(&rest).chain(&data).take(PREFIX).copied().collect();
            discard(body, limit).await;
            return Err(too_large(&begin, protocol, limit));
        }
        if first.is_empty() && rest.is_empty() {
            // The usual case: the whole body in one piece, kept where it lies.
            first = data;
            continue;
        }
        rest.extend_from_slice(&std::mem::take(&mut first));
        rest.extend_from_slice(&data);
    }
    Ok(if rest.is_empty() { first } else { rest.freeze() })
}

/// Lets a client finish that has little left to send: some never read an answer that comes while they write.
async fn discard<B: Body<Data = Bytes>>(mut body: Pin<&mut B>, limit: usize) {
    let mut left = limit;
    while let Some(Ok(frame)) = body.frame().await {
        let size = frame.data_ref().map_or(0, Bytes::len);
        if size >= left {
            return;
        }
        left -= size;
    }
}

fn too_large(begin: &[u8], protocol: Protocol, limit: usize) -> Status {
    let what = match (protocol, begin) {
        (Protocol::ConnectUnary, _) => format!("read first {limit} bytes of message"),
        (_, [_, length @ ..]) if length.len() == 4 && limit >= PREFIX => {
            let length = length.iter().fold(0, |length, byte| length << 8 | u32::from(*byte));
            format!("read {length} byte message")
        }
        _ => "read 5 byte message prefix".into(),
    };
    Status::resource_exhausted(format!("{what}: exceeded {limit} byte http.MaxBytesReader limit"))
}

/// The message of a request's whole body, encoded as protobuf. Pure; `limit` caps the decompressed size.
///
/// # Errors
/// What real flagd says to a body that is not one message.
pub(super) fn message(
    body: &Bytes,
    method: &Method,
    dialect: &Dialect,
    gzip: Gzip,
    limit: usize,
) -> Result<Bytes, Status> {
    let (content, is_packed) = match dialect.protocol {
        Protocol::ConnectUnary => (body.clone(), gzip.request && !body.is_empty()),
        _ => {
            let (content, is_packed) = only_envelope(body, gzip.request)?;
            if content.is_empty() {
                return Ok(content);
            }
            (content, is_packed)
        }
    };
    let content = if is_packed { gzip::unpack(&content, limit)?.into() } else { content };
    let refuse = |why: String| Status::invalid_argument(format!("unmarshal message: {why}"));
    match dialect.codec {
        Codec::Json => json::to_wire(method.shape, &content).map_err(refuse),
        Codec::Proto => check(method.shape, &content).map_err(refuse).map(|()| content),
    }
}

/// Takes the one enveloped message out of a body.
fn only_envelope(body: &Bytes, may_be_packed: bool) -> Result<(Bytes, bool), Status> {
    let mut rest = body.clone();
    let (flags, content) =
        envelope(&mut rest)?.ok_or_else(|| Status::unimplemented("unary request has zero messages"))?;
    if flags & COMPRESSED != 0 && !may_be_packed {
        let message = "protocol error: sent compressed message without compression support";
        return Err(Status::internal(message));
    }
    if flags & !COMPRESSED != 0 {
        // The end of a stream, before any message.
        return Err(Status::unimplemented("unary request has zero messages"));
    }
    match envelope(&mut rest)? {
        Some((flags, _)) if flags & !COMPRESSED == 0 => {
            Err(Status::unimplemented("unary request has multiple messages"))
        }
        _ => Ok((content, flags & COMPRESSED != 0)),
    }
}

/// The next envelope: its flags and content; `None` at the end.
fn envelope(rest: &mut Bytes) -> Result<Option<(u8, Bytes)>, Status> {
    if rest.is_empty() {
        return Ok(None);
    }
    if rest.len() < PREFIX {
        return Err(Status::invalid_argument("protocol error: incomplete envelope: unexpected EOF"));
    }
    let (flags, length) = (rest.get_u8(), rest.get_u32());
    match usize::try_from(length) {
        Ok(size) if size <= rest.len() => Ok(Some((flags, rest.split_to(size)))),
        _ => Err(Status::invalid_argument(format!(
            "protocol error: promised {length} bytes in enveloped message, got {} bytes",
            rest.len()
        ))),
    }
}

/// The fields that any request may have, borrowed.
#[derive(Clone, PartialEq, prost::Message)]
struct Fields {
    #[prost(bytes = "bytes", tag = "1")]
    first: Bytes,
    #[prost(bytes = "bytes", tag = "2")]
    second: Bytes,
}

/// Whether the service will be able to decode the message. Asked here, because what it says of a bad one is not flagd's answer.
fn check(shape: Shape, content: &Bytes) -> Result<(), String> {
    let fields = <Fields as prost::Message>::decode(content.clone())
        .map_err(|error| format!("proto: cannot parse invalid wire-format data: {error}"))?;
    if shape == Shape::Flag && std::str::from_utf8(&fields.first).is_err() {
        return Err("proto: field flag_key contains invalid UTF-8".into());
    }
    Ok(())
}
