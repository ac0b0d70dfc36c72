//! What is wrong with a configuration, and where it was said.

use std::fmt;
use std::path::PathBuf;

/// Characters of an offending value that a message repeats.
const MOST_VALUE_CHARS: usize = 100;

/// Where a value was set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SetBy {
    /// A command-line flag, without its dashes.
    Flag(&'static str),
    /// An environment variable.
    Variable(String),
    /// A key of the configuration file.
    File(PathBuf, &'static str),
    /// Nowhere: the default of this setting.
    Default(&'static str),
}

impl fmt::Display for SetBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(name) => write!(f, "--{name}"),
            Self::Variable(name) => write!(f, "environment variable {name}"),
            Self::File(path, key) => write!(f, "`{key}` in {}", path.display()),
            Self::Default(name) => write!(f, "default of --{name}"),
        }
    }
}

/// A configuration that cannot be used. Trying again does not help; the text says what to change and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what}{}", self.place())]
pub struct ConfigError {
    what: String,
    set_by: Option<SetBy>,
}

impl ConfigError {
    /// A value set at `set_by` is wrong.
    pub(crate) fn at(set_by: &SetBy, what: impl Into<String>) -> Self {
        Self { what: what.into(), set_by: Some(set_by.clone()) }
    }

    /// The configuration as a whole is wrong.
    pub(crate) fn whole(what: impl Into<String>) -> Self {
        Self { what: what.into(), set_by: None }
    }

    fn place(&self) -> String {
        self.set_by.as_ref().map(|set_by| format!(" (from {set_by})")).unwrap_or_default()
    }
}

/// A value short enough for a message, in quotes.
pub(crate) fn quoted(value: &str) -> String {
    match value.char_indices().nth(MOST_VALUE_CHARS) {
        Some((end, _)) => format!("{:?}...", &value[..end]),
        None => format!("{value:?}"),
    }
}
