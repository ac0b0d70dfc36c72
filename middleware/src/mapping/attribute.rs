//! One attribute: where it comes from, its type, its bounds.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use http::Extensions;
use http::header::{HeaderMap, HeaderName};
use http::request::Parts;
use open_feature::EvaluationContextFieldValue;

use super::convert::{Kind, Raw, convert};
use super::{MappingError, Refusal};
use crate::claims::{Claims, PeerIdentity, peer};

/// How many bytes a value may have, unless the attribute says otherwise.
const LENGTH: usize = 256;
/// Headers that are credentials, whoever reads them.
const CREDENTIALS: [&str; 4] = ["authorization", "cookie", "proxy-authorization", "set-cookie"];

/// Where an attribute comes from, what type it has and how long it may be. Made by [`header`], [`claim`], [`peer_address`],
/// [`peer_identity`], [`path`], [`path_segment`] and [`extension`].
#[derive(Clone, Debug)]
pub struct Attribute {
    origin: Origin,
    kind: Kind,
    length: usize,
    repeated: Repeated,
}

/// What happens when a header comes more than once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Repeated {
    /// The attribute is refused.
    #[default]
    Refuse,
    /// The first value counts: for a proxy in front that writes its own before what the client sent.
    First,
    /// The last value counts: for a proxy in front that adds its own after what the client sent.
    Last,
    /// All values, joined with `, ` (RFC 9110, section 5.3).
    Join,
}

type Get = Arc<dyn Fn(&Extensions) -> Option<EvaluationContextFieldValue> + Send + Sync>;

#[derive(Clone)]
enum Origin {
    Header(Result<HeaderName, String>),
    Claim(Box<str>),
    PeerAddress,
    PeerIdentity,
    Path,
    Segment(usize),
    Extension(Get),
}

/// A header of the request, or text metadata of a gRPC call. The client chooses its value.
#[must_use]
pub fn header(name: &str) -> Attribute {
    Attribute::new(Origin::Header(HeaderName::try_from(name).map_err(|_| name.to_owned())))
}

/// A claim of the token that a layer in front verified: see [`Claims::get`] for the path. It keeps its JSON type.
#[must_use]
pub fn claim(path: &str) -> Attribute {
    Attribute::new(Origin::Claim(path.into()))
}

/// The IP address at the other end of the connection, without the port. Behind a proxy that is the proxy.
#[must_use]
pub fn peer_address() -> Attribute {
    Attribute::new(Origin::PeerAddress)
}

/// Whom the layer that checked the peer's certificate saw: the [`PeerIdentity`] it left.
#[must_use]
pub fn peer_identity() -> Attribute {
    Attribute::new(Origin::PeerIdentity)
}

/// The path of the request as sent, without the query; `/package.Service/Method` for gRPC and Connect.
#[must_use]
pub fn path() -> Attribute {
    Attribute::new(Origin::Path)
}

/// A part of the path between slashes, from 0, percent-decoded.
#[must_use]
pub fn path_segment(at: usize) -> Attribute {
    Attribute::new(Origin::Segment(at))
}

