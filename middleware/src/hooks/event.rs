//! What one evaluation is in telemetry: the attributes of OpenFeature's Appendix D under the names of OpenTelemetry's semantic
//! conventions for feature flags (1.42).

use std::collections::HashSet;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use open_feature::{
    EvaluationDetails, EvaluationError, EvaluationErrorCode, EvaluationReason, FlagMetadata,
    FlagMetadataValue, HookContext, Value,
};
use opentelemetry::{KeyValue, Value as Attribute};

/// The event's name.
pub(crate) const EVALUATION: &str = "feature_flag.evaluation";
pub(crate) const KEY: &str = "feature_flag.key";
pub(crate) const PROVIDER: &str = "feature_flag.provider.name";
pub(crate) const VARIANT: &str = "feature_flag.result.variant";
pub(crate) const VALUE: &str = "feature_flag.result.value";
pub(crate) const REASON: &str = "feature_flag.result.reason";
pub(crate) const CONTEXT_ID: &str = "feature_flag.context.id";
pub(crate) const SET_ID: &str = "feature_flag.set.id";
pub(crate) const VERSION: &str = "feature_flag.version";
pub(crate) const ERROR_TYPE: &str = "error.type";
pub(crate) const ERROR_MESSAGE: &str = "feature_flag.error.message";
/// What Appendix D calls the message, after semantic conventions 1.33 to 1.41.
const ERROR_MESSAGE_BEFORE: &str = "error.message";
/// How many bytes of a message or value are told, unless an option says otherwise.
const LENGTH: usize = 256;

type Mapper = Arc<dyn Fn(&FlagMetadata) -> Vec<KeyValue> + Send + Sync>;
type Mutator = Arc<dyn Fn(&mut EvaluationEvent) + Send + Sync>;
type Redact = Arc<dyn Fn(&str, &Value) -> bool + Send + Sync>;

/// One evaluation, before it is emitted.
#[derive(Clone, Debug, PartialEq)]
pub struct EvaluationEvent {
    /// The attributes, each name once.
    pub attributes: Vec<KeyValue>,
}

impl EvaluationEvent {
    /// The attribute of that name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Attribute> {
        self.attributes
            .iter()
            .find(|attribute| attribute.key.as_str() == name)
            .map(|attribute| &attribute.value)
    }

    fn set(&mut self, name: &'static str, value: impl Into<Attribute>) {
        self.replace(KeyValue::new(name, value));
    }

    fn replace(&mut self, attribute: KeyValue) {
        match self.attributes.iter_mut().find(|known| known.key == attribute.key) {
            Some(known) => *known = attribute,
            None => self.attributes.push(attribute),
        }
    }
}

/// What evaluation events tell. The defaults tell nothing about persons: neither values nor the targeting key.
#[derive(Clone, Default)]
pub struct EventOptions {
    attribute_mapper: Option<Mapper>,
    exclude_attributes: HashSet<String>,
    event_mutator: Option<Mutator>,
    should_redact: Option<Redact>,
    include_value: bool,
    max_value_length: Option<usize>,
    include_context_id: bool,
    error_message_alias: bool,
    pub(super) exclude_exceptions: bool,
}

impl EventOptions {
    /// Further attributes, made of the flag's metadata.
    #[must_use]
    pub fn attribute_mapper(
        mut self,
        mapper: impl Fn(&FlagMetadata) -> Vec<KeyValue> + Send + Sync + 'static,
    ) -> Self {
        self.attribute_mapper = Some(Arc::new(mapper));
        self
    }

    /// Attributes that are left out, by name.
    #[must_use]
    pub fn exclude_attributes<N: Into<String>>(mut self, names: impl IntoIterator<Item = N>) -> Self {
        self.exclude_attributes.extend(names.into_iter().map(Into::into));
        self
    }

    /// The last word on an event, before it is emitted.
    #[must_use]
    pub fn event_mutator(mut self, mutator: impl Fn(&mut EvaluationEvent) + Send + Sync + 'static) -> Self {
        self.event_mutator = Some(Arc::new(mutator));
        self
    }

    /// Leaves out the exceptions that failed evaluations are told as beside their event.
    #[must_use]
    pub fn exclude_exceptions(mut self, exclude: bool) -> Self {
        self.exclude_exceptions = exclude;
        self
    }

