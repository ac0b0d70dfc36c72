//! What can go wrong with a repository, by what is to be done about it.

use std::error::Error;
use std::io;

use crate::source::Retry;

/// What can go wrong.
#[derive(Debug)]
pub(super) enum Trouble {
    /// The repository has a version that cannot be used as it is: it is refused, and whatever comes next is looked at.
    Unusable(String),
    /// The repository cannot be read: it is tried again.
    Unreachable(String, Retry),
    /// What was stored here is not as it should be, perhaps: once more without it.
    Local(String),
}

impl Trouble {
    pub(super) fn unusable(what: impl Into<String>) -> Self {
        Self::Unusable(what.into())
    }

    pub(super) fn unreachable(what: impl Into<String>) -> Self {
        Self::Unreachable(what.into(), Retry::Backoff)
    }
}

/// Whatever nobody has explained better may come from what is stored here.
impl From<gix::Error> for Trouble {
    fn from(error: gix::Error) -> Self {
        Self::Local(said(&error))
    }
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        Self::Local(error.to_string())
    }
}

/// What an error says, causes included, on one line.
pub(super) fn said(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let more = inner.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = inner.source();
    }
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
