//! Texts that must not be shown whole.

use std::fmt;

use serde_json::{Map, Value};

/// A text that is never shown: a token, a password, a header's value.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// The text itself, for the one who sends it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<redacted>")
    }
}

/// Where flags live, as text. Shown without the user and password and without the query, where signed URLs keep their key;
/// with a repository's query, which says where in it.
#[derive(Clone, PartialEq, Eq)]
pub struct Address(String);

impl Address {
    /// The whole text.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<String> for Address {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some((scheme, rest)) = self.0.split_once("://") else { return f.write_str(&self.0) };
        let (before, query) = match rest.find('?') {
            Some(at) if store::says_where(scheme, &rest[at + 1..]) => rest.split_at(at),
            Some(at) => (&rest[..at], "?<redacted>"),
            None => (rest, ""),
        };
        let (authority, path) = before.split_at(before.find('/').unwrap_or(before.len()));
        let (user, host) =
            authority.rsplit_once('@').map_or(("", authority), |(_, host)| ("<redacted>@", host));
        write!(f, "{scheme}://{user}{host}{path}{query}")
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Options that only their provider knows. Shown by name alone: any of them may be a secret.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Own(Map<String, Value>);

impl Own {
    /// The options as written.
    pub fn expose(&self) -> &Map<String, Value> {
        &self.0
    }
}

impl FromIterator<(String, Value)> for Own {
    fn from_iter<I: IntoIterator<Item = (String, Value)>>(options: I) -> Self {
        Self(options.into_iter().collect())
    }
}

impl fmt::Debug for Own {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}
