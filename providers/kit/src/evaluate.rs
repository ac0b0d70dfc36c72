//! Evaluation without `await`.

use std::sync::Arc;

use open_feature::{EvaluationContext, EvaluationError, EvaluationReason, FlagMetadata, StructValue};
use serde::de::DeserializeOwned;

use crate::answer::{Found, Type};
use crate::error;
use crate::value::{self, FlagValue};

/// Answers at once. Implementations write [`evaluate`](Evaluate::evaluate); the rest is comfort.
pub trait Evaluate {
    /// Answers for the flag `key`, and hands the answer to `take` where it lies.
    ///
    /// # Errors
    /// There is no such flag, or it cannot be evaluated.
    fn evaluate<T>(
        &self,
        key: &str,
        want: Type,
        context: &EvaluationContext,
        take: impl FnOnce(Found<'_>) -> T,
    ) -> Result<T, EvaluationError>;

    /// The flag's value as `T`.
    ///
    /// # Errors
    /// As [`evaluate`](Evaluate::evaluate); the value is not a `T`; or the caller's default stands
    /// ([`default_stands`](error::default_stands)).
    #[inline]
    fn get<T: FlagValue>(&self, key: &str, context: &EvaluationContext) -> Result<T, EvaluationError> {
        self.evaluate(key, T::TYPE, context, |found| match found.value {
            Some(held) => T::read(held),
            None => Err(error::default_stands(&found.reason)),
        })?
    }

    /// A boolean flag, or `default` when there is no answer. Allocates nothing when there is one.
    #[inline]
    fn bool(&self, key: &str, default: bool, context: &EvaluationContext) -> bool {
        self.get(key, context).unwrap_or(default)
    }

    /// A whole number, or `default` when there is no answer. Allocates nothing when there is one.
    #[inline]
    fn int(&self, key: &str, default: i64, context: &EvaluationContext) -> i64 {
        self.get(key, context).unwrap_or(default)
    }

    /// A number, or `default` when there is no answer. Allocates nothing when there is one.
    #[inline]
    fn float(&self, key: &str, default: f64, context: &EvaluationContext) -> f64 {
        self.get(key, context).unwrap_or(default)
    }

    /// Text, or `default` when there is no answer.
    fn string(&self, key: &str, default: &str, context: &EvaluationContext) -> String {
        self.get(key, context).unwrap_or_else(|_| default.to_owned())
    }

    /// Hands the text, or `default` when there is no answer, to `look`. Allocates nothing when there is an answer.
    fn with_str<T>(
        &self,
        key: &str,
        default: &str,
        context: &EvaluationContext,
        look: impl Fn(&str) -> T,
    ) -> T {
        let seen = self.evaluate(key, Type::String, context, |found| {
            let text = value::text(found.value?).ok()?;
            Some(look(text))
        });
        seen.ok().flatten().unwrap_or_else(|| look(default))
    }

    /// A structure.
    ///
    /// # Errors
    /// As [`get`](Evaluate::get).
    fn object(&self, key: &str, context: &EvaluationContext) -> Result<StructValue, EvaluationError> {
        self.get(key, context)
    }

    /// A structure or list as a Rust type of the caller's own.
    ///
    /// # Errors
    /// As [`get`](Evaluate::get); `TYPE_MISMATCH` when the value has another shape than `T`.
    fn decode<T: DeserializeOwned>(
        &self,
        key: &str,
        context: &EvaluationContext,
    ) -> Result<T, EvaluationError> {
        let json: serde_json::Value = self.get(key, context)?;
        T::deserialize(json).map_err(|problem| error::unfit(format!("flag `{key}`: {problem}")))
    }

    /// The value with all that is known about it; `default` stands in when there is no answer (specification 1.4).
    fn details<T: FlagValue>(&self, key: &str, default: T, context: &EvaluationContext) -> Details<T> {
        let found = self.evaluate(key, T::TYPE, context, |found| {
            let value = found.value.map(T::read).transpose();
            value.map(|value| {
                (value, found.variant.map(str::to_owned), found.reason, found.facts.to_metadata())
            })
        });
        match found.and_then(|found| found) {
            Ok((value, variant, reason, metadata)) => {
                Details { value: value.unwrap_or(default), variant, reason, metadata, error: None }
            }
            Err(error) => Details {
                value: default,
                variant: None,
                reason: EvaluationReason::Error,
                metadata: FlagMetadata::default(),
                error: Some(error),
            },
        }
    }
}

impl<E: Evaluate> Evaluate for Arc<E> {
    #[inline]
    fn evaluate<T>(
        &self,
        key: &str,
        want: Type,
        context: &EvaluationContext,
        take: impl FnOnce(Found<'_>) -> T,
    ) -> Result<T, EvaluationError> {
        (**self).evaluate(key, want, context, take)
    }
}

/// A value and all that is known about it (specification, `types` section, evaluation details).
#[derive(Clone, Debug, PartialEq)]
pub struct Details<T> {
    /// The flag's value, or the caller's default.
    pub value: T,
    /// The name of the chosen variant.
    pub variant: Option<String>,
    /// Why.
    pub reason: EvaluationReason,
    /// What the flag says about itself.
    pub metadata: FlagMetadata,
    /// What went wrong, when the default stands in for an error.
    pub error: Option<EvaluationError>,
}
