//! Why a request gave no answer, and what follows from that.

use std::time::Duration;

use kit::error;
use open_feature::{EvaluationError, EvaluationErrorCode};

use crate::model::Evaluation;

/// A request without a good answer.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Fault {
    /// The server refuses this flag or this context, with a code of OFREP.
    Refused(Box<Evaluation>),
    /// 401 or 403.
    Unauthorized(u16),
    /// 429, or any answer with `Retry-After`: nothing is asked for that long.
    Wait(Duration),
    /// The address leads to no OFREP server.
    NoServer(String),
    /// The server cannot be reached, fails, or says what cannot be read.
    Broken(String),
    /// The context cannot be sent.
    Context(EvaluationError),
}

impl Fault {
    /// What an evaluation says of it.
    pub(crate) fn to_error(&self, key: &str) -> EvaluationError {
        match self {
            Self::Refused(evaluation) => refusal(evaluation, key),
            Self::Context(error) => error.clone(),
            other => error::general(other.to_string()),
        }
    }

    /// Whether asking again can never help. A wrong address is no such thing: what stands before a server that starts up
    /// answers 404 too.
    pub(crate) fn is_final(&self) -> bool {
        matches!(self, Self::Unauthorized(_))
    }
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Refused(evaluation) => {
                let code = evaluation.error_code.as_deref().unwrap_or("GENERAL");
                write!(f, "the server refused: {code}")?;
                evaluation.error_details.iter().try_for_each(|details| write!(f, ": {details}"))
            }
            Self::Unauthorized(status) => {
                write!(f, "the server answered {status}: check bearer_token and headers")
            }
            Self::Wait(rest) => write!(f, "the server asked to wait, {} s more", rest.as_secs().max(1)),
            Self::NoServer(what) => write!(f, "{what}: check base_url"),
            Self::Broken(what) => f.write_str(what),
            Self::Context(error) => write!(f, "the context cannot be sent: {error:?}"),
        }
    }
}

/// A code of OFREP as the SDK's. GO Feature Flag's `FLAG_CONFIG` is a definition that cannot be read; flagd's other words are
/// those of the OpenFeature specification.
pub(crate) fn refusal(evaluation: &Evaluation, key: &str) -> EvaluationError {
    let details = evaluation.error_details.clone().filter(|details| !details.is_empty());
    let code = match evaluation.error_code.as_deref().unwrap_or("GENERAL") {
        "FLAG_NOT_FOUND" => EvaluationErrorCode::FlagNotFound,
        "PARSE_ERROR" | "FLAG_CONFIG" => EvaluationErrorCode::ParseError,
        "TARGETING_KEY_MISSING" => EvaluationErrorCode::TargetingKeyMissing,
        "INVALID_CONTEXT" => EvaluationErrorCode::InvalidContext,
        "TYPE_MISMATCH" => EvaluationErrorCode::TypeMismatch,
        "PROVIDER_NOT_READY" => EvaluationErrorCode::ProviderNotReady,
        other => EvaluationErrorCode::General(other.to_owned()),
    };
    let message = details.unwrap_or_else(|| format!("the server refused to evaluate flag `{key}`"));
    EvaluationError { code, message: Some(message) }
}
