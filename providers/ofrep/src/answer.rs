//! From what a server says of a flag to an answer: the one place for what servers do their own way (see the crate's page).

use kit::{Answer, Type};
use open_feature::{EvaluationError, EvaluationReason};
use serde_json::{Map, Value};

use crate::fault::refusal;
use crate::model::Evaluation;

/// The answer that `evaluation` is to a question for `want`.
///
/// # Errors
/// The server refused the flag, or its value is none that the SDK has.
pub(crate) fn answer(evaluation: &Evaluation, key: &str, want: Type) -> Result<Answer, EvaluationError> {
    if evaluation.error_code.is_some() {
        return Err(refusal(evaluation, key));
    }
    let reason = reason(evaluation.reason.as_deref());
    let metadata = evaluation.metadata.as_ref();
    let facts = metadata
        .map(|metadata| kit::metadata_from_json(metadata.iter().map(|(key, value)| (key.as_str(), value))));
    let variant = evaluation.variant.clone().filter(|variant| !variant.is_empty());
    let answer = match value(evaluation) {
        None => Answer::default_stands(match reason {
            EvaluationReason::Disabled => EvaluationReason::Disabled,
            _ => EvaluationReason::Default,
        }),
        Some(value) => {
            let attached = metadata.and_then(|metadata| attachment(value, metadata, want));
            Answer::new(kit::from_json(attached.as_ref().unwrap_or(value))?).reason(reason)
        }
    };
    Ok(Answer { variant, metadata: facts.unwrap_or_default(), ..answer })
}

/// The value, if there is one to give: GO Feature Flag names `SdkDefault` where there is not.
fn value(evaluation: &Evaluation) -> Option<&Value> {
    let stands = evaluation.variant.as_deref() == Some("SdkDefault");
    evaluation.value.as_ref().filter(|value| !value.is_null() && !stands)
}

/// What Flipt attaches to a variant, where the variant's key is not what is asked for.
fn attachment(value: &Value, metadata: &Map<String, Value>, want: Type) -> Option<Value> {
    let (key, text) = (value.as_str()?, metadata.get("attachment")?.as_str()?);
    let fits: fn(&Value) -> bool = match want {
        Type::Object => |attached| attached.is_object() || attached.is_array(),
        Type::Int | Type::Float => Value::is_number,
        Type::Bool | Type::String => return None,
    };
    // The key itself may be the number, as in a flag of sizes.
    let number =
        || serde_json::from_str::<Value>(key).ok().filter(|value| want != Type::Object && fits(value));
    number().or_else(|| serde_json::from_str(text).ok().filter(fits))
}

fn reason(text: Option<&str>) -> EvaluationReason {
    match text.unwrap_or_default() {
        "STATIC" => EvaluationReason::Static,
        "DEFAULT" => EvaluationReason::Default,
        "TARGETING_MATCH" => EvaluationReason::TargetingMatch,
        "SPLIT" | "TARGETING_MATCH_SPLIT" => EvaluationReason::Split,
        "CACHED" => EvaluationReason::Cached,
        "DISABLED" => EvaluationReason::Disabled,
        "UNKNOWN" | "" => EvaluationReason::Unknown,
        "ERROR" => EvaluationReason::Error,
        other => EvaluationReason::Other(other.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use open_feature::{EvaluationErrorCode, Value as Flag};
    use serde_json::json;

    use super::*;

    fn read(body: Value, want: Type) -> Result<Answer, EvaluationError> {
        answer(&serde_json::from_value(body).expect("an evaluation"), "k", want)
    }

    #[test]
    fn a_plain_answer_is_taken_as_it_is() {
        let body = json!({"key": "k", "value": 3, "reason": "STATIC", "variant": "v", "metadata": {"a": 1, "b": [1]}});
        let answer = read(body, Type::Int).expect("an answer");
        assert_eq!(answer.value, Some(Flag::Int(3)));
        assert_eq!(answer.variant.as_deref(), Some("v"));
        assert_eq!(answer.reason, EvaluationReason::Static);
        assert_eq!(answer.metadata.values.len(), 1);
    }

    #[test]
    fn without_a_value_the_callers_default_stands() {
        for (body, reason) in [
            (json!({"reason": "DISABLED"}), EvaluationReason::Disabled),
            (json!({"reason": "DEFAULT"}), EvaluationReason::Default),
            (json!({"reason": "UNKNOWN", "value": null}), EvaluationReason::Default),
            (
                json!({"reason": "DISABLED", "value": true, "variant": "SdkDefault"}),
                EvaluationReason::Disabled,
            ),
        ] {
            let answer = read(body, Type::Bool).expect("an answer");
            assert_eq!((answer.value, answer.reason), (None, reason));
        }
        let kept = read(json!({"reason": "DISABLED", "value": true, "variant": "off"}), Type::Bool)
            .expect("an answer");
        assert_eq!(kept.value, Some(Flag::Bool(true)));
    }

    #[test]
    fn flipts_attachment_answers_where_the_key_cannot() {
        let flag = |key: &str, attachment: &str| json!({"value": key, "reason": "TARGETING_MATCH", "metadata": {"attachment": attachment}});
        let value = |body, want| read(body, want).expect("an answer").value.expect("a value");
        assert_eq!(value(flag("big", "{\"w\":1}"), Type::String), Flag::String("big".to_owned()));
        assert!(matches!(value(flag("big", "{\"w\":1}"), Type::Object), Flag::Struct(_)));
        assert!(matches!(value(flag("big", "[1]"), Type::Object), Flag::Array(_)));
        assert_eq!(value(flag("big", "42"), Type::Int), Flag::Int(42));
        assert_eq!(value(flag("7", "42"), Type::Int), Flag::Int(7));
        assert_eq!(value(flag("big", "broken"), Type::Int), Flag::String("big".to_owned()));
        assert_eq!(value(flag("big", ""), Type::Object), Flag::String("big".to_owned()));
    }

    #[test]
    fn reasons_and_codes_of_other_servers_are_understood() {
        let split = json!({"value": 1, "reason": "TARGETING_MATCH_SPLIT"});
        assert_eq!(read(split, Type::Int).expect("an answer").reason, EvaluationReason::Split);
        let own = json!({"value": 1, "reason": "OFFLINE"});
        assert_eq!(
            read(own, Type::Int).expect("an answer").reason,
            EvaluationReason::Other("OFFLINE".to_owned())
        );
        for (code, expected) in [
            ("FLAG_NOT_FOUND", EvaluationErrorCode::FlagNotFound),
            ("FLAG_CONFIG", EvaluationErrorCode::ParseError),
            ("PARSE_ERROR", EvaluationErrorCode::ParseError),
            ("TARGETING_KEY_MISSING", EvaluationErrorCode::TargetingKeyMissing),
            ("INVALID_CONTEXT", EvaluationErrorCode::InvalidContext),
            ("TYPE_MISMATCH", EvaluationErrorCode::TypeMismatch),
            ("GENERAL", EvaluationErrorCode::General("GENERAL".to_owned())),
        ] {
            let error = read(json!({"errorCode": code, "errorDetails": "why"}), Type::Int).expect_err(code);
            assert_eq!((error.code, error.message.as_deref()), (expected, Some("why")));
        }
    }
}