    /// Tells the value. Structures are told as JSON.
    #[must_use]
    pub fn include_value(mut self, include: bool) -> Self {
        self.include_value = include;
        self
    }

    /// How many bytes a value may have to be told, 256 unless said. A longer one is `<redacted>`.
    #[must_use]
    pub fn max_value_length(mut self, bytes: usize) -> Self {
        self.max_value_length = Some(bytes);
        self
    }

    /// Which values are `<redacted>`, by flag key and value.
    #[must_use]
    pub fn should_redact(mut self, redact: impl Fn(&str, &Value) -> bool + Send + Sync + 'static) -> Self {
        self.should_redact = Some(Arc::new(redact));
        self
    }

    /// Tells `feature_flag.context.id`: the metadata's `contextId`, or the targeting key. Both may name a person.
    #[must_use]
    pub fn include_context_id(mut self, include: bool) -> Self {
        self.include_context_id = include;
        self
    }

    /// Tells an error's message as `error.message` too, which is its name in Appendix D and in older conventions.
    #[must_use]
    pub fn error_message_alias(mut self, alias: bool) -> Self {
        self.error_message_alias = alias;
        self
    }

    pub(super) fn of_success(
        &self,
        context: &HookContext<'_>,
        details: &EvaluationDetails<Value>,
    ) -> EvaluationEvent {
        let mut event = begin(context, details.reason.as_ref());
        if let Some(variant) = &details.variant {
            event.set(VARIANT, variant.clone());
        }
        if self.include_value {
            event.set(VALUE, self.value(context.flag_key, &details.value));
        }
        let metadata = &details.flag_metadata;
        for (name, key) in [(SET_ID, "flagSetId"), (VERSION, "version")] {
            if let Some(value) = metadata.values.get(key) {
                event.set(name, plain(value));
            }
        }
        let id = || metadata.values.get("contextId").map(plain);
        let targeting_key = || context.evaluation_context.targeting_key.clone();
        if let Some(id) = self.include_context_id.then(|| id().or_else(targeting_key)).flatten() {
            event.set(CONTEXT_ID, id);
        }
        self.finish(event, Some(metadata))
    }

    pub(super) fn of_error(&self, context: &HookContext<'_>, error: &EvaluationError) -> EvaluationEvent {
        let stands = default_reason(error);
        let mut event = begin(context, stands.as_ref().or(Some(&EvaluationReason::Error)));
        if stands.is_none() {
            event.set(ERROR_TYPE, error_type(&error.code));
            self.add_message(&mut event, error);
        }
        if let Some(id) = context.evaluation_context.targeting_key.clone().filter(|_| self.include_context_id)
        {
            event.set(CONTEXT_ID, id);
        }
        self.finish(event, None)
    }

    fn add_message(&self, event: &mut EvaluationEvent, error: &EvaluationError) {
        let Some(message) = error_message(error) else { return };
        let message = message.get(..message.floor_char_boundary(LENGTH)).unwrap_or_default().to_owned();
        if self.error_message_alias {
            event.set(ERROR_MESSAGE_BEFORE, message.clone());
        }
        event.set(ERROR_MESSAGE, message);
    }

    /// The application's functions have their say. One that panics is taken to have said nothing: no evaluation fails for it.
    fn finish(&self, mut event: EvaluationEvent, metadata: Option<&FlagMetadata>) -> EvaluationEvent {
        if let (Some(mapper), Some(metadata)) = (&self.attribute_mapper, metadata) {
            for attribute in quietly(|| mapper(metadata)).unwrap_or_default() {
                event.replace(attribute);
            }
        }
        event.attributes.retain(|attribute| !self.exclude_attributes.contains(attribute.key.as_str()));
        let Some(mutator) = &self.event_mutator else { return event };
        let mut changed = event.clone();
        match quietly(|| mutator(&mut changed)) {
            Some(()) => changed,
            None => event,
        }
    }

    fn value(&self, key: &str, value: &Value) -> Attribute {
        let redacted = || Attribute::from("<redacted>");
        if self.should_redact.as_ref().is_some_and(|redact| quietly(|| redact(key, value)).unwrap_or(true)) {
            return redacted();
        }
        match value {
            Value::Bool(value) => (*value).into(),
            Value::Int(value) => (*value).into(),
            Value::Float(value) => (*value).into(),
            Value::String(_) | Value::Array(_) | Value::Struct(_) => {
                let text = match value {
                    Value::String(text) => text.clone(),
                    other => json(other).to_string(),
                };
                if text.len() > self.max_value_length.unwrap_or(LENGTH) { redacted() } else { text.into() }
            }
        }
    }
}

