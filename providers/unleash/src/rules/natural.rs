//! Variants as OpenFeature has them: on or off for who wants a boolean, the payload for who wants a value.

use engine::{Metadata, Type, Variant};
use serde_json::{Map, Value, json};
use unleash_types::client_features::Payload;

use super::{Choice, Toggle};

/// A flag's variants, prepared for every type that is asked for.
#[derive(Debug)]
pub(crate) struct Variants {
    /// One per choice of the flag.
    pub(crate) choices: Vec<Prepared>,
    /// The answer to who wants a boolean and gets no variant.
    pub(crate) on: Variant,
    pub(crate) off: Variant,
    pub(crate) facts_on: Metadata,
    pub(crate) facts_off: Metadata,
}

/// A variant in both of its shapes.
#[derive(Debug)]
pub(crate) struct Prepared {
    /// The payload; `None` if its text is not what its type says.
    pub(crate) value: Option<Variant>,
    /// As a boolean.
    pub(crate) truth: Variant,
    pub(crate) facts: Metadata,
}

impl Variants {
    /// Prepares `toggle`'s variants. With `payload_decides`, a payload or name of `true` or `false` is the boolean.
    pub(crate) fn of(toggle: &Toggle, payload_decides: bool) -> Self {
        let prepare = |choice: &Choice| {
            let said = choice.payload.as_ref().map_or(&*choice.name, |payload| payload.value.as_str());
            let truth = !(payload_decides && said.trim() == "false");
            Prepared {
                value: value(choice.payload.as_ref(), &choice.name)
                    .map(|value| Variant::new(&choice.name, value)),
                truth: Variant::new(&choice.name, Value::Bool(truth)),
                facts: facts(true, choice.payload.as_ref()),
            }
        };
        Self {
            choices: toggle.choices().map(prepare).collect(),
            on: Variant::new("on", Value::Bool(true)),
            off: Variant::new("off", Value::Bool(false)),
            facts_on: facts(true, None),
            facts_off: facts(false, None),
        }
    }

    /// What a choice is to who wants `want`.
    pub(crate) fn choice_as(&self, at: usize, want: Type) -> Option<&Variant> {
        let choice = self.choices.get(at)?;
        if want == Type::Bool { Some(&choice.truth) } else { choice.value.as_ref() }
    }

    /// The variants as who wants no type in particular gets them, each name once: those with a payload that can be read,
    /// or on and off for a flag that has no variants.
    pub(crate) fn shown(&self) -> Vec<(usize, Variant)> {
        let mut shown: Vec<(usize, Variant)> = Vec::new();
        for (at, value) in
            self.choices.iter().enumerate().filter_map(|(at, one)| Some((at, one.value.as_ref()?)))
        {
            if shown.iter().all(|(_, known)| known.name() != value.name()) {
                shown.push((at, Variant::new(value.name(), value.value().clone())));
            }
        }
        shown
    }
}

/// What a payload means: by its type text, a number or JSON; `csv` is text; without a payload the variant's name.
pub(crate) fn value(payload: Option<&Payload>, name: &str) -> Option<Value> {
    let Some(Payload { payload_type, value }) = payload else { return Some(name.into()) };
    match payload_type.as_str() {
        "number" => {
            let number = value.trim();
            let whole = number.parse::<i64>().ok().map(Value::from);
            whole.or_else(|| {
                number.parse::<f64>().ok().filter(|number| number.is_finite()).map(|number| json!(number))
            })
        }
        "json" => serde_json::from_str(value).ok(),
        _ => Some(value.as_str().into()),
    }
}

fn facts(enabled: bool, payload: Option<&Payload>) -> Metadata {
    let mut facts = Map::new();
    facts.insert("featureEnabled".to_owned(), enabled.into());
    if let Some(payload) = payload {
        facts.insert("payloadType".to_owned(), payload.payload_type.as_str().into());
    }
    Metadata::new(&facts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payloads() {
        let of = |kind: &str, text: &str| {
            value(Some(&Payload { payload_type: kind.to_owned(), value: text.to_owned() }), "name")
        };
        assert_eq!(of("string", "42"), Some(json!("42")));
        assert_eq!(of("number", " 42 "), Some(json!(42)));
        assert_eq!(of("number", "4.5"), Some(json!(4.5)));
        assert_eq!(of("number", "forty"), None);
        assert_eq!(of("number", "inf"), None);
        assert_eq!(of("json", "{\"a\": [1]}"), Some(json!({"a": [1]})));
        assert_eq!(of("json", "{"), None);
        assert_eq!(of("csv", "a,b"), Some(json!("a,b")));
        assert_eq!(value(None, "name"), Some(json!("name")));
    }
}
