//! HTTP/1.1 to HTTP/2 on one plain connection, by `Upgrade: h2c` (RFC 7540, section 3.2).
//!
//! The request that asks for the upgrade is to be answered as stream 1 of the new connection. It is therefore written as the
//! frames a client would have sent and slipped in behind the client's own preface and SETTINGS:
//!
//! ```text
//! client:  PRI * ... SETTINGS                      HEADERS(3) ...
//! server reads:      PRI * ... SETTINGS HEADERS(1) DATA(1) HEADERS(3) ...
//! ```
//!
//! The header block uses no dynamic table, so the client's compression state is untouched.

use std::io;

use bytes::{BufMut, Bytes, BytesMut};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode, Version, header};
use http_body::Body;
use http_body_util::BodyExt;
use hyper::upgrade::OnUpgrade;
use tokio::io::{AsyncRead, AsyncReadExt};

use super::stream::Rewound;

/// The largest frame every HTTP/2 peer accepts.
const FRAME: usize = 16_384;
/// The largest body slipped in: it fits the window a fresh connection has.
const BODY: u64 = 60_000;
const PREFACE: usize = 24;
const SETTINGS: u8 = 4;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// What the connection goes on with once it is HTTP/2.
pub(super) struct Handover {
    pub(super) connection: OnUpgrade,
    pub(super) first_request: Bytes,
}

/// Whether the client asks to go on with HTTP/2 and the request is of a size that can be carried over. A server may ignore the
/// wish, and a request that is not carried over is answered on HTTP/1.1.
pub(super) fn is_wanted<B: Body>(request: &Request<B>) -> bool {
    request.version() == Version::HTTP_11
        && names(request.headers(), header::UPGRADE, "h2c")
        && names(request.headers(), header::CONNECTION, "upgrade")
        && request.headers().contains_key("http2-settings")
        && request.body().size_hint().exact().is_some_and(|size| size <= BODY)
        && block(request.method().as_str(), request.uri().path(), request.headers()).len() <= FRAME
}

/// Whether a comma-separated header names `wanted`.
fn names(headers: &HeaderMap, name: HeaderName, wanted: &str) -> bool {
    let texts = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
    texts.flat_map(|text| text.split(',')).any(|word| word.trim().eq_ignore_ascii_case(wanted))
}

/// Takes the request apart and answers `101 Switching Protocols`.
pub(super) async fn accept<B: Body>(
    mut request: Request<B>,
) -> Result<(Response<Bytes>, Handover), B::Error> {
    let connection = hyper::upgrade::on(&mut request);
    let (parts, body) = request.into_parts();
    let body = body.collect().await?.to_bytes();
    let mut answer = Response::new(Bytes::new());
    *answer.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    answer.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    answer.headers_mut().insert(header::UPGRADE, HeaderValue::from_static("h2c"));
    Ok((answer, Handover { connection, first_request: frames(&parts, &body) }))
}

/// Waits for the client's preface and slips the first request in behind it.
pub(super) async fn splice<I: AsyncRead + Unpin>(mut io: I, first_request: Bytes) -> io::Result<Rewound<I>> {
    let mut read = BytesMut::zeroed(PREFACE + 9);
    io.read_exact(&mut read).await?;
    let (length, kind) = match read[PREFACE..] {
        [a, b, c, kind, ..] => (usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c), kind),
        _ => (0, 0),
    };
    if kind != SETTINGS || length > FRAME {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "an HTTP/2 connection begins with SETTINGS"));
    }
    let begin = read.len();
    read.resize(begin + length, 0);
    io.read_exact(&mut read[begin..]).await?;
    read.extend_from_slice(&first_request);
    Ok(Rewound::new(read.freeze(), io))
}

/// The request as HEADERS and DATA of stream 1.
fn frames(parts: &Parts, body: &[u8]) -> Bytes {
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    let block = block(parts.method.as_str(), path, &parts.headers);
    let mut out = BytesMut::with_capacity(block.len() + body.len() + 64);
    let end = if body.is_empty() { END_HEADERS | END_STREAM } else { END_HEADERS };
    frame(&mut out, 1, end, &block);
    let mut chunks = body.chunks(FRAME).peekable();
    while let Some(chunk) = chunks.next() {
        frame(&mut out, 0, if chunks.peek().is_none() { END_STREAM } else { 0 }, chunk);
    }
    out.freeze()
}

fn frame(out: &mut BytesMut, kind: u8, flags: u8, payload: &[u8]) {
    // Callers keep payloads below FRAME, which is far below 2^24.
    out.put_uint(payload.len() as u64, 3);
    out.put_u8(kind);
    out.put_u8(flags);
    out.put_u32(1);
    out.put_slice(payload);
}

/// The head as an HPACK block of literals without indexing.
fn block(method: &str, path: &str, headers: &HeaderMap) -> Vec<u8> {
    let mut out = Vec::with_capacity(512);
    let authority = headers.get(header::HOST).map_or(&b""[..], HeaderValue::as_bytes);
    let pseudo: [(&str, &[u8]); 4] = [
        (":method", method.as_bytes()),
        (":scheme", b"http"),
        (":authority", authority),
        (":path", path.as_bytes()),
    ];
    for (name, value) in pseudo {
        literal(&mut out, name, value);
    }
    for (name, value) in headers.iter().filter(|(name, _)| !is_hop_by_hop(name)) {
        literal(&mut out, name.as_str(), value.as_bytes());
    }
    out
}

fn literal(out: &mut Vec<u8>, name: &str, value: &[u8]) {
    out.push(0);
    for text in [name.as_bytes(), value] {
        length(out, text.len());
        out.extend_from_slice(text);
    }
}

/// An HPACK integer with a prefix of seven bits (RFC 7541, section 5.1).
fn length(out: &mut Vec<u8>, length: usize) {
    if length < 127 {
        out.push(length as u8);
        return;
    }
    out.push(127);
    let mut rest = length - 127;
    while rest >= 128 {
        out.push((rest % 128) as u8 | 128);
        rest /= 128;
    }
    out.push(rest as u8);
}

fn is_hop_by_hop(name: &HeaderName) -> bool {
    let names = [header::CONNECTION, header::UPGRADE, header::HOST, header::TRANSFER_ENCODING, header::TE];
    names.contains(name) || matches!(name.as_str(), "http2-settings" | "keep-alive" | "proxy-connection")
}
