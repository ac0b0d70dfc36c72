//! Features as native flags of the engine.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use engine::{
    Context, Fault, Flag, Harvest, Layer, Native, NativeFlag, Problem, Question, Resolution, Type, Value,
    Variant, Watch,
};
use serde_json::Map;

use crate::mapping::{self, Mapping, Ready};
use crate::model::Document;
use crate::rules::{self, Cause, Decision, Feature, Finding, Identity, Trait, Traits};
use crate::translate::translate;
use crate::usage::{Counter, Usage};

/// The attribute that identifies whom a context is about.
const TARGETING_KEY: &str = "targetingKey";
/// The attribute whose fields are traits as well, as Flagsmith's providers have it.
const TRAITS: &str = "traits";

/// The flags of a document, as `source` serves them; a broken one keeps its last good self of `previous`. `usage` counts
/// what is asked for.
pub fn flags(
    document: Document,
    source: &Arc<str>,
    mapping: &Arc<Mapping>,
    previous: Option<&Layer>,
    usage: Option<&Usage>,
) -> engine::Compiled {
    let compiled = rules::compile(document);
    let mut harvest = Harvest::new(previous);
    for feature in compiled.features {
        if feature.is_hidden() || feature.is_server_key_only() && !mapping.server_key_only {
            continue;
        }
        let key = feature.name().to_owned();
        let counter = usage.map(|usage| usage.counter(&key));
        harvest.add(&key, Ok(flag(feature, source, mapping, counter)));
    }
    for Finding { feature, path, message, is_error } in compiled.findings {
        match feature {
            Some(feature) if is_error => harvest.add(&feature, Err(Problem::error(path, message))),
            flag => harvest.problem(Problem { flag, ..Problem::warning(path, message) }),
        }
    }
    harvest.finish()
}

fn flag(feature: Feature, source: &Arc<str>, mapping: &Arc<Mapping>, counter: Option<Counter>) -> Flag {
    let kind = if feature.is_multivariate() { "MULTIVARIATE" } else { "STANDARD" };
    let mut metadata = Map::from_iter([
        ("flagsmith.featureId".to_owned(), feature.id().into()),
        ("flagsmith.type".to_owned(), kind.into()),
    ]);
    metadata.extend(mapping.flag_set.iter().map(|set| ("flagSetId".to_owned(), set.as_str().into())));
    let ready: Box<[Ready]> = feature
        .outcomes()
        .iter()
        .map(|outcome| Ready::of(outcome, feature.is_multivariate(), mapping))
        .collect();
    let variants = ready.iter().map(|ready| ready.variant(Type::Any));
    let variants = variants.map(|variant| Variant::new(variant.name(), variant.value().clone())).collect();
    let (key, version) = (feature.name().to_owned(), feature.version().to_owned());
    let translation = translate(&feature);
    let enabled = feature.state().enabled();
    Flag::of_native(NativeFlag {
        key: &key,
        source,
        enabled,
        variants,
        default: Some(0),
        metadata,
        text: &format!("{version} {mapping:?}"),
        rules: Arc::new(Rules { feature, mapping: Arc::clone(mapping), ready, counter }),
        translation,
    })
}

/// The rules of a flag.
#[derive(Debug)]
struct Rules {
    feature: Feature,
    mapping: Arc<Mapping>,
    /// By the decision's outcome.
    ready: Box<[Ready]>,
    counter: Option<Counter>,
}

impl Native for Rules {
    fn decide<'a>(&'a self, question: &Question<'a>, watch: &mut Watch<'_>) -> Result<Resolution<'a>, Fault> {
        if let Some(counter) = self.counter.as_ref().filter(|_| !question.bulk) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
        let traits = ContextTraits(question.context);
        let identity = match question.context.get(TARGETING_KEY) {
            Some(Value::Str(identifier)) if !identifier.is_empty() => {
                Some(Identity { identifier, traits: &traits })
            }
            _ => None,
        };
        let decision = self.feature.decide(identity.as_ref());
        if watch.watches() {
            tell(&decision, identity.is_some(), watch);
        }
        let reason = mapping::reason(&decision);
        let Some(ready) = self.ready.get(decision.outcome()) else { return Err(Fault::UnknownVariant) };
        Ok(Resolution {
            variant: ready.answer(question.want, &self.mapping),
            reason,
            metadata: ready.metadata(),
        })
    }

    fn variant_as(&self, at: usize, want: Type) -> Option<&Variant> {
        self.ready.get(at).map(|ready| ready.variant(want))
    }
}

/// Shows how a decision came about.
fn tell(decision: &Decision<'_>, identified: bool, watch: &mut Watch<'_>) {
    watch.tell("identity", Value::Bool(identified));
    match decision.cause {
        Cause::Static => watch.tell("environment", Value::Str("the same for everybody")),
        Cause::Environment => watch.tell("environment", Value::Str("no segment matches")),
        Cause::Segment(segment) => watch.tell("segment", Value::Str(segment.name())),
        Cause::Identity => watch.tell("identity override", Value::Bool(true)),
    }
    if let Some(split) = decision.split {
        watch.enter(None, "multivariate");
        watch.tell("percentage", Value::Num(split.percentage));
        watch.leave(decision.variant().map(Value::Str));
    }
}

/// Attributes as traits: all but the targeting key, and the fields of `traits` over them.
struct ContextTraits<'a>(&'a Context<'a>);

impl Traits for ContextTraits<'_> {
    fn get(&self, key: &str) -> Option<Trait<'_>> {
        let nested = self.0.get(TRAITS);
        if let Some(value) = nested.as_ref().and_then(|traits| traits.get(key)) {
            return of_value(value);
        }
        match (key, nested) {
            (TARGETING_KEY, _) | (TRAITS, Some(Value::Map(_))) => None,
            _ => self.0.get(key).and_then(of_value),
        }
    }
}

fn of_value(value: Value<'_>) -> Option<Trait<'_>> {
    Some(match value {
        Value::Null => return None,
        Value::Bool(b) => Trait::Bool(b),
        Value::Num(n) => Trait::number(n),
        Value::Str(text) => Trait::text(text),
        structure @ (Value::List(_) | Value::Map(_)) => {
            Trait::Text(Cow::Owned(structure.to_json().to_string()))
        }
    })
}
