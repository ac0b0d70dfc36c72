//! What the server says of a feature, as OpenFeature has it (contract 2.1).

use kit::{Answer, Type, error};
use open_feature::{EvaluationError, EvaluationReason, FlagMetadata};
use serde::Deserialize;
use serde_json::Value;

use crate::mapping::{Mapping, Ready};
use crate::rules::CONTROL;

/// A feature as `flags/` and `identities/` show it.
#[derive(Debug, Deserialize)]
pub(super) struct Said {
    pub(super) feature: Feature,
    enabled: bool,
    #[serde(default)]
    feature_state_value: Value,
    /// The override's number, if the identity has one of its own.
    #[serde(default)]
    identity: Value,
    /// The override's number, if a segment decided.
    #[serde(default)]
    feature_segment: Value,
    #[serde(default)]
    variant: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Feature {
    #[serde(default)]
    id: i64,
    pub(super) name: String,
    #[serde(default, rename = "type")]
    kind: String,
}

/// What `identities/` answers.
#[derive(Debug, Deserialize)]
pub(super) struct OfIdentity {
    #[serde(default)]
    pub(super) flags: Vec<Said>,
}

impl Said {
    /// The answer to who wants `want`; `identified` if it was asked for an identity.
    pub(super) fn answer(
        &self,
        want: Type,
        identified: bool,
        mapping: &Mapping,
    ) -> Result<Answer, EvaluationError> {
        let ready =
            Ready::new(&self.variant(identified), self.enabled, &self.feature_state_value, mapping, None);
        let reason = self.reason(identified);
        let Some(variant) = ready.answer(of_engine(want), mapping) else {
            return Ok(Answer::default_stands(reason).metadata(self.metadata()));
        };
        let value = value(variant.value(), want)?;
        Ok(Answer::new(value).variant(variant.name()).reason(reason).metadata(self.metadata()))
    }

    /// The server names no variant for a share that was given no name, and none without an identity.
    fn variant(&self, identified: bool) -> String {
        match (&self.variant, self.feature.kind.as_str()) {
            (Some(name), _) => name.clone(),
            (None, "MULTIVARIATE") if identified => "option".to_owned(),
            (None, "MULTIVARIATE") => CONTROL.to_owned(),
            (None, _) => "default".to_owned(),
        }
    }

    /// Why, as far as it shows: that segments exist which did not match is not said.
    fn reason(&self, identified: bool) -> EvaluationReason {
        let rest = self.variant.as_deref() == Some(CONTROL);
        match self.feature.kind.as_str() {
            _ if !self.enabled => EvaluationReason::Disabled,
            _ if !self.identity.is_null() => EvaluationReason::TargetingMatch,
            "MULTIVARIATE" if identified && (self.feature_segment.is_null() || !rest) => {
                EvaluationReason::Split
            }
            _ if !self.feature_segment.is_null() => EvaluationReason::TargetingMatch,
            _ => EvaluationReason::Default,
        }
    }

    fn metadata(&self) -> FlagMetadata {
        let mut metadata = FlagMetadata::default()
            .with_value("flagsmith.featureId", self.feature.id)
            .with_value("flagsmith.type", self.feature.kind.as_str());
        if !self.identity.is_null() {
            metadata = metadata.with_value("flagsmith.identityOverride", true);
        }
        metadata
    }
}

fn of_engine(want: Type) -> engine::Type {
    match want {
        Type::Bool => engine::Type::Bool,
        Type::Int | Type::Float => engine::Type::Number,
        Type::String => engine::Type::String,
        Type::Object => engine::Type::Object,
    }
}

/// JSON as a value of the SDK. Numbers may have been text, which does not tell whole ones from others.
fn value(value: &Value, want: Type) -> Result<open_feature::Value, EvaluationError> {
    match value {
        Value::Null => Err(error::mismatch("null", want)),
        Value::Number(number) if number.is_f64() => {
            let number = number.as_f64().unwrap_or(f64::NAN);
            // As what is evaluated here loses it.
            Ok(kit::of_double(if want == Type::Int { number.trunc() } else { number }))
        }
        value => kit::from_json(value),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn said(more: &Value) -> Said {
        let mut all = json!({
            "id": 1, "feature": {"id": 7, "name": "f", "type": "STANDARD"}, "feature_state_value": "7",
            "environment": 2, "identity": null, "feature_segment": null, "enabled": true,
        });
        for (name, value) in more.as_object().expect("an object") {
            all[name] = value.clone();
        }
        serde_json::from_value(all).expect("a feature")
    }

    #[test]
    fn reasons_and_variants_are_what_shows() {
        use EvaluationReason::{Default, Disabled, Split, TargetingMatch};
        let multivariate = json!({"id": 7, "name": "f", "type": "MULTIVARIATE"});
        for (more, identified, reason, variant) in [
            (json!({}), true, Default, "default"),
            (json!({"enabled": false}), true, Disabled, "default"),
            (json!({"feature_segment": 3}), true, TargetingMatch, "default"),
            (json!({"identity": 5}), true, TargetingMatch, "default"),
            (json!({"feature": multivariate}), false, Default, "control"),
            (json!({"feature": multivariate, "variant": "control"}), true, Split, "control"),
            (json!({"feature": multivariate, "variant": "b"}), true, Split, "b"),
            (json!({"feature": multivariate, "variant": null}), true, Split, "option"),
            (json!({"feature": multivariate, "variant": "b", "feature_segment": 3}), true, Split, "b"),
            (
                json!({"feature": multivariate, "variant": "control", "feature_segment": 3}),
                true,
                TargetingMatch,
                "control",
            ),
        ] {
            let answer = said(&more).answer(Type::Bool, identified, &Mapping::default()).expect("an answer");
            assert_eq!((&answer.reason, answer.variant.as_deref()), (&reason, Some(variant)), "{more}");
        }
    }

    #[test]
    fn values_are_what_is_asked_for() {
        let mapping = Mapping::default();
        let answer = |more: &Value, want| said(more).answer(want, true, &mapping).map(|answer| answer.value);
        assert_eq!(answer(&json!({}), Type::Int), Ok(Some(7.into())));
        assert_eq!(answer(&json!({}), Type::String), Ok(Some("7".into())));
        assert_eq!(answer(&json!({"feature_state_value": "1.5"}), Type::Float), Ok(Some(1.5.into())));
        assert_eq!(answer(&json!({"feature_state_value": "1.5"}), Type::Int), Ok(Some(1.into())));
        assert_eq!(answer(&json!({"enabled": false}), Type::Bool), Ok(Some(false.into())));
        assert_eq!(answer(&json!({"enabled": false}), Type::String), Ok(None), "the caller's default");
        let null = answer(&json!({"feature_state_value": null}), Type::String).expect_err("no value");
        assert_eq!(null.code, open_feature::EvaluationErrorCode::TypeMismatch);
        let structure = answer(&json!({"feature_state_value": "{\"a\": 1}"}), Type::Object);
        assert!(matches!(structure, Ok(Some(open_feature::Value::Struct(_)))), "{structure:?}");
    }
}
