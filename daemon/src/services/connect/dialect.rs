//! What a client speaks: the protocol and the encoding of messages, both told by the content type, and compression and
//! deadline, told by headers.

use std::time::Duration;

use http::{HeaderMap, HeaderName, header};
use tonic::{Code, Status};

use super::method::Kind;

const CONNECT_ACCEPT_ENCODING: HeaderName = HeaderName::from_static("connect-accept-encoding");
const CONNECT_CONTENT_ENCODING: HeaderName = HeaderName::from_static("connect-content-encoding");
const CONNECT_TIMEOUT: HeaderName = HeaderName::from_static("connect-timeout-ms");
const CONNECT_VERSION: HeaderName = HeaderName::from_static("connect-protocol-version");
const GRPC_ACCEPT_ENCODING: HeaderName = HeaderName::from_static("grpc-accept-encoding");
const GRPC_ENCODING: HeaderName = HeaderName::from_static("grpc-encoding");
const GRPC_TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");

/// How messages and errors are laid on HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    ConnectUnary,
    ConnectStream,
    Grpc,
    GrpcWeb,
}

/// How one message is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Codec {
    Proto,
    Json,
}

/// A content type we answer.
#[derive(Debug)]
pub(super) struct Dialect {
    pub(super) content_type: &'static str,
    pub(super) protocol: Protocol,
    pub(super) codec: Codec,
}

const fn dialect(content_type: &'static str, protocol: Protocol, codec: Codec) -> Dialect {
    Dialect { content_type, protocol, codec }
}

/// In the order in which `Accept-Post` names them.
static DIALECTS: [Dialect; 14] = [
    dialect("application/connect+json", Protocol::ConnectStream, Codec::Json),
    dialect("application/connect+json; charset=utf-8", Protocol::ConnectStream, Codec::Json),
    dialect("application/connect+proto", Protocol::ConnectStream, Codec::Proto),
    dialect("application/grpc", Protocol::Grpc, Codec::Proto),
    dialect("application/grpc+json", Protocol::Grpc, Codec::Json),
    dialect("application/grpc+json; charset=utf-8", Protocol::Grpc, Codec::Json),
    dialect("application/grpc+proto", Protocol::Grpc, Codec::Proto),
    dialect("application/grpc-web", Protocol::GrpcWeb, Codec::Proto),
    dialect("application/grpc-web+json", Protocol::GrpcWeb, Codec::Json),
    dialect("application/grpc-web+json; charset=utf-8", Protocol::GrpcWeb, Codec::Json),
    dialect("application/grpc-web+proto", Protocol::GrpcWeb, Codec::Proto),
    dialect("application/json", Protocol::ConnectUnary, Codec::Json),
    dialect("application/json; charset=utf-8", Protocol::ConnectUnary, Codec::Json),
    dialect("application/proto", Protocol::ConnectUnary, Codec::Proto),
];

impl Dialect {
    /// The dialect of a content type, if methods of this kind are spoken in it. Case does not matter; no parameter but
    /// `charset=utf-8` is known.
    pub(super) fn of(content_type: &str, kind: Kind) -> Option<&'static Self> {
        let exactly = |text: &str| {
            DIALECTS.iter().find(|dialect| dialect.content_type == text && dialect.protocol.suits(kind))
        };
        exactly(content_type).or_else(|| exactly(&canonical(content_type)?))
    }

    /// The value of `Accept-Post` for methods of this kind.
    pub(super) fn accepted(kind: Kind) -> String {
        let suitable = DIALECTS.iter().filter(|dialect| dialect.protocol.suits(kind));
        suitable.map(|dialect| dialect.content_type).collect::<Vec<_>>().join(", ")
    }
}

fn canonical(content_type: &str) -> Option<String> {
    let lower = content_type.to_ascii_lowercase();
    let Some((media_type, parameter)) = lower.split_once(';') else { return Some(lower.trim().to_owned()) };
    let (name, value) = parameter.split_once('=')?;
    let value = value.trim();
    let value = value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value);
    Some(format!("{}; {}={value}", media_type.trim(), name.trim()))
}

impl Protocol {
    fn suits(self, kind: Kind) -> bool {
        match self {
            Self::ConnectUnary => kind == Kind::Unary,
            Self::ConnectStream => kind == Kind::Stream,
            Self::Grpc | Self::GrpcWeb => true,
        }
    }

