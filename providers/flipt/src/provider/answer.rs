//! What the evaluation API says, as OpenFeature has it (contract 1.1).

use kit::{Answer, Type, error};
use open_feature::{EvaluationError, EvaluationReason, FlagMetadata};
use serde::Deserialize;
use serde_json::Value;

use crate::mapping::Values;

/// An answer of any kind: what is not said is empty.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Evaluation {
    enabled: bool,
    reason: String,
    request_id: String,
    segment_keys: Vec<String>,
    variant_key: String,
    variant_attachment: String,
}

/// Answers to several questions, in their order.
#[derive(Debug, Deserialize)]
pub(super) struct Batch {
    #[serde(default)]
    pub(super) responses: Vec<OneOf>,
}

/// The answer to one of several questions.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct OneOf {
    boolean_response: Option<Evaluation>,
    variant_response: Option<Evaluation>,
    error_response: Option<Refusal>,
}

#[derive(Debug, Deserialize)]
struct Refusal {
    #[serde(default)]
    reason: String,
}

/// Who was asked, for what.
#[derive(Clone, Copy)]
pub(super) struct Asked<'a> {
    pub(super) key: &'a str,
    pub(super) namespace: &'a str,
    pub(super) environment: Option<&'a str>,
    pub(super) values: Values,
}

impl Asked<'_> {
    /// What a boolean flag is.
    pub(super) fn boolean(self, said: &Evaluation) -> Answer {
        let name = if said.enabled { "true" } else { "false" };
        Answer::new(said.enabled).variant(name).reason(reason(said)).metadata(self.metadata(said))
    }

    /// What a variant flag is to who wants `want`; `None` for no type in particular.
    pub(super) fn variant(self, said: &Evaluation, want: Option<Type>) -> Result<Answer, EvaluationError> {
        let metadata = self.metadata(said);
        let key = said.variant_key.as_str();
        if said.reason == "FLAG_DISABLED_EVALUATION_REASON" {
            let metadata =
                if key.is_empty() { metadata } else { metadata.with_value("flipt.defaultVariant", key) };
            return Ok(Answer::default_stands(EvaluationReason::Disabled).metadata(metadata));
        }
        // A default variant counts although nothing matched.
        if key.is_empty() {
            return Ok(Answer::default_stands(EvaluationReason::Default).metadata(metadata));
        }
        let attachment = crate::rules::attachment(&said.variant_attachment);
        let metadata = match (&attachment, self.values) {
            (Some(_), Values::Key) => {
                metadata.with_value("flipt.attachment", said.variant_attachment.as_str())
            }
            _ => metadata,
        };
        let value = self.values.value(key, attachment.as_ref(), of_engine(want));
        Ok(Answer::new(value_of(&value)?).variant(key).reason(reason(said)).metadata(metadata))
    }

    /// What a flag of any kind is.
    pub(super) fn either(self, said: &OneOf) -> Result<Answer, EvaluationError> {
        match said {
            OneOf { boolean_response: Some(said), .. } => Ok(self.boolean(said)),
            OneOf { variant_response: Some(said), .. } => self.variant(said, None),
            OneOf { error_response: Some(refusal), .. }
                if refusal.reason == "NOT_FOUND_ERROR_EVALUATION_REASON" =>
            {
                Err(error::not_found(self.key))
            }
            _ => Err(error::general(format!("the server cannot evaluate flag `{}`", self.key))),
        }
    }

    fn metadata(self, said: &Evaluation) -> FlagMetadata {
        let mut metadata = FlagMetadata::default().with_value("flipt.namespace", self.namespace);
        if let Some(environment) = self.environment {
            metadata = metadata.with_value("flipt.environment", environment);
        }
        if !said.segment_keys.is_empty() {
            metadata = metadata.with_value("flipt.segments", said.segment_keys.join(","));
        }
        if !said.request_id.is_empty() {
            metadata = metadata.with_value("flipt.requestId", said.request_id.as_str());
        }
        metadata
    }
}

fn reason(said: &Evaluation) -> EvaluationReason {
    match said.reason.as_str() {
        "MATCH_EVALUATION_REASON" if said.segment_keys.is_empty() => EvaluationReason::Split,
        "MATCH_EVALUATION_REASON" => EvaluationReason::TargetingMatch,
        _ => EvaluationReason::Default,
    }
}

fn of_engine(want: Option<Type>) -> engine::Type {
    match want {
        None => engine::Type::Any,
        Some(Type::Bool) => engine::Type::Bool,
        Some(Type::Int | Type::Float) => engine::Type::Number,
        Some(Type::String) => engine::Type::String,
        Some(Type::Object) => engine::Type::Object,
    }
}

/// JSON as a value of the SDK; what is whole is a whole number, as keys and attachments are text.
fn value_of(value: &Value) -> Result<open_feature::Value, EvaluationError> {
    match value.as_f64() {
        Some(number) => Ok(kit::of_double(number)),
        None => kit::from_json(value),
    }
}
