//! A provider that answers with the context it was asked with, so that tests see what an evaluation was made of.

#![allow(dead_code, unreachable_pub, reason = "each test binary uses a part of it")]

use open_feature::provider::{FeatureProvider, ProviderMetadata, ResolutionDetails};
use open_feature::{
    EvaluationContext, EvaluationContextFieldValue as Field, EvaluationError, EvaluationErrorCode,
    EvaluationReason, EvaluationResult, FlagMetadata, OpenFeature, StructValue,
};

pub struct Echo(ProviderMetadata);

impl Default for Echo {
    fn default() -> Self {
        Self(ProviderMetadata::new("echo"))
    }
}

/// A client of an SDK of its own, whose provider echoes.
pub async fn client(name: &str) -> open_feature::Client {
    let mut api = OpenFeature::default();
    api.set_named_provider(name, Echo::default()).await;
    api.create_named_client(name)
}

/// `key/name=value;...` with the fields in order.
pub fn text(context: &EvaluationContext) -> String {
    let mut fields: Vec<String> = context
        .custom_fields
        .iter()
        .map(|(name, value)| match value {
            Field::Bool(value) => format!("{name}={value}"),
            Field::Int(value) => format!("{name}={value}"),
            Field::Float(value) => format!("{name}={value}"),
            Field::String(value) => format!("{name}={value}"),
            other => format!("{name}={other:?}"),
        })
        .collect();
    fields.sort();
    format!("{}/{}", context.targeting_key.as_deref().unwrap_or_default(), fields.join(";"))
}

fn missing<T>() -> EvaluationResult<T> {
    Err(EvaluationError { code: EvaluationErrorCode::FlagNotFound, message: Some("no such flag".to_owned()) })
}

#[async_trait::async_trait]
impl FeatureProvider for Echo {
    fn metadata(&self) -> &ProviderMetadata {
        &self.0
    }

    async fn resolve_bool_value(
        &self,
        key: &str,
        _context: &EvaluationContext,
    ) -> EvaluationResult<ResolutionDetails<bool>> {
        if key == "disabled" {
            return Err(EvaluationError {
                code: EvaluationErrorCode::General("DISABLED".to_owned()),
                message: None,
            });
        }
        if key != "on" {
            return missing();
        }
        let metadata = FlagMetadata::default()
            .with_value("flagSetId", "s")
            .with_value("version", 3)
            .with_value("owner", "me");
        Ok(ResolutionDetails {
            value: true,
            reason: Some(EvaluationReason::TargetingMatch),
            variant: Some("yes".to_owned()),
            flag_metadata: Some(metadata.with_value("allocationKey", "a1")),
        })
    }

    async fn resolve_int_value(
        &self,
        _key: &str,
        _context: &EvaluationContext,
    ) -> EvaluationResult<ResolutionDetails<i64>> {
        missing()
    }

    async fn resolve_float_value(
        &self,
        _key: &str,
        _context: &EvaluationContext,
    ) -> EvaluationResult<ResolutionDetails<f64>> {
        missing()
    }

    async fn resolve_string_value(
        &self,
        _key: &str,
        context: &EvaluationContext,
    ) -> EvaluationResult<ResolutionDetails<String>> {
        Ok(ResolutionDetails::new(text(context)))
    }

    async fn resolve_struct_value(
        &self,
        _key: &str,
        _context: &EvaluationContext,
    ) -> EvaluationResult<ResolutionDetails<StructValue>> {
        missing()
    }
}
