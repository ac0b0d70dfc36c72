//! Origins: where flags live, as configured.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

/// Where a source's flags live.
#[derive(Clone)]
pub struct Origin {
    name: Arc<str>,
    provider: Box<str>,
    options: Map<String, Value>,
}

/// An origin that cannot be understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OriginError {
    /// A URI without a known scheme.
    #[error(
        "invalid sync uri argument: {0}, must start with 'file:', 'http(s)://', 'grpc(s)://', 'gs://', 'azblob://', \
         's3://' or 'core.openfeature.dev'"
    )]
    Scheme(String),
    /// A provider that is not known.
    #[error("{0}")]
    Provider(String),
    /// An option that does not fit.
    #[error("{0}")]
    Options(String),
}

/// How a URI begins, the provider it then means, and how much of it is the pseudo-scheme (contract 1.4).
const FORMS: &[(&str, &str, usize)] = &[
    ("file:", "file", "file:".len()),
    ("core.openfeature.dev/", "kubernetes", "core.openfeature.dev/".len()),
    ("http://", "http", 0),
    ("https://", "http", 0),
    ("grpc://", "grpc", "grpc://".len()),
    ("grpcs://", "grpc", "grpcs://".len()),
    ("envoy", "grpc", 0),
    ("dns", "grpc", 0),
    ("uds", "grpc", 0),
    ("xds", "grpc", 0),
    ("gs://", "gcs", 0),
    ("azblob://", "azblob", 0),
    ("s3://", "s3", 0),
];

impl Origin {
    /// An origin of `provider` at `uri`; a pseudo-scheme of that provider is stripped (contract 1.3, 1.4).
    ///
    /// What remains is the name that selectors and metadata call the source by. `options` is whatever else the provider
    /// understands.
    pub fn new(provider: &str, uri: &str, options: Map<String, Value>) -> Self {
        let stripped = FORMS.iter().find(|(prefix, of, _)| uri.starts_with(prefix) && serves(of, provider));
        let name = stripped.map_or(uri, |(_, _, strip)| &uri[*strip..]);
        Self { name: name.into(), provider: provider.into(), options }
    }

    /// Reads a bare URI, such as `file:flags.json` (contract 1.4).
    ///
    /// # Errors
    /// The URI begins with none of the known forms, or names a bucket without an object.
    pub fn parse(uri: &str) -> Result<Self, OriginError> {
        let unknown = || OriginError::Scheme(uri.to_owned());
        let (prefix, provider, _) =
            FORMS.iter().find(|(prefix, _, _)| uri.starts_with(prefix)).ok_or_else(unknown)?;
        let rest = &uri[prefix.len()..];
        let whole = match *provider {
            "gcs" | "azblob" | "s3" | "kubernetes" => {
                rest.split_once('/').is_some_and(|(place, _)| !place.is_empty())
            }
            _ => true,
        };
        if !whole {
            return Err(unknown());
        }
        let mut options = Map::new();
        if uri.starts_with("grpcs://") {
            options.insert("tls".to_owned(), Value::Bool(true));
        }
        Ok(Self::new(provider, uri, options))
    }

    /// The source's name: what `source=` selectors and metadata say.
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// The provider, such as `file`.
    pub fn provider(&self) -> &str {
        &self.provider
    }

    /// The provider's options.
    ///
    /// # Errors
    /// An option has the wrong type; the message names it and never shows a value that was accepted.
    pub fn options<T: DeserializeOwned>(&self) -> Result<T, OriginError> {
        T::deserialize(Value::Object(self.options.clone()))
            .map_err(|error| OriginError::Options(format!("options of source {self}: {error}")))
    }
}

/// Whether `provider` takes the URI forms of `form`'s provider.
fn serves(form: &str, provider: &str) -> bool {
    form == provider || (form == "file" && matches!(provider, "fsnotify" | "fileinfo"))
}

/// The name as people may see it, see [`redacted`].
impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&redacted(&self.name))
    }
}

/// A source's name without what may be secret in it: the credentials before `@`, and the query.
pub(crate) fn redacted(name: &str) -> Cow<'_, str> {
    let Some((scheme, rest)) = name.split_once("://") else { return name.into() };
    let (rest, query) = rest.split_once('?').map_or((rest, ""), |(rest, _)| (rest, "?…"));
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    format!("{scheme}://{host}{path}{query}").into()
}

/// Options by name alone: any of them may be a secret.
impl fmt::Debug for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Origin")
            .field("name", &format_args!("{self}"))
            .field("provider", &self.provider)
            .field("options", &self.options.keys())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(uri: &str) -> (String, String) {
        let origin = Origin::parse(uri).expect(uri);
        (origin.provider().to_owned(), origin.name().to_string())
    }

    #[test]
    fn uri_forms() {
        for (uri, provider, name) in [
            ("file:/a.json", "file", "/a.json"),
            ("file://a", "file", "//a"),
            ("core.openfeature.dev/ns/name", "kubernetes", "ns/name"),
            ("https://h/f.json?x=1", "http", "https://h/f.json?x=1"),
            ("grpc://h:1", "grpc", "h:1"),
            ("grpcs://h:1", "grpc", "h:1"),
            ("envoy://h:1/svc", "grpc", "envoy://h:1/svc"),
            ("gs://b/o", "gcs", "gs://b/o"),
            ("s3://b/", "s3", "s3://b/"),
        ] {
            assert_eq!(parsed(uri), (provider.to_owned(), name.to_owned()), "{uri}");
        }
        for uri in ["flags.json", "", "s3://bucket", "ftp://x", "FILE:a"] {
            assert!(matches!(Origin::parse(uri), Err(OriginError::Scheme(_))), "{uri}");
        }
    }

    #[test]
    fn a_scheme_left_on_is_taken_off() {
        assert_eq!(&**Origin::new("fsnotify", "file:x", Map::new()).name(), "x");
        assert_eq!(&**Origin::new("kubernetes", "core.openfeature.dev/a/b", Map::new()).name(), "a/b");
        assert_eq!(&**Origin::new("http", "file:x", Map::new()).name(), "file:x");
    }

    #[test]
    fn secrets_do_not_show() {
        let mut options = Map::new();
        options.insert("authHeader".to_owned(), Value::String("Bearer hunter2".to_owned()));
        let origin = Origin::new("http", "https://me:hunter2@h/p?sig=hunter2", options);
        let shown = format!("{origin} {origin:?}");
        assert!(!shown.contains("hunter2"), "{shown}");
        assert!(shown.contains("https://h/p?…"), "{shown}");
        assert!(shown.contains("authHeader"), "{shown}");
    }
}