/// What `get` makes of a value that a layer in front left in the request's extensions: a session, a tenant, connection info.
#[must_use]
pub fn extension<T, V>(get: impl Fn(&T) -> Option<V> + Send + Sync + 'static) -> Attribute
where
    T: Clone + Send + Sync + 'static,
    V: Into<EvaluationContextFieldValue>,
{
    let get: Get = Arc::new(move |extensions| get(extensions.get::<T>()?).map(Into::into));
    Attribute::new(Origin::Extension(get))
}

impl Attribute {
    fn new(origin: Origin) -> Self {
        Self { origin, kind: Kind::Natural, length: LENGTH, repeated: Repeated::Refuse }
    }

    /// Text, whatever JSON scalar a claim is.
    #[must_use]
    pub fn text(mut self) -> Self {
        self.kind = Kind::Text;
        self
    }

    /// A boolean: `true`, `false`, and in a header `1` and `0`.
    #[must_use]
    pub fn boolean(mut self) -> Self {
        self.kind = Kind::Boolean;
        self
    }

    /// A whole number that fits 64 bits.
    #[must_use]
    pub fn integer(mut self) -> Self {
        self.kind = Kind::Integer;
        self
    }

    /// A finite number.
    #[must_use]
    pub fn number(mut self) -> Self {
        self.kind = Kind::Number;
        self
    }

    /// A point in time: text as in RFC 3339, or seconds since 1970 in a claim (RFC 7519, `NumericDate`).
    #[must_use]
    pub fn date_time(mut self) -> Self {
        self.kind = Kind::DateTime;
        self
    }

    /// A list or object of a claim, as a [`serde_json::Value`] in the SDK's `Struct`; or a header's text parsed as JSON.
    #[must_use]
    pub fn structure(mut self) -> Self {
        self.kind = Kind::Structure;
        self
    }

    /// How many bytes the value may have, 256 unless said; a structure is measured as JSON.
    #[must_use]
    pub fn at_most(mut self, bytes: usize) -> Self {
        self.length = bytes;
        self
    }

    /// What happens when the header comes more than once.
    #[must_use]
    pub fn when_repeated(mut self, repeated: Repeated) -> Self {
        self.repeated = repeated;
        self
    }

    pub(super) fn check(&self) -> Result<(), MappingError> {
        let Origin::Header(name) = &self.origin else { return Ok(()) };
        let name = name.as_ref().map_err(|name| MappingError::Header(name.clone()))?.as_str();
        if CREDENTIALS.contains(&name) {
            return Err(MappingError::Credential(name.to_owned()));
        }
        // gRPC over HTTP/2, "Custom-Metadata": such values are base64 of anything.
        if name.ends_with("-bin") { Err(MappingError::Binary(name.to_owned())) } else { Ok(()) }
    }

    /// The attribute's value in one request; `None` if it has none.
    pub(super) fn read(&self, parts: &Parts) -> Result<Option<EvaluationContextFieldValue>, Refusal> {
        let raw = match &self.origin {
            Origin::Header(Ok(name)) => header_text(&parts.headers, name, self.repeated)?.map(Raw::Text),
            Origin::Header(Err(_)) => None,
            Origin::Claim(path) => {
                parts.extensions.get::<Claims>().and_then(|claims| claims.get(path)).map(Raw::Json)
            }
            Origin::PeerAddress => {
                peer(&parts.extensions).map(|address| Raw::Text(Cow::Owned(address.to_string())))
            }
            Origin::PeerIdentity => {
                parts.extensions.get::<PeerIdentity>().map(|peer| Raw::Text(Cow::Borrowed(&*peer.0)))
            }
            Origin::Path => Some(Raw::Text(Cow::Borrowed(parts.uri.path()))),
            Origin::Segment(at) => segment(parts.uri.path(), *at)?.map(Raw::Text),
            Origin::Extension(get) => get(&parts.extensions).map(Raw::Value),
        };
        raw.map_or(Ok(None), |raw| convert(raw, self.kind, self.length))
    }
}

fn header_text<'a>(
    headers: &'a HeaderMap,
    name: &HeaderName,
    repeated: Repeated,
) -> Result<Option<Cow<'a, str>>, Refusal> {
    let mut values = headers.get_all(name).iter().map(|value| value.to_str().map_err(|_| Refusal::NotText));
    let Some(first) = values.next() else { return Ok(None) };
    match repeated {
        Repeated::Refuse if values.next().is_some() => Err(Refusal::Repeated),
        Repeated::Refuse | Repeated::First => Ok(Some(Cow::Borrowed(first?))),
        Repeated::Last => Ok(Some(Cow::Borrowed(values.next_back().unwrap_or(first)?))),
        Repeated::Join => {
            let all = std::iter::once(first).chain(values).collect::<Result<Vec<_>, _>>()?;
            Ok(Some(Cow::Owned(all.join(", "))))
        }
    }
}

fn segment(path: &str, at: usize) -> Result<Option<Cow<'_, str>>, Refusal> {
    let Some(segment) = path.trim_start_matches('/').split('/').nth(at) else { return Ok(None) };
    percent_encoding::percent_decode_str(segment).decode_utf8().map(Some).map_err(|_| Refusal::NotText)
}

impl fmt::Debug for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Header(name) => write!(f, "header {name:?}"),
            Self::Claim(path) => write!(f, "claim {path:?}"),
            Self::PeerAddress => f.write_str("peer address"),
            Self::PeerIdentity => f.write_str("peer identity"),
            Self::Path => f.write_str("path"),
            Self::Segment(at) => write!(f, "path segment {at}"),
            Self::Extension(_) => f.write_str("extension"),
        }
    }
}