fn begin(context: &HookContext<'_>, reason: Option<&EvaluationReason>) -> EvaluationEvent {
    let mut event = EvaluationEvent { attributes: Vec::with_capacity(6) };
    event.set(KEY, context.flag_key.to_owned());
    event.set(PROVIDER, context.provider_metadata.name.clone());
    event.set(REASON, self::reason(reason.unwrap_or(&EvaluationReason::Unknown)));
    event
}

/// Runs a function of the application; `None` if it panics.
fn quietly<T>(run: impl FnOnce() -> T) -> Option<T> {
    let result = catch_unwind(AssertUnwindSafe(run)).ok();
    if result.is_none() {
        tracing::debug!("a function given to a telemetry hook panicked and was left out");
    }
    result
}

/// An OpenFeature error code as the conventions write it.
pub(super) fn error_type(code: &EvaluationErrorCode) -> &'static str {
    match code {
        EvaluationErrorCode::ProviderNotReady => "provider_not_ready",
        EvaluationErrorCode::FlagNotFound => "flag_not_found",
        EvaluationErrorCode::ParseError => "parse_error",
        EvaluationErrorCode::TypeMismatch => "type_mismatch",
        EvaluationErrorCode::TargetingKeyMissing => "targeting_key_missing",
        EvaluationErrorCode::InvalidContext => "invalid_context",
        EvaluationErrorCode::General(_) => "general",
    }
}

/// Why the caller's own default stands, if that is all that `error` says. Providers of hoist tell disabled flags and flags
/// without a default variant so, because the SDK's getters have no default to return.
pub(super) fn default_reason(error: &EvaluationError) -> Option<EvaluationReason> {
    match &error.code {
        EvaluationErrorCode::General(word) if word == "DISABLED" => Some(EvaluationReason::Disabled),
        EvaluationErrorCode::General(word) if word == "DEFAULT" => Some(EvaluationReason::Default),
        _ => None,
    }
}

/// A reason as the conventions write it.
pub(super) fn reason(reason: &EvaluationReason) -> String {
    reason.to_string().to_ascii_lowercase()
}

pub(super) fn error_message(error: &EvaluationError) -> Option<&str> {
    let inner = match &error.code {
        EvaluationErrorCode::General(message) if !message.is_empty() => Some(message.as_str()),
        _ => None,
    };
    error.message.as_deref().or(inner)
}

pub(super) fn plain(value: &FlagMetadataValue) -> String {
    match value {
        FlagMetadataValue::Bool(value) => value.to_string(),
        FlagMetadataValue::Int(value) => value.to_string(),
        FlagMetadataValue::Float(value) => value.to_string(),
        FlagMetadataValue::String(value) => value.clone(),
    }
}

fn json(value: &Value) -> serde_json::Value {
    match value {
        Value::Bool(value) => (*value).into(),
        Value::Int(value) => (*value).into(),
        Value::Float(value) => (*value).into(),
        Value::String(value) => value.as_str().into(),
        Value::Array(values) => values.iter().map(json).collect(),
        Value::Struct(fields) => {
            let mut fields: Vec<_> = fields.fields.iter().collect();
            fields.sort_by_key(|(name, _)| *name);
            serde_json::Value::Object(
                fields.into_iter().map(|(name, value)| (name.clone(), json(value))).collect(),
            )
        }
    }
}

impl fmt::Debug for EventOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventOptions")
            .field("attribute_mapper", &self.attribute_mapper.is_some())
            .field("exclude_attributes", &self.exclude_attributes)
            .field("event_mutator", &self.event_mutator.is_some())
            .field("should_redact", &self.should_redact.is_some())
            .field("include_value", &self.include_value)
            .field("max_value_length", &self.max_value_length)
            .field("include_context_id", &self.include_context_id)
            .field("error_message_alias", &self.error_message_alias)
            .field("exclude_exceptions", &self.exclude_exceptions)
            .finish()
    }
}
