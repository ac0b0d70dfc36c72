//! What a decision is to an OpenFeature client (contract 2.1, "OpenFeature mapping").

use engine::{Metadata, Reason, Type, Variant};
use serde_json::{Map, Value};

use crate::rules::{CONTROL, Cause, Decision, Outcome};

/// How features become flags. The default is what Flagsmith's own providers mostly agree on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mapping {
    /// What a boolean is.
    pub booleans: Booleans,
    /// Whether a feature that is off still gives its value, with the reason `DISABLED`; if not, the caller's default
    /// stands.
    pub value_when_disabled: bool,
    /// Whether features are served that Flagsmith keeps from clients with a client-side key.
    pub server_key_only: bool,
    /// The flag set that the flags are put into.
    pub flag_set: Option<String>,
}

/// What a client gets that asks for a boolean.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Booleans {
    /// Whether the feature is on.
    #[default]
    Enabled,
    /// The feature's value.
    Value,
}

/// One of the things that a feature can be, made ready for whoever asks.
#[derive(Debug)]
pub(crate) struct Ready {
    enabled: bool,
    /// Whether what is off is off with a value, for a client that asks for a boolean or for no type.
    off: [bool; 2],
    bool: Variant,
    string: Variant,
    number: Variant,
    object: Variant,
    any: Variant,
    metadata: Option<Metadata>,
}

impl Ready {
    pub(crate) fn of(outcome: &Outcome<'_>, multivariate: bool, mapping: &Mapping) -> Self {
        let value = outcome.choice.map_or_else(|| outcome.state.value(), |choice| choice.value());
        Self::new(&name(outcome, multivariate), outcome.state.enabled(), value, mapping, facts(outcome))
    }

    /// What is called `name` and has `value`, on or off.
    pub(crate) fn new(
        name: &str,
        enabled: bool,
        value: &Value,
        mapping: &Mapping,
        metadata: Option<Metadata>,
    ) -> Self {
        let variant = |value: Value| Variant::new(name, value);
        let own = || Value::Bool(enabled);
        let by_state = mapping.booleans == Booleans::Enabled;
        Self {
            enabled,
            off: [by_state, value.is_null()],
            bool: variant(if by_state { own() } else { value.clone() }),
            string: variant(value.clone()),
            number: variant(number(value)),
            object: variant(structure(value)),
            any: variant(if value.is_null() { own() } else { value.clone() }),
            metadata,
        }
    }

    /// The variant for whoever wants `want`, whether or not it stands.
    pub(crate) fn variant(&self, want: Type) -> &Variant {
        match want {
            Type::Any => &self.any,
            Type::Bool => &self.bool,
            Type::String => &self.string,
            Type::Number => &self.number,
            Type::Object => &self.object,
        }
    }

    /// The variant that stands; `None` leaves it to the caller's default.
    pub(crate) fn answer(&self, want: Type, mapping: &Mapping) -> Option<&Variant> {
        let [bool_off, any_off] = self.off;
        let off = match want {
            Type::Bool => bool_off,
            Type::Any => any_off,
            Type::String | Type::Number | Type::Object => false,
        };
        (self.enabled || off || mapping.value_when_disabled).then(|| self.variant(want))
    }

    pub(crate) fn metadata(&self) -> Option<&Metadata> {
        self.metadata.as_ref()
    }
}

/// The variant's name: the server's if it has one, and else whether it is the rest of a multivariate feature.
pub(crate) fn name(outcome: &Outcome<'_>, multivariate: bool) -> String {
    match outcome.choice {
        Some(choice) => match (choice.key(), choice.id()) {
            (Some(key), _) => key.to_owned(),
            (None, Some(id)) => format!("option-{id}"),
            (None, None) => "option".to_owned(),
        },
        None if multivariate => CONTROL.to_owned(),
        None => "default".to_owned(),
    }
}

/// Why the feature is what it is.
pub(crate) fn reason(decision: &Decision<'_>) -> Reason {
    if !decision.enabled() {
        return Reason::Disabled;
    }
    let split = decision.split.filter(|_| !decision.state.options().is_empty());
    match (decision.cause, split) {
        (Cause::Identity, _) => Reason::TargetingMatch,
        (Cause::Segment(_), split) if split.is_none_or(|split| split.choice.is_none()) => {
            Reason::TargetingMatch
        }
        (_, Some(_)) => Reason::Split,
        (Cause::Static, None) => Reason::Static,
        (Cause::Environment | Cause::Segment(_), None) => Reason::Default,
    }
}

/// Flagsmith knows no fractions: a number may be text that reads as one.
fn number(value: &Value) -> Value {
    let parsed = value.as_str().and_then(|text| text.trim().parse::<f64>().ok());
    parsed.and_then(serde_json::Number::from_f64).map_or_else(|| value.clone(), Value::Number)
}

/// Flagsmith knows no structures: one is text that is JSON.
fn structure(value: &Value) -> Value {
    let parsed = value.as_str().and_then(|text| serde_json::from_str::<Value>(text).ok());
    parsed.filter(|parsed| parsed.is_object() || parsed.is_array()).unwrap_or_else(|| value.clone())
}

fn facts(outcome: &Outcome<'_>) -> Option<Metadata> {
    let mut facts = Map::new();
    match outcome.cause {
        Cause::Static | Cause::Environment => return None,
        Cause::Identity => {
            facts.insert("flagsmith.identityOverride".to_owned(), true.into());
        }
        Cause::Segment(segment) => {
            facts.insert("flagsmith.segmentId".to_owned(), segment.id().into());
            facts.insert("flagsmith.segment".to_owned(), segment.name().into());
        }
    }
    Some(Metadata::new(&facts))
}
