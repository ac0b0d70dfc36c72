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

/// An option of an origin that its source cannot use. The message names the option and shows nothing secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct OriginError(pub String);

impl Origin {
    /// An origin of `provider` with the path, URL or target `name`, flagd's own schemes taken off (contract 1.4).
    ///
    /// The name is also what selectors and metadata call the source by. `options` is whatever else the provider
    /// understands.
    pub fn new(provider: &str, name: &str, options: Map<String, Value>) -> Self {
        Self { name: name.into(), provider: provider.into(), options }
    }

    /// The path, URL or target, which is also what `source=` selectors and metadata say.
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// Whether people may mean this origin by `name`: its name, whole or with its secrets left out.
    pub(crate) fn is_called(&self, name: &str) -> bool {
        *self.name == *name || redacted(&self.name) == name
    }

    /// The provider, such as `file`.
    pub fn provider(&self) -> &str {
        &self.provider
    }

    /// What tells apart two views of one origin, by the options that choose what it shows.
    pub(crate) fn view(&self) -> String {
        let text = |option: &str| self.options.get(option).and_then(Value::as_str).unwrap_or_default();
        format!("{}\0{}", text("selector"), text("providerID"))
    }

    /// The provider's options.
    ///
    /// # Errors
    /// An option has the wrong type. Which one is not said: the reason would quote its value.
    pub fn options<T: DeserializeOwned>(&self) -> Result<T, OriginError> {
        T::deserialize(Value::Object(self.options.clone())).map_err(|_| {
            OriginError(format!("the options of source {self} do not fit its provider, {}", self.provider))
        })
    }
}

/// The name as people may see it: without the credentials and the query of a URL.
impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&redacted(&self.name))
    }
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

/// A source's name without what may be secret in it: the credentials before `@`, and the query but that of a repository,
/// which says where in it.
pub(crate) fn redacted(name: &str) -> Cow<'_, str> {
    let Some((scheme, rest)) = name.split_once("://") else { return name.into() };
    let (rest, query) = match rest.find('?') {
        Some(at) if says_where(scheme, &rest[at + 1..]) => rest.split_at(at),
        Some(at) => (&rest[..at], "?…"),
        None => (rest, ""),
    };
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    format!("{scheme}://{host}{path}{query}").into()
}

/// Whether the query of a URL is that of a repository, and has nothing in it but what is known to be no secret.
pub fn says_where(scheme: &str, query: &str) -> bool {
    let known = |pair: &str| ["ref=", "path=", "flagSet="].iter().any(|name| pair.starts_with(name));
    scheme.starts_with("git+") && query.split('&').all(known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_do_not_show() {
        let mut options = Map::new();
        options.insert("authHeader".to_owned(), Value::String("Bearer hunter2".to_owned()));
        let origin = Origin::new("http", "https://me:hunter2@h/p?sig=hunter2", options);
        let shown = format!("{origin} {origin:?}");
        assert!(!shown.contains("hunter2"), "{shown}");
        assert!(shown.contains("https://h/p?…"), "{shown}");
        assert!(shown.contains("authHeader"), "{shown}");
        let git = |query: &str| redacted(&format!("git+https://me:hunter2@h/r.git?{query}")).into_owned();
        assert_eq!(git("ref=main&path=flags/"), "git+https://h/r.git?ref=main&path=flags/");
        assert_eq!(git("path=flags/&token=hunter2"), "git+https://h/r.git?…");
        assert_eq!(Origin::new("file", "/etc/flags?.json", Map::new()).to_string(), "/etc/flags?.json");
    }

    #[test]
    fn options_are_the_providers_own() {
        #[derive(serde::Deserialize)]
        struct Options {
            interval: u64,
        }
        let options =
            |value: Value| Origin::new("http", "https://h", Map::from_iter([("interval".to_owned(), value)]));
        assert_eq!(options(7.into()).options::<Options>().expect("options").interval, 7);
        let error = options("hunter2".into()).options::<Options>().err().expect("an error");
        assert_eq!(error.to_string(), "the options of source https://h do not fit its provider, http");
    }
}
