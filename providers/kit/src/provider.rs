//! The SDK's provider.

use std::fmt;
use std::ops::Deref;

use open_feature::provider::{FeatureProvider, ProviderMetadata, ProviderStatus, ResolutionDetails};
use open_feature::{EvaluationContext, EvaluationResult, HookWrapper, StructValue, async_trait};

use crate::answer::Answer;
use crate::error;
use crate::handle::Handle;
use crate::resolver::Resolver;
use crate::value::FlagValue;

/// A resolver as the SDK's provider. Dropping it is its shutdown.
///
/// It derefs to its [`Handle`]; clone that with [`Provider::handle`] before the SDK takes the provider.
pub struct Provider<R: Resolver> {
    metadata: ProviderMetadata,
    hooks: Vec<HookWrapper>,
    handle: Handle<R>,
}

impl<R: Resolver> Provider<R> {
    /// Makes a provider of `resolver`.
    pub fn new(resolver: R) -> Self {
        let handle = Handle::new(resolver);
        Self { metadata: ProviderMetadata::new(handle.name()), hooks: Vec::new(), handle }
    }

    /// Adds a hook that the SDK runs on every evaluation by this provider.
    #[must_use]
    pub fn with_hook(mut self, hook: impl open_feature::Hook) -> Self {
        self.hooks.push(HookWrapper::new(hook));
        self
    }

    /// What the application keeps when the SDK takes the provider.
    pub fn handle(&self) -> Handle<R> {
        self.handle.clone()
    }

    #[inline]
    async fn details<T: FlagValue>(
        &self,
        key: &str,
        context: &EvaluationContext,
    ) -> EvaluationResult<ResolutionDetails<T>> {
        let answer = self.handle.resolve(key, T::TYPE, context).await?;
        to_details(answer)
    }
}

/// What the SDK makes of an answer; an empty map of metadata costs it nothing.
fn to_details<T: FlagValue>(answer: Answer) -> EvaluationResult<ResolutionDetails<T>> {
    let Some(value) = answer.value else { return Err(error::default_stands(&answer.reason)) };
    Ok(ResolutionDetails {
        value: T::take(value)?,
        variant: answer.variant,
        reason: Some(answer.reason),
        flag_metadata: Some(answer.metadata),
    })
}

impl<R: Resolver> Deref for Provider<R> {
    type Target = Handle<R>;

    fn deref(&self) -> &Handle<R> {
        &self.handle
    }
}

impl<R: Resolver> Drop for Provider<R> {
    fn drop(&mut self) {
        self.handle.shutdown();
    }
}

impl<R: Resolver> fmt::Debug for Provider<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Provider").field(&self.handle).finish()
    }
}

#[async_trait]
impl<R: Resolver> FeatureProvider for Provider<R> {
    /// Returns at once: readiness is awaited by [`Handle::ready`], not under the SDK's lock.
    async fn initialize(&mut self, context: &EvaluationContext) {
        self.handle.initialize(context);
    }

    fn status(&self) -> ProviderStatus {
        self.handle.state().into()
    }

    fn metadata(&self) -> &ProviderMetadata {
        &self.metadata
    }

    fn hooks(&self) -> &[HookWrapper] {
        &self.hooks
    }

    async fn resolve_bool_value(
        &self,
        key: &str,
        context: &EvaluationContext,
    ) -> EvaluationResult<ResolutionDetails<bool>> {
        self.details(key, context).await
    }

    async fn resolve_int_value(
        &self,
        key: &str,
        context: &EvaluationContext,
    ) -> EvaluationResult<ResolutionDetails<i64>> {
        self.details(key, context).await
    }

    async fn resolve_float_value(
        &self,
        key: &str,
        context: &EvaluationContext,
    ) -> EvaluationResult<ResolutionDetails<f64>> {
        self.details(key, context).await
    }

    async fn resolve_string_value(
        &self,
        key: &str,
        context: &EvaluationContext,
    ) -> EvaluationResult<ResolutionDetails<String>> {
        self.details(key, context).await
    }

    async fn resolve_struct_value(
        &self,
        key: &str,
        context: &EvaluationContext,
    ) -> EvaluationResult<ResolutionDetails<StructValue>> {
        self.details(key, context).await
    }
}
