//! What can go wrong on the way.

use std::error::Error;
use std::time::Duration;

use open_feature::EvaluationError;

use crate::error;

/// Why there is no answer of a backend. Never holds a URL or a header: they may hold secrets.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HttpError {
    /// The client cannot be built so.
    #[error("{0}")]
    Settings(String),
    /// The server asked for a rest (`Retry-After`), and it is not over.
    #[error("the server asked to be left alone for another {0:.1?}")]
    Resting(Duration),
    /// There was no answer in time.
    #[error("the server did not answer in time")]
    Timeout,
    /// The connection failed, or broke.
    #[error("{0}")]
    Broken(String),
    /// The body is larger than it may be.
    #[error("the answer is larger than {limit} bytes")]
    TooLarge {
        /// The limit in bytes.
        limit: usize,
    },
}

impl From<reqwest::Error> for HttpError {
    fn from(error: reqwest::Error) -> Self {
        if error.is_timeout() { Self::Timeout } else { Self::Broken(said(error)) }
    }
}

impl From<HttpError> for EvaluationError {
    fn from(error: HttpError) -> Self {
        error::general(error.to_string())
    }
}

/// What a client's error says, causes included and the URL left out.
pub(super) fn said(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let more = inner.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = inner.source();
    }
    text
}
