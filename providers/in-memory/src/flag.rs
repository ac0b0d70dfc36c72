//! A flag as a test writes it.

use std::fmt;
use std::sync::Arc;

use kit::{Facts, Found, Held, error};
use open_feature::{EvaluationContext, EvaluationError, EvaluationReason, FlagMetadata, Value};

type Targeting = Arc<dyn Fn(&EvaluationContext) -> Option<String> + Send + Sync>;

/// Variants, a default, and perhaps a rule (OpenFeature specification, appendix A, in-memory provider). A plain value
/// becomes a flag by `into()`.
#[derive(Clone)]
pub struct Flag {
    variants: Vec<(String, Value)>,
    default: Option<String>,
    enabled: bool,
    targeting: Option<Targeting>,
    metadata: FlagMetadata,
    failure: Option<EvaluationError>,
}

impl Flag {
    /// A flag with these variants, of which `default` stands when no rule chooses.
    pub fn variants<K: Into<String>, V: Into<Value>>(
        variants: impl IntoIterator<Item = (K, V)>,
        default: impl Into<String>,
    ) -> Self {
        Self {
            variants: variants.into_iter().map(|(name, value)| (name.into(), value.into())).collect(),
            default: Some(default.into()),
            enabled: true,
            targeting: None,
            metadata: FlagMetadata::default(),
            failure: None,
        }
    }

    /// Adds a variant, say one of another type.
    #[must_use]
    pub fn variant(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.variants.push((name.into(), value.into()));
        self
    }

    /// Chooses a variant by the context; `None` leaves the default. A name that no variant has is an error of the
    /// evaluation.
    #[must_use]
    pub fn targeting(
        mut self,
        rule: impl Fn(&EvaluationContext) -> Option<String> + Send + Sync + 'static,
    ) -> Self {
        self.targeting = Some(Arc::new(rule));
        self
    }

    /// Without a default variant: where no rule chooses, the caller's own default stands.
    #[must_use]
    pub fn without_default(mut self) -> Self {
        self.default = None;
        self
    }

    /// Switched off: the caller's own default stands.
    #[must_use]
    pub fn disabled(mut self) -> Self {
        self.enabled = false;
        self
    }

    /// What the flag says about itself.
    #[must_use]
    pub fn metadata(mut self, metadata: FlagMetadata) -> Self {
        self.metadata = metadata;
        self
    }

    /// A flag whose evaluation fails, to see what the application does then.
    pub fn failing(error: EvaluationError) -> Self {
        Self { failure: Some(error), ..Self::variants::<String, Value>([], String::new()) }
    }

    pub(crate) fn evaluate(
        &self,
        key: &str,
        context: &EvaluationContext,
    ) -> Result<Found<'_>, EvaluationError> {
        if let Some(error) = &self.failure {
            return Err(error.clone());
        }
        let chosen = self.targeting.as_ref().filter(|_| self.enabled).and_then(|rule| rule(context));
        let (name, reason) = match (&chosen, &self.default) {
            _ if !self.enabled => return Ok(self.found(None, EvaluationReason::Disabled)),
            (Some(name), _) => (name, EvaluationReason::TargetingMatch),
            (None, None) => return Ok(self.found(None, EvaluationReason::Default)),
            (None, Some(name)) if self.targeting.is_some() => (name, EvaluationReason::Default),
            (None, Some(name)) => (name, EvaluationReason::Static),
        };
        match self.variants.iter().find(|(known, _)| known == name) {
            Some(variant) => Ok(self.found(Some(variant), reason)),
            None => Err(error::general(format!("flag `{key}` has no variant `{name}`"))),
        }
    }

    fn found<'a>(&'a self, variant: Option<&'a (String, Value)>, reason: EvaluationReason) -> Found<'a> {
        Found {
            value: variant.map(|(_, value)| Held::Value(value)),
            variant: variant.map(|(name, _)| name.as_str()),
            reason,
            facts: if self.metadata.values.is_empty() { Facts::None } else { Facts::Sdk(&self.metadata) },
        }
    }
}

impl<V: Into<Value>> From<V> for Flag {
    /// A flag with one variant, named `on` and `off` for booleans and `value` for everything else.
    fn from(value: V) -> Self {
        let value = value.into();
        let name = match value {
            Value::Bool(true) => "on",
            Value::Bool(false) => "off",
            _ => "value",
        };
        Self::variants([(name, value)], name)
    }
}

impl fmt::Debug for Flag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Flag")
            .field("variants", &self.variants)
            .field("default", &self.default)
            .field("enabled", &self.enabled)
            .field("targeted", &self.targeting.is_some())
            .finish_non_exhaustive()
    }
}
