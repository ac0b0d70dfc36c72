//! What the provider can be told.

use std::collections::HashMap;
use std::fmt;

use crate::naming::Naming;

/// Variables, and how a flag's key becomes the name of one.
#[derive(Clone, Default)]
pub struct Options {
    pub(crate) variables: HashMap<String, String>,
    pub(crate) prefix: String,
    pub(crate) naming: Naming,
}

impl Options {
    /// With these variables in place of the process's own.
    pub fn new<K: Into<String>, V: Into<String>>(variables: impl IntoIterator<Item = (K, V)>) -> Self {
        let variables = variables.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
        Self { variables, ..Self::default() }
    }

    /// Put before every name, as it is.
    #[must_use]
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// How a key becomes a name; [`Naming::UpperSnake`] unless said otherwise.
    #[must_use]
    pub fn naming(mut self, naming: Naming) -> Self {
        self.naming = naming;
        self
    }
}

/// How many variables, not which: any of them may be a secret.
impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("variables", &self.variables.len())
            .field("prefix", &self.prefix)
            .field("naming", &self.naming)
            .finish()
    }
}
