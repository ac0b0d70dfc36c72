//! The errors of an evaluation, each with its code of the specification (1.4, types) and a sentence that helps.

use open_feature::{EvaluationError, EvaluationErrorCode, EvaluationReason};

use crate::answer::Type;

fn error(code: EvaluationErrorCode, message: String) -> EvaluationError {
    EvaluationError { code, message: Some(message) }
}

/// `FLAG_NOT_FOUND`.
pub fn not_found(key: &str) -> EvaluationError {
    error(EvaluationErrorCode::FlagNotFound, format!("flag `{key}` does not exist"))
}

/// `TYPE_MISMATCH`: `what` is a `kind`, and `want` was asked for.
pub fn mismatch(kind: &str, want: Type) -> EvaluationError {
    error(EvaluationErrorCode::TypeMismatch, format!("the flag's value is {kind}, asked for as {want}"))
}

/// `TYPE_MISMATCH` for another reason.
pub fn unfit(message: impl Into<String>) -> EvaluationError {
    error(EvaluationErrorCode::TypeMismatch, message.into())
}

/// `PARSE_ERROR`: the backend's data cannot be read.
pub fn parse(message: impl Into<String>) -> EvaluationError {
    error(EvaluationErrorCode::ParseError, message.into())
}

/// `INVALID_CONTEXT`.
pub fn invalid_context(message: impl Into<String>) -> EvaluationError {
    error(EvaluationErrorCode::InvalidContext, message.into())
}

/// `TARGETING_KEY_MISSING`.
pub fn targeting_key_missing(key: &str) -> EvaluationError {
    let message = format!("flag `{key}` needs a targeting key, and the context has none");
    error(EvaluationErrorCode::TargetingKeyMissing, message)
}

/// `PROVIDER_NOT_READY`.
pub fn not_ready(message: impl Into<String>) -> EvaluationError {
    error(EvaluationErrorCode::ProviderNotReady, message.into())
}

/// `PROVIDER_FATAL`, which the SDK has no variant for.
pub fn fatal(message: impl Into<String>) -> EvaluationError {
    error(EvaluationErrorCode::General("PROVIDER_FATAL".to_owned()), message.into())
}

/// `GENERAL`: everything else.
pub fn general(message: impl Into<String>) -> EvaluationError {
    error(EvaluationErrorCode::General("GENERAL".to_owned()), message.into())
}

/// The caller's default stands, where the SDK has no default that could be returned: its code is the word of `reason`.
///
/// The SDK's typed getters give an error or a value, and have no default of the caller. An error lets
/// `unwrap_or(default)` do what the flag means, which a made-up `false` would not.
pub fn default_stands(reason: &EvaluationReason) -> EvaluationError {
    let message = match reason {
        EvaluationReason::Disabled => "the flag is disabled: the caller's own default stands",
        _ => "nothing chose a variant: the caller's own default stands",
    };
    error(EvaluationErrorCode::General(reason.to_string()), message.to_owned())
}

/// Whether `error` comes of [`default_stands`], and for which reason.
pub fn default_reason(error: &EvaluationError) -> Option<EvaluationReason> {
    match &error.code {
        EvaluationErrorCode::General(word) if word == "DISABLED" => Some(EvaluationReason::Disabled),
        EvaluationErrorCode::General(word) if word == "DEFAULT" => Some(EvaluationReason::Default),
        _ => None,
    }
}
