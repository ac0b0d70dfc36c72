//! Evaluations as OpenTelemetry signals: log events, events on the current span, metrics. Each is switched on by itself.
//!
//! The SDK's `finally` stage does not know of an error's code (open-feature 0.3), so that failures are told in `error` and
//! everything else in `finally`: one event for each evaluation.

use std::fmt;

use open_feature::{
    EvaluationContext, EvaluationDetails, EvaluationError, EvaluationReason, Hook, HookContext, HookHints,
    Value, async_trait,
};
use opentelemetry::logs::{AnyValue, LogRecord, Logger, LoggerProvider, Severity};
use opentelemetry::metrics::{Counter, MeterProvider, UpDownCounter};
use opentelemetry::trace::TraceContextExt;
use opentelemetry::{Context, KeyValue, Value as Attribute};
use tracing_opentelemetry::OpenTelemetrySpanExt;

use super::event::{self, EVALUATION, EvaluationEvent, EventOptions};

/// The instrumentation scope of what the hooks emit.
pub(super) const SCOPE: &str = "hoist-middleware";

/// Tells every evaluation as an event `feature_flag.evaluation` and counts it.
///
/// ```
/// use hoist_middleware::hooks::{EventOptions, OpenTelemetryHook};
/// use opentelemetry_sdk::{logs::SdkLoggerProvider, metrics::SdkMeterProvider};
///
/// let (logs, metrics) = (SdkLoggerProvider::builder().build(), SdkMeterProvider::builder().build());
/// let hook = OpenTelemetryHook::new()
///     .with_logs(&logs)
///     .with_metrics(&metrics)
///     .with_options(EventOptions::default().include_value(true).exclude_attributes(["feature_flag.set.id"]));
/// let client = open_feature::OpenFeature::default().create_client().with_hook(hook);
/// ```
#[derive(Default)]
pub struct OpenTelemetryHook {
    options: EventOptions,
    logs: Option<Box<dyn Emit>>,
    metrics: Option<Metrics>,
    span_events: bool,
    tracing_events: bool,
}

impl OpenTelemetryHook {
    /// A hook that tells nobody yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Emits log events: what the semantic conventions ask for.
    #[must_use]
    pub fn with_logs<P>(mut self, provider: &P) -> Self
    where
        P: LoggerProvider,
        P::Logger: Send + Sync + 'static,
    {
        self.logs = Some(Box::new(Logs(provider.logger(SCOPE))));
        self
    }

    /// Adds events to the current span, OpenTelemetry's own or that of `tracing`. The conventions are leaving them behind.
    #[must_use]
    pub fn with_span_events(mut self) -> Self {
        self.span_events = true;
        self
    }

    /// Emits `tracing` events, for subscribers that make logs of them. They carry the attributes of the conventions; those of an
    /// attribute mapper have no field.
    #[must_use]
    pub fn with_tracing_events(mut self) -> Self {
        self.tracing_events = true;
        self
    }

    /// Counts evaluations under the names that the hooks of other languages use: `feature_flag.evaluation_requests_total`,
    /// `..._success_total`, `..._error_total` and `..._active_count`.
    #[must_use]
    pub fn with_metrics(mut self, provider: &impl MeterProvider) -> Self {
        self.metrics = Some(Metrics::new(provider));
        self
    }

    /// What events tell.
    #[must_use]
    pub fn with_options(mut self, options: EventOptions) -> Self {
        self.options = options;
        self
    }

    fn tells(&self) -> bool {
        self.logs.is_some() || self.span_events || self.tracing_events
    }

    fn tell(&self, event: &EvaluationEvent) {
        let current = current();
        if let Some(logs) = &self.logs {
            logs.emit(&current, EVALUATION, Severity::Info, &event.attributes);
        }
        if self.span_events {
            current.span().add_event(EVALUATION, event.attributes.clone());
        }
        if self.tracing_events {
            trace(event);
        }
    }

    fn tell_exception(&self, context: &HookContext<'_>, error: &EvaluationError) {
        let mut attributes = vec![
            KeyValue::new("exception.type", event::error_type(&error.code)),
            KeyValue::new(event::KEY, context.flag_key.to_owned()),
        ];
        if let Some(message) = event::error_message(error) {
            attributes.push(KeyValue::new("exception.message", message.to_owned()));
        }
        let current = current();
        if let Some(logs) = &self.logs {
            logs.emit(&current, "exception", Severity::Warn, &attributes);
        }
        if self.span_events {
            current.span().add_event("exception", attributes);
        }
    }
}

/// The context of the span that the evaluation is part of.
pub(super) fn current() -> Context {
    let context = Context::current();
    // A subscriber that does not make its spans current has them asked for.
    if context.span().span_context().is_valid() { context } else { tracing::Span::current().context() }
}

fn trace(event: &EvaluationEvent) {
    let text = |name| event.get(name).map(ToString::to_string);
    tracing::event!(
        name: "feature_flag.evaluation",
        target: "feature_flag",
        tracing::Level::INFO,
        {
            "feature_flag.key" = text(event::KEY),
            "feature_flag.provider.name" = text(event::PROVIDER),
            "feature_flag.result.variant" = text(event::VARIANT),
            "feature_flag.result.value" = text(event::VALUE),
            "feature_flag.result.reason" = text(event::REASON),
            "feature_flag.context.id" = text(event::CONTEXT_ID),
            "feature_flag.set.id" = text(event::SET_ID),
            "feature_flag.version" = text(event::VERSION),
            "feature_flag.error.message" = text(event::ERROR_MESSAGE),
            "error.type" = text(event::ERROR_TYPE),
        },
        "feature_flag.evaluation"
    );
}

