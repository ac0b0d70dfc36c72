//! Providers of any kind, as one type: for those who choose or combine them.

use std::future::Future;
use std::pin::Pin;

use open_feature::provider::{FeatureProvider, ResolutionDetails};
use open_feature::{EvaluationContext, EvaluationError, EvaluationResult, Value};

use crate::answer::{Answer, Type};
use crate::emitter::Emitter;
use crate::provider::Provider;
use crate::resolver::Resolver;

type Asked<'a> = Pin<Box<dyn Future<Output = Result<Answer, EvaluationError>> + Send + 'a>>;

/// A provider whose kind was forgotten; see [`Provider::erase`] and [`Provider::foreign`].
pub struct Erased {
    provider: Box<dyn AnyProvider>,
    events: Emitter,
}

/// What is left of a provider.
trait AnyProvider: Send + Sync {
    fn resolve<'a>(&'a self, key: &'a str, want: Type, context: &'a EvaluationContext) -> Asked<'a>;
    fn initialize(&self, context: &EvaluationContext);
}

impl<R: Resolver> AnyProvider for Provider<R> {
    fn resolve<'a>(&'a self, key: &'a str, want: Type, context: &'a EvaluationContext) -> Asked<'a> {
        Box::pin((**self).resolve(key, want, context))
    }

    fn initialize(&self, context: &EvaluationContext) {
        (**self).initialize(context);
    }
}

/// A provider that was not made with the kit.
struct Foreign<P>(P);

impl<P: FeatureProvider> AnyProvider for Foreign<P> {
    fn resolve<'a>(&'a self, key: &'a str, want: Type, context: &'a EvaluationContext) -> Asked<'a> {
        Box::pin(async move {
            match want {
                Type::Bool => answer(self.0.resolve_bool_value(key, context).await),
                Type::Int => answer(self.0.resolve_int_value(key, context).await),
                Type::Float => answer(self.0.resolve_float_value(key, context).await),
                Type::String => answer(self.0.resolve_string_value(key, context).await),
                Type::Object => answer(self.0.resolve_struct_value(key, context).await),
            }
        })
    }

    /// Done by [`Provider::foreign`].
    fn initialize(&self, _: &EvaluationContext) {}
}

fn answer<T: Into<Value>>(
    details: EvaluationResult<ResolutionDetails<T>>,
) -> Result<Answer, EvaluationError> {
    let details = details?;
    let mut answer = Answer::new(details.value);
    answer.variant = details.variant;
    answer.reason = details.reason.unwrap_or_default();
    answer.metadata = details.flag_metadata.unwrap_or_default();
    Ok(answer)
}

impl Resolver for Erased {
    const NAME: &'static str = "any";
    // The provider inside refuses for itself, and may be made of others.
    const ASKED_UNREADY: bool = true;

    async fn resolve(
        &self,
        key: &str,
        want: Type,
        context: &EvaluationContext,
    ) -> Result<Answer, EvaluationError> {
        self.provider.resolve(key, want, context).await
    }

    fn events(&self) -> &Emitter {
        &self.events
    }

    fn initialize(&self, context: &EvaluationContext) {
        self.provider.initialize(context);
    }
}

impl<R: Resolver> Provider<R> {
    /// The same provider, its kind forgotten. Handles that were taken before stay good.
    pub fn erase(self) -> Provider<Erased> {
        let events = self.emitter().clone();
        Provider::new(Erased { provider: Box::new(self), events })
    }
}

impl Provider<Erased> {
    /// A provider that was not made with the kit. It is initialized here, with `context`, where nobody waits for a lock.
    ///
    /// It has no events, so it is taken as ready from then on; what it says about its status is not followed.
    pub async fn foreign(mut provider: impl FeatureProvider, context: &EvaluationContext) -> Self {
        provider.initialize(context).await;
        let events = Emitter::ready(provider.metadata().name.as_str());
        Provider::new(Erased { provider: Box::new(Foreign(provider)), events })
    }
}
