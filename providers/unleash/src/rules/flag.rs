//! A flag of Unleash as one of ours.

use std::fmt;
use std::sync::Arc;

use engine::{Fault, Flag, Native, NativeFlag, Question, Reason, Resolution, Type, Variant, Watch};
use serde_json::{Map, Value};
use unleash_types::client_features::{ClientFeature, Segment};

use super::asker::{self, Fixed};
use super::natural::Variants;
use super::{State, Toggle, translate};

/// How flags are made.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// What the operator says of every context.
    pub fixed: Fixed,
    /// Whether a payload or a variant's name of `true` or `false` is the boolean, and not that the flag is on.
    pub payload_decides: bool,
    /// The flag set of all flags.
    pub flag_set: Option<String>,
}

/// Who counts answers, for the vendor's metrics.
pub trait Counted: fmt::Debug + Send + Sync {
    /// The flag was asked for; with a variant, if one was asked for: its place, or none was drawn.
    fn count(&self, enabled: bool, variant: Option<Option<usize>>);
}

/// The rules of one flag.
struct Rules {
    state: Arc<State>,
    name: Box<str>,
    settings: Arc<Settings>,
    variants: Variants,
    /// Of the variants as they are shown, the choice that each stands for.
    shown: Box<[usize]>,
    counted: Option<Arc<dyn Counted>>,
}

impl fmt::Debug for Rules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rules").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Rules {
    /// Whether the flag is one of values; without variants it is a boolean.
    fn has_values(&self) -> bool {
        !self.variants.choices.is_empty()
    }

    fn answer(&self, want: Type, decision: &super::Decision<'_>) -> Result<Resolution<'_>, Fault> {
        let drawn = decision.variant.and_then(|drawn| self.variants.choices.get(drawn.at));
        let variant = match drawn {
            Some(choice) if want == Type::Bool => Some(&choice.truth),
            Some(choice) => Some(choice.value.as_ref().ok_or(Fault::Parse)?),
            None if want == Type::Bool || (want == Type::Any && !self.has_values()) => {
                Some(if decision.enabled { &self.variants.on } else { &self.variants.off })
            }
            // There is no value to be had: the caller's own stands.
            None => None,
        };
        let metadata = match drawn {
            Some(choice) => &choice.facts,
            None if decision.enabled => &self.variants.facts_on,
            None => &self.variants.facts_off,
        };
        let reason = match (variant, decision.reason) {
            (Some(_), reason) | (None, reason @ Reason::Disabled) => reason,
            (None, _) => Reason::Default,
        };
        Ok(Resolution { variant, reason, metadata: Some(metadata) })
    }
}

impl Native for Rules {
    fn decide<'a>(&'a self, question: &Question<'a>, watch: &mut Watch<'_>) -> Result<Resolution<'a>, Fault> {
        // A flag is made of the very state that it is in.
        let Some(toggle) = self.state.toggle(&self.name) else { return Err(Fault::Parse) };
        let decision = asker::with(question, toggle, &self.settings.fixed, |context| {
            self.state.decide(toggle, context, watch)
        });
        if let Some(counted) = self.counted.as_ref().filter(|_| !question.bulk && !watch.watches()) {
            let of_variant = question.want != Type::Bool && self.has_values();
            let variant = of_variant.then(|| decision.variant.map(|drawn| drawn.at));
            counted.count(decision.enabled, variant);
        }
        self.answer(question.want, &decision)
    }

    fn variant_as(&self, at: usize, want: Type) -> Option<&Variant> {
        self.variants.choice_as(*self.shown.get(at)?, want)
    }

    fn varies(&self) -> bool {
        self.state.toggle(&self.name).is_some_and(|toggle| toggle.timely || toggle.random)
    }
}

/// All that a flag is made of.
pub struct Parts<'p> {
    /// As the server wrote it.
    pub feature: &'p ClientFeature,
    /// The document's segments.
    pub segments: &'p std::collections::HashMap<i32, Segment>,
    /// All features of the document by name, for dependencies.
    pub features: &'p std::collections::HashMap<&'p str, &'p ClientFeature>,
    /// The definition with all it depends on.
    pub text: &'p str,
    /// The source's name.
    pub source: &'p Arc<str>,
    /// All flags of the document.
    pub state: &'p Arc<State>,
    /// How flags are made.
    pub settings: &'p Arc<Settings>,
    /// Who counts.
    pub counted: Option<Arc<dyn Counted>>,
}

/// The flag.
pub fn flag(parts: &Parts<'_>) -> Flag {
    let Parts { feature, segments, features, text, source, state, settings, counted } = parts;
    let fallback = Toggle::off(&feature.name);
    let toggle = state.toggle(&feature.name).unwrap_or(&fallback);
    let variants = Variants::of(toggle, settings.payload_decides);
    let (mut shown, mut own): (Vec<usize>, Vec<Variant>) = variants.shown().into_iter().unzip();
    let mut default =
        own.iter().position(|variant| !variant.value().is_array() && !variant.value().is_null());
    if variants.choices.is_empty() {
        own = vec![Variant::new("on", Value::Bool(true)), Variant::new("off", Value::Bool(false))];
        shown.clear();
        default = Some(1);
    }
    let translation = translate::translation(feature, segments, features, &own);
    let rules = Rules {
        state: Arc::clone(state),
        name: feature.name.as_str().into(),
        settings: Arc::clone(settings),
        variants,
        shown: shown.into(),
        counted: counted.clone(),
    };
    Flag::of_native(NativeFlag {
        key: &feature.name,
        source,
        enabled: feature.enabled,
        variants: own,
        default,
        metadata: metadata(feature, settings),
        text,
        rules: Arc::new(rules),
        translation,
    })
}

/// What the server says of a flag beside its rules. Its `stale` is `markedStale` here, since `stale` speaks of the source.
fn metadata(feature: &ClientFeature, settings: &Settings) -> Map<String, Value> {
    let mut all = Map::new();
    let mut put = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            all.insert(name.to_owned(), value);
        }
    };
    put("project", feature.project.as_deref().map(Value::from));
    put("type", feature.feature_type.as_deref().map(Value::from));
    put("impressionData", feature.impression_data.map(Value::from));
    put("markedStale", feature.stale.map(Value::from));
    put("flagSetId", settings.flag_set.as_deref().map(Value::from));
    all
}
