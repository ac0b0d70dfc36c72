//! Evaluations as Datadog shows them: tags on the span, and the counter that its flag graphs read.

use std::collections::HashSet;
use std::fmt;
use std::sync::{Mutex, PoisonError};

use open_feature::{
    EvaluationContext, EvaluationDetails, EvaluationError, EvaluationReason, Hook, HookContext, HookHints,
    Value, async_trait,
};
use opentelemetry::KeyValue;
use opentelemetry::metrics::{Counter, MeterProvider};
use opentelemetry::trace::TraceContextExt;

use super::event::{ERROR_TYPE, KEY, REASON, VARIANT, default_reason, error_type, plain, reason};
use super::otel::{SCOPE, current};

/// How many flags are tagged, as Datadog's own clients limit themselves.
const FLAGS: usize = 300;

/// Tags the current span with `feature_flags.<key>: <variant>`, which Trace Explorer finds as `@feature_flags.<key>`, and counts
/// evaluations in `feature_flag.evaluations`.
///
/// The counter goes where the meter provider sends it; with OTLP, use delta temporality, as Datadog asks. No targeting key and
/// no value of a flag with variants is ever told.
pub struct DatadogHook {
    evaluations: Option<Counter<u64>>,
    tags: bool,
    /// The flags that have a tag. Its own lock, held for one look.
    tagged: Mutex<HashSet<Box<str>>>,
}

impl Default for DatadogHook {
    fn default() -> Self {
        Self::new()
    }
}

impl DatadogHook {
    /// A hook that tags spans.
    #[must_use]
    pub fn new() -> Self {
        Self { evaluations: None, tags: true, tagged: Mutex::default() }
    }

    /// Counts evaluations.
    #[must_use]
    pub fn with_metrics(mut self, provider: &impl MeterProvider) -> Self {
        let meter = provider.meter(SCOPE);
        let counter = meter.u64_counter("feature_flag.evaluations").with_unit("{evaluation}");
        self.evaluations = Some(counter.with_description("Feature flag evaluations").build());
        self
    }

    /// Leaves spans as they are.
    #[must_use]
    pub fn without_tags(mut self) -> Self {
        self.tags = false;
        self
    }

    /// Whether the flag is among the first [`FLAGS`], whose tags are told.
    fn has_tag(&self, key: &str) -> bool {
        let mut tagged = self.tagged.lock().unwrap_or_else(PoisonError::into_inner);
        tagged.contains(key) || (tagged.len() < FLAGS && tagged.insert(key.into()))
    }
}

#[async_trait]
impl Hook for DatadogHook {
    async fn before<'a>(
        &self,
        _context: &HookContext<'a>,
        _hints: Option<&'a HookHints>,
    ) -> Result<Option<EvaluationContext>, EvaluationError> {
        Ok(None)
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
        context: &HookContext<'a>,
        error: &EvaluationError,
        _hints: Option<&'a HookHints>,
    ) {
        let Some(evaluations) = &self.evaluations else { return };
        let key = KeyValue::new(KEY, context.flag_key.to_owned());
        let attributes = match default_reason(error) {
            Some(stands) => vec![key, KeyValue::new(REASON, reason(&stands))],
            None => {
                vec![key, KeyValue::new(REASON, "error"), KeyValue::new(ERROR_TYPE, error_type(&error.code))]
            }
        };
        evaluations.add(1, &attributes);
    }

    async fn finally<'a>(
        &self,
        context: &HookContext<'a>,
        details: &EvaluationDetails<Value>,
        _hints: Option<&'a HookHints>,
    ) {
        // Failures were told in `error`, which knows why.
        if details.reason == Some(EvaluationReason::Error) {
            return;
        }
        if self.tags && self.has_tag(context.flag_key) {
            let tag = match (&details.variant, &details.value) {
                (Some(variant), _) => variant.clone(),
                (None, Value::Bool(value)) => value.to_string(),
                (None, _) => "true".to_owned(),
            };
            current().span().set_attribute(KeyValue::new(format!("feature_flags.{}", context.flag_key), tag));
        }
        let Some(evaluations) = &self.evaluations else { return };
        let why = reason(&details.reason.clone().unwrap_or_default());
        let mut attributes =
            vec![KeyValue::new(KEY, context.flag_key.to_owned()), KeyValue::new(REASON, why)];
        attributes.extend(details.variant.clone().map(|variant| KeyValue::new(VARIANT, variant)));
        if let Some(allocation) = details.flag_metadata.values.get("allocationKey") {
            attributes.push(KeyValue::new("feature_flag.result.allocation_key", plain(allocation)));
        }
        evaluations.add(1, &attributes);
    }
}

impl fmt::Debug for DatadogHook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DatadogHook")
            .field("evaluations", &self.evaluations.is_some())
            .field("tags", &self.tags)
            .finish_non_exhaustive()
    }
}
