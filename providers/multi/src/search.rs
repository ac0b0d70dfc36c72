//! Asking in turn.

use kit::{Answer, Type, error};
use open_feature::{EvaluationContext, EvaluationError, EvaluationErrorCode};

use crate::member::Member;

/// The first that has the flag. One that is not ready is passed over; any error but `FLAG_NOT_FOUND` is the answer
/// (OpenFeature specification, appendix A, first match).
pub(crate) async fn first_match(
    members: &[Member],
    key: &str,
    want: Type,
    context: &EvaluationContext,
) -> Result<Answer, EvaluationError> {
    let mut asked = false;
    for member in members.iter().filter(|member| member.answers()) {
        asked = true;
        match member.ask(key, want, context).await {
            Err(error) if error.code == EvaluationErrorCode::FlagNotFound => {}
            outcome => return outcome.map_err(|error| named(member, error)),
        }
    }
    if asked { Err(error::not_found(key)) } else { Err(nobody_ready(members)) }
}

/// The first that has an answer (specification, appendix A, first successful). What kept each of the others is said when
/// there is none.
pub(crate) async fn first_success(
    members: &[Member],
    key: &str,
    want: Type,
    context: &EvaluationContext,
) -> Result<Answer, EvaluationError> {
    let mut errors = Vec::new();
    for member in members {
        match member.ask(key, want, context).await {
            Ok(answer) => return Ok(answer),
            Err(error) => errors.push(named(member, error)),
        }
    }
    // The code that all agree on; an absent flag is absent only if it is absent everywhere.
    let code = errors.first().map(|error| error.code.clone());
    let agreed = code.filter(|code| errors.iter().all(|error| error.code == *code));
    let told: Vec<String> = errors.into_iter().filter_map(|error| error.message).collect();
    let message = Some(told.join("; "));
    match agreed {
        Some(code) => Err(EvaluationError { code, message }),
        None => Err(EvaluationError { message, ..error::general("") }),
    }
}

/// The error, with whose it is.
fn named(member: &Member, error: EvaluationError) -> EvaluationError {
    let said = error.message.unwrap_or_else(|| error.code.to_string());
    EvaluationError { code: error.code, message: Some(format!("{}: {said}", member.name())) }
}

fn nobody_ready(members: &[Member]) -> EvaluationError {
    let states: Vec<String> =
        members.iter().map(|member| format!("{} is {}", member.name(), member.provider().state())).collect();
    error::not_ready(states.join(", "))
}
