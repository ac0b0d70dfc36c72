//! One of several providers.

use std::fmt;
use std::sync::Arc;

use kit::{Answer, Erased, Provider, Resolver, State, Type};
use open_feature::{EvaluationContext, EvaluationError};

/// A provider with the name that reports call it by.
pub struct Member {
    name: Arc<str>,
    provider: Provider<Erased>,
}

impl Member {
    /// A member of this name.
    pub fn new<R: Resolver>(name: impl Into<Arc<str>>, provider: Provider<R>) -> Self {
        Self { name: name.into(), provider: provider.erase() }
    }

    /// Its name.
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// Its provider.
    pub fn provider(&self) -> &Provider<Erased> {
        &self.provider
    }

    /// Whether it would answer at all.
    pub(crate) fn answers(&self) -> bool {
        !matches!(self.provider.state(), State::NotReady | State::Fatal)
    }

    pub(crate) async fn ask(
        &self,
        key: &str,
        want: Type,
        context: &EvaluationContext,
    ) -> Result<Answer, EvaluationError> {
        self.provider.resolve(key, want, context).await
    }
}

impl fmt::Debug for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Member").field("name", &self.name).field("provider", &self.provider).finish()
    }
}