    /// The headers that name the encoding of this side's messages, and those it accepts.
    pub(super) fn encoding_headers(self) -> (HeaderName, HeaderName) {
        match self {
            Self::ConnectUnary => (header::CONTENT_ENCODING, header::ACCEPT_ENCODING),
            Self::ConnectStream => (CONNECT_CONTENT_ENCODING, CONNECT_ACCEPT_ENCODING),
            Self::Grpc | Self::GrpcWeb => (GRPC_ENCODING, GRPC_ACCEPT_ENCODING),
        }
    }
}

/// Which side compresses, always with gzip.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Gzip {
    pub(super) request: bool,
    pub(super) answer: bool,
}

impl Gzip {
    /// What the headers agree on: an answer is compressed if the client takes it or has compressed its request.
    ///
    /// # Errors
    /// UNIMPLEMENTED for a request in another encoding.
    pub(super) fn agree(headers: &HeaderMap, protocol: Protocol) -> Result<Self, Status> {
        let (sent, accepted) = protocol.encoding_headers();
        let request = match text(headers, &sent) {
            "" | "identity" => false,
            "gzip" => true,
            other => {
                let message = format!("unknown compression {other:?}: supported encodings are gzip");
                return Err(Status::unimplemented(message));
            }
        };
        let mut offers = text(headers, &accepted).split(|c: char| c == ',' || c.is_ascii_whitespace());
        Ok(Self { request, answer: request || offers.any(|offer| offer == "gzip") })
    }
}

/// How long the client waits; `None` for ever.
///
/// # Errors
/// INVALID_ARGUMENT for a header that is no duration.
pub(super) fn patience(headers: &HeaderMap, protocol: Protocol) -> Result<Option<Duration>, Status> {
    match protocol {
        Protocol::ConnectUnary | Protocol::ConnectStream => match text(headers, CONNECT_TIMEOUT) {
            "" => Ok(None),
            millis => connect_timeout(millis).map(Some),
        },
        Protocol::Grpc | Protocol::GrpcWeb => match text(headers, GRPC_TIMEOUT) {
            "" => Ok(None),
            timeout => grpc_timeout(timeout).map(Some),
        },
    }
}

fn connect_timeout(millis: &str) -> Result<Duration, Status> {
    if millis.len() > 10 {
        return Err(Status::invalid_argument(format!("parse timeout: {millis:?} has >10 digits")));
    }
    let parsed = millis.parse::<i64>();
    let parsed = parsed.map_err(|_| {
        Status::invalid_argument(format!(
            "parse timeout: strconv.ParseInt: parsing {millis:?}: invalid syntax"
        ))
    })?;
    Ok(Duration::from_millis(u64::try_from(parsed).unwrap_or(0)))
}

fn grpc_timeout(timeout: &str) -> Result<Duration, Status> {
    let refuse = |what: String| Status::invalid_argument(format!("protocol error: {what}"));
    let Some((at, unit)) = timeout.char_indices().next_back() else {
        return Err(refuse("empty timeout".into()));
    };
    let digits = &timeout[..at];
    let nanos: u64 = match unit {
        'n' => 1,
        'u' => 1_000,
        'm' => 1_000_000,
        'S' => 1_000_000_000,
        'M' => 60_000_000_000,
        'H' => 3_600_000_000_000,
        unit => return Err(refuse(format!("timeout has invalid unit {unit:?}"))),
    };
    if digits.is_empty() || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return Err(refuse(format!("invalid timeout {timeout:?}")));
    }
    match digits.parse::<u64>() {
        Ok(number) if number <= 99_999_999 => Ok(Duration::from_nanos(number.saturating_mul(nanos))),
        _ => Err(refuse(format!("timeout {timeout:?} is too long"))),
    }
}

/// Checks `Connect-Protocol-Version`, which clients may leave out.
///
/// # Errors
/// INVALID_ARGUMENT for any version but 1.
pub(super) fn check_version(headers: &HeaderMap, protocol: Protocol) -> Result<(), Status> {
    if !matches!(protocol, Protocol::ConnectUnary | Protocol::ConnectStream) {
        return Ok(());
    }
    match text(headers, CONNECT_VERSION) {
        "" | "1" => Ok(()),
        other => Err(Status::new(
            Code::InvalidArgument,
            format!("Connect-Protocol-Version must be \"1\": got {other:?}"),
        )),
    }
}

/// The first value of a header, empty if it has none or is not text.
pub(super) fn text(headers: &HeaderMap, name: impl header::AsHeaderName) -> &str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}
