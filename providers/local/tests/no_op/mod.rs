//! A provider that answers without looking: what a call through the SDK's client costs whoever answers.

#![allow(unreachable_pub, reason = "a module of several programs")]

use open_feature::provider::{FeatureProvider, ProviderMetadata, ResolutionDetails};
use open_feature::{EvaluationContext, EvaluationResult, StructValue, async_trait};

type Resolved<T> = EvaluationResult<ResolutionDetails<T>>;

/// Every boolean is true, everything else the empty value of its type.
pub struct NoOp(ProviderMetadata);

impl Default for NoOp {
    fn default() -> Self {
        Self(ProviderMetadata::new("no-op"))
    }
}

#[async_trait]
impl FeatureProvider for NoOp {
    fn metadata(&self) -> &ProviderMetadata {
        &self.0
    }

    async fn resolve_bool_value(&self, _: &str, _: &EvaluationContext) -> Resolved<bool> {
        Ok(ResolutionDetails::new(true))
    }

    async fn resolve_int_value(&self, _: &str, _: &EvaluationContext) -> Resolved<i64> {
        Ok(ResolutionDetails::default())
    }

    async fn resolve_float_value(&self, _: &str, _: &EvaluationContext) -> Resolved<f64> {
        Ok(ResolutionDetails::default())
    }

    async fn resolve_string_value(&self, _: &str, _: &EvaluationContext) -> Resolved<String> {
        Ok(ResolutionDetails::default())
    }

    async fn resolve_struct_value(&self, _: &str, _: &EvaluationContext) -> Resolved<StructValue> {
        Ok(ResolutionDetails::default())
    }
}