/// A logger whose kind of record is forgotten.
trait Emit: Send + Sync {
    fn emit(&self, context: &Context, name: &'static str, severity: Severity, attributes: &[KeyValue]);
}

struct Logs<L>(L);

impl<L: Logger + Send + Sync> Emit for Logs<L> {
    fn emit(&self, context: &Context, name: &'static str, severity: Severity, attributes: &[KeyValue]) {
        if !self.0.event_enabled(severity, SCOPE, Some(name)) {
            return;
        }
        let mut record = self.0.create_log_record();
        record.set_event_name(name);
        record.set_severity_number(severity);
        let attributes = attributes.iter();
        record.add_attributes(attributes.map(|attribute| (attribute.key.clone(), any(&attribute.value))));
        let span = context.span();
        let span = span.span_context();
        if span.is_valid() {
            record.set_trace_context(span.trace_id(), span.span_id(), Some(span.trace_flags()));
        }
        self.0.emit(record);
    }
}

fn any(value: &Attribute) -> AnyValue {
    match value {
        Attribute::Bool(value) => AnyValue::Boolean(*value),
        Attribute::I64(value) => AnyValue::Int(*value),
        Attribute::F64(value) => AnyValue::Double(*value),
        Attribute::String(value) => AnyValue::String(value.clone()),
        other => AnyValue::String(other.to_string().into()),
    }
}

struct Metrics {
    requests: Counter<u64>,
    successes: Counter<u64>,
    errors: Counter<u64>,
    active: UpDownCounter<i64>,
}

impl Metrics {
    fn new(provider: &impl MeterProvider) -> Self {
        let meter = provider.meter(SCOPE);
        let counter = |name, description| {
            meter.u64_counter(name).with_unit("{evaluation}").with_description(description).build()
        };
        Self {
            requests: counter("feature_flag.evaluation_requests_total", "Evaluations begun"),
            successes: counter("feature_flag.evaluation_success_total", "Evaluations that gave a value"),
            errors: counter("feature_flag.evaluation_error_total", "Evaluations that failed"),
            active: meter
                .i64_up_down_counter("feature_flag.evaluation_active_count")
                .with_unit("{evaluation}")
                .with_description("Evaluations under way")
                .build(),
        }
    }
}

impl Metrics {
    /// Counts an evaluation without a value: a failure, or one that left the caller's default standing.
    fn end(&self, context: &HookContext<'_>, error: &EvaluationError, stands: Option<&EvaluationReason>) {
        let mut who = who(context);
        match stands {
            Some(reason) => {
                who.push(KeyValue::new(event::REASON, event::reason(reason)));
                self.successes.add(1, &who);
            }
            None => {
                who.push(KeyValue::new(event::ERROR_TYPE, event::error_type(&error.code)));
                self.errors.add(1, &who);
            }
        }
    }
}

/// What every count is told by.
fn who(context: &HookContext<'_>) -> Vec<KeyValue> {
    vec![
        KeyValue::new(event::KEY, context.flag_key.to_owned()),
        KeyValue::new(event::PROVIDER, context.provider_metadata.name.clone()),
    ]
}

#[async_trait]
impl Hook for OpenTelemetryHook {
    async fn before<'a>(
        &self,
        context: &HookContext<'a>,
        _hints: Option<&'a HookHints>,
    ) -> Result<Option<EvaluationContext>, EvaluationError> {
        if let Some(metrics) = &self.metrics {
            let who = who(context);
            metrics.requests.add(1, &who);
            metrics.active.add(1, &who);
        }
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
        let stands = event::default_reason(error);
        if let Some(metrics) = &self.metrics {
            metrics.end(context, error, stands.as_ref());
        }
        if self.tells() {
            if !self.options.exclude_exceptions && stands.is_none() {
                self.tell_exception(context, error);
            }
            self.tell(&self.options.of_error(context, error));
        }
    }

    async fn finally<'a>(
        &self,
        context: &HookContext<'a>,
        details: &EvaluationDetails<Value>,
        _hints: Option<&'a HookHints>,
    ) {
        let failed = details.reason == Some(EvaluationReason::Error);
        if let Some(metrics) = &self.metrics {
            let mut who = who(context);
            metrics.active.add(-1, &who);
            if !failed {
                let reason = details.reason.clone().unwrap_or_default();
                who.push(KeyValue::new(event::REASON, event::reason(&reason)));
                who.extend(details.variant.clone().map(|variant| KeyValue::new(event::VARIANT, variant)));
                metrics.successes.add(1, &who);
            }
        }
        if self.tells() && !failed {
            self.tell(&self.options.of_success(context, details));
        }
    }
}

impl fmt::Debug for OpenTelemetryHook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenTelemetryHook")
            .field("options", &self.options)
            .field("logs", &self.logs.is_some())
            .field("metrics", &self.metrics.is_some())
            .field("span_events", &self.span_events)
            .field("tracing_events", &self.tracing_events)
            .finish()
    }
}
