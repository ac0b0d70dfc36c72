//! Environment variables that a source was handed.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;

/// Variables by name. An empty one counts as unset.
#[derive(Clone, Default, Deserialize)]
#[serde(transparent)]
pub(super) struct Variables(BTreeMap<String, String>);

impl Variables {
    /// The value of a variable.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// The value of the first variable that is set.
    pub(super) fn first(&self, names: &[&str]) -> Option<String> {
        names.iter().find_map(|name| self.get(name)).map(str::to_owned)
    }

    /// Sets a variable.
    pub(super) fn set(&mut self, name: &str, value: &str) {
        self.0.insert(name.to_owned(), value.to_owned());
    }

    /// Hands what is set of `chain` to a builder, under the builder's own keys.
    pub(super) fn lay<K: Copy, B>(
        &self,
        chain: &[(&str, K)],
        builder: B,
        with: impl Fn(B, K, String) -> B,
    ) -> B {
        chain.iter().fold(builder, |builder, (name, key)| match self.get(name) {
            Some(value) => with(builder, *key, value.to_owned()),
            None => builder,
        })
    }
}

impl FromIterator<(String, String)> for Variables {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(variables: I) -> Self {
        Self(variables.into_iter().collect())
    }
}

#[cfg(test)]
impl From<&[(&str, &str)]> for Variables {
    fn from(variables: &[(&str, &str)]) -> Self {
        variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }
}

/// Names only: a value may be a secret.
impl fmt::Debug for Variables {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}
