//! What a request says about its subject.

use std::fmt;
use std::future::Future;
use std::ops::Deref;
use std::sync::Arc;

use open_feature::EvaluationContext;

use crate::mapping::Refused;

tokio::task_local! {
    static CURRENT: RequestContext;
}

/// What the layer read from one request: the evaluation context, and what it refused to read. Cheap to clone.
#[derive(Clone, Default)]
pub struct RequestContext(Arc<Inner>);

#[derive(Default)]
struct Inner {
    context: EvaluationContext,
    refused: Vec<Refused>,
}

impl RequestContext {
    /// A request's context that was made in another way than by the layer: from a queue's message, in a test.
    #[must_use]
    pub fn new(context: EvaluationContext) -> Self {
        Self::with_refused(context, Vec::new())
    }

    pub(crate) fn with_refused(context: EvaluationContext, refused: Vec<Refused>) -> Self {
        Self(Arc::new(Inner { context, refused }))
    }

    /// Attributes that the mapping names and the request has, but not in a form that can be used.
    #[must_use]
    pub fn refused(&self) -> &[Refused] {
        &self.0.refused
    }

    /// The request's context under that of one invocation, whose fields win (specification, 3.2.3).
    #[must_use]
    pub fn under(&self, invocation: &EvaluationContext) -> EvaluationContext {
        let mut merged = invocation.clone();
        merged.merge_missing(&self.0.context);
        merged
    }

    /// The context of the request that the current task answers, if the layer or [`scope`](Self::scope) has set one.
    #[must_use]
    pub fn current() -> Option<Self> {
        CURRENT.try_with(Clone::clone).ok()
    }

    /// Runs `future` as part of this request. The layer does so for handlers and response bodies; a task that a handler spawns
    /// is outside, until it is spawned in a scope of its own.
    pub async fn scope<F: Future>(self, future: F) -> F::Output {
        CURRENT.scope(self, future).await
    }

    #[cfg(feature = "tower")]
    pub(crate) fn scoped<F: Future>(self, future: F) -> tokio::task::futures::TaskLocalFuture<Self, F> {
        CURRENT.scope(self, future)
    }

    #[cfg(feature = "tower")]
    pub(crate) fn within<T>(self, run: impl FnOnce() -> T) -> T {
        CURRENT.sync_scope(self, run)
    }
}

impl Deref for RequestContext {
    type Target = EvaluationContext;

    fn deref(&self) -> &EvaluationContext {
        &self.0.context
    }
}

/// Names only: the values are about a person.
impl fmt::Debug for RequestContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestContext")
            .field("targeting_key", &self.targeting_key.as_ref().map(|_| ".."))
            .field("attributes", &self.custom_fields.keys())
            .field("refused", &self.0.refused)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_request_lies_under_its_invocation_and_ends_with_its_scope() {
        let request = EvaluationContext::default()
            .with_targeting_key("u")
            .with_custom_field("a", 1)
            .with_custom_field("b", 1);
        let request = RequestContext::new(request);
        let merged = request.under(&EvaluationContext::default().with_custom_field("a", 2));
        let expected = EvaluationContext::default()
            .with_targeting_key("u")
            .with_custom_field("a", 2)
            .with_custom_field("b", 1);
        assert_eq!(merged, expected);

        assert!(RequestContext::current().is_none());
        let seen = request.scope(async { RequestContext::current() }).await.expect("inside the scope");
        assert_eq!(seen.targeting_key.as_deref(), Some("u"));
        assert!(RequestContext::current().is_none());
        assert!(!format!("{seen:?}").contains("\"u\""));
    }
}
