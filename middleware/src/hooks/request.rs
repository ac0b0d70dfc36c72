//! The request's context as the transaction level.

use open_feature::{
    EvaluationContext, EvaluationDetails, EvaluationError, Hook, HookContext, HookHints, Value, async_trait,
};

use crate::RequestContext;

/// Lays the context of the current request under what client and invocation say (specification, 3.2.3 and 3.3).
///
/// The SDK merges its API level before hooks run, so that a field of the API level would win over the request's. Give that
/// context to this hook and not to the SDK, and it lies where it belongs: under the request's.
#[derive(Clone, Debug, Default)]
pub struct RequestContextHook {
    api: EvaluationContext,
}

impl RequestContextHook {
    /// A hook without a context of the API level.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The context of the API level, in place of `OpenFeature::set_evaluation_context`.
    #[must_use]
    pub fn with_api_context(mut self, context: EvaluationContext) -> Self {
        self.api = context;
        self
    }
}

#[async_trait]
impl Hook for RequestContextHook {
    async fn before<'a>(
        &self,
        context: &HookContext<'a>,
        _hints: Option<&'a HookHints>,
    ) -> Result<Option<EvaluationContext>, EvaluationError> {
        let mut merged = match RequestContext::current() {
            Some(request) => request.under(context.evaluation_context),
            None => context.evaluation_context.clone(),
        };
        merged.merge_missing(&self.api);
        Ok(Some(merged))
    }

    async fn after<'a>(
        &self,
        _context: &HookContext<'a>,
        _details: &EvaluationDetails<Value>,
        _hints: Option<&'a HookHints>,
    ) -> Result<(), EvaluationError> {
        Ok(())
    }

    async fn error<'a>(
        &self,
        _context: &HookContext<'a>,
        _error: &EvaluationError,
        _hints: Option<&'a HookHints>,
    ) {
    }

    async fn finally<'a>(
        &self,
        _context: &HookContext<'a>,
        _details: &EvaluationDetails<Value>,
        _hints: Option<&'a HookHints>,
    ) {
    }
}
