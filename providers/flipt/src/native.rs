//! Flags as native flags of the engine.

use std::borrow::Cow;
use std::collections::HashSet;
use std::sync::Arc;

use engine::{
    Context, Fault, Flag, Harvest, Metadata, Native, NativeFlag, Problem, Question, Reason, Resolution, Type,
    Value, Variant, Watch,
};
use serde_json::Map;

use crate::mapping::{Mapping, Values};
use crate::rules::{
    self, Attribute, Attributes, Body, Cause, Chosen, Finding, Read, Rule, Segments, Variants, switch,
};
use crate::translate::translate;

/// The attribute that identifies whom a context is about.
const TARGETING_KEY: &str = "targetingKey";
/// Of so many segments any combination's names are made ready; of more they are not told.
const MOST_SEGMENTS: usize = 4;

/// Adds the flags of `namespace` to `harvest`, as `source` serves them.
pub fn flags(
    harvest: &mut Harvest<'_>,
    namespace: &str,
    flags: Vec<Read>,
    source: &Arc<str>,
    mapping: &Mapping,
) {
    let compiled = rules::compile(flags);
    let mut added = HashSet::with_capacity(compiled.flags.len());
    for flag in compiled.flags {
        let key = flag.key().to_owned();
        harvest.add(&key, Ok(native(flag, namespace, source, mapping)));
        added.insert(key);
    }
    let set = mapping.flag_set.as_deref().unwrap_or(namespace);
    for Finding { flag, path, message, is_error } in compiled.findings {
        match flag {
            // One key twice is not worth a second flag.
            Some(key) if is_error && added.insert(key.to_string()) => {
                harvest.keep_in(set, &key, Problem::error(path, message))
            }
            flag => harvest.problem(Problem { flag, ..Problem::warning(path, message) }),
        }
    }
}

fn native(flag: rules::Flag, namespace: &str, source: &Arc<str>, mapping: &Mapping) -> Flag {
    let mut metadata = flag.metadata().clone();
    metadata.retain(|_, value| !value.is_array() && !value.is_object());
    metadata.insert("flipt.namespace".to_owned(), namespace.into());
    if let Some(environment) = &mapping.environment {
        metadata.insert("flipt.environment".to_owned(), environment.as_str().into());
    }
    metadata.insert("flagSetId".to_owned(), mapping.flag_set.as_deref().unwrap_or(namespace).into());
    let translation = translate(&flag, mapping.values);
    let text = format!("{mapping:?} {flag:?}");
    let (key, enabled) = (flag.key().to_owned(), flag.enabled());
    let named = |name: &str, value: serde_json::Value| Variant::new(name, value);
    let (rules, variants, default): (Arc<dyn Native>, Vec<Variant>, Option<usize>) = match flag.body() {
        Body::Boolean(rollouts) => {
            let told = rollouts.iter().map(|rollout| match rollout.whom() {
                rules::Whom::Segments(segments) => Combinations::of(segments, None),
                rules::Whom::Share(_) => Combinations::default(),
            });
            let told = told.collect();
            let variants = vec![named("true", true.into()), named("false", false.into())];
            let (on, off) = (named("true", true.into()), named("false", false.into()));
            let rules = Switch { on, off, told, identified: mapping.require_targeting_key, flag };
            (Arc::new(rules), variants, Some(usize::from(!enabled)))
        }
        Body::Variant(all) => {
            let ready: Box<[Ready]> =
                all.all().iter().map(|variant| Ready::of(variant, mapping.values)).collect();
            let told = all.rules().iter().map(|rule| told(rule, all, mapping.values)).collect();
            let default_metadata = all
                .default()
                .and_then(|variant| attachment(variant, mapping.values))
                .map(|json| Metadata::new(&Map::from_iter([("flipt.attachment".to_owned(), json.into())])));
            let disabled = all.default().map(|variant| {
                Metadata::new(&Map::from_iter([("flipt.defaultVariant".to_owned(), variant.key().into())]))
            });
            let variants =
                ready.iter().map(|ready| named(ready.any.name(), ready.any.value().clone())).collect();
            let default =
                all.default().and_then(|default| position(all, default)).or((!ready.is_empty()).then_some(0));
            let identified = mapping.require_targeting_key;
            (
                Arc::new(Choose { ready, told, default_metadata, disabled, identified, flag }),
                variants,
                default,
            )
        }
    };
    Flag::of_native(NativeFlag {
        key: &key,
        source,
        enabled,
        variants,
        default,
        metadata,
        text: &text,
        rules,
        translation,
    })
}

fn position(variants: &Variants, wanted: &rules::Variant) -> Option<usize> {
    variants.all().iter().position(|variant| variant.key() == wanted.key())
}

/// The attachment as text, unless it is the value.
fn attachment(variant: &rules::Variant, values: Values) -> Option<String> {
    variant.attachment().filter(|_| values == Values::Key).map(ToString::to_string)
}

/// What each variant of a rule adds to the metadata, by the segments that match.
fn told(rule: &Rule, variants: &Variants, values: Values) -> Box<[Combinations]> {
    let each = variants.all().iter().enumerate().map(|(at, variant)| {
        let used = rule.buckets().is_empty() || rule.buckets().iter().any(|(_, other)| *other == at);
        if !used {
            return Combinations::default();
        }
        Combinations::of(rule.segments(), attachment(variant, values))
    });
    let mut all: Vec<Combinations> = each.collect();
    all.push(Combinations::of(rule.segments(), None));
    all.into()
}

/// Metadata for each set of segments that can match, the set's bits being its place; one for all if there are too many.
#[derive(Debug, Default)]
struct Combinations(Box<[Metadata]>);

impl Combinations {
    fn of(segments: &Segments, attachment: Option<String>) -> Self {
        let keys: Vec<&str> = segments.all().iter().map(|segment| segment.key()).collect();
        let attached = || attachment.clone().map(|json| ("flipt.attachment".to_owned(), json.into()));
        if keys.len() > MOST_SEGMENTS {
            return Self(attached().map(|told| Metadata::new(&Map::from_iter([told]))).into_iter().collect());
        }
        let of_set = |set: usize| {
            let matching: Vec<&str> =
                keys.iter().enumerate().filter(|(at, _)| set >> at & 1 == 1).map(|(_, key)| *key).collect();
            let mut told = Map::from_iter([("flipt.segments".to_owned(), matching.join(",").into())]);
            told.extend(attached());
            Metadata::new(&told)
        };
        Self((0..1 << keys.len()).map(of_set).collect())
    }

    fn matching(&self, segments: &Segments, question: &rules::Question<'_>) -> Option<&Metadata> {
        match &*self.0 {
            [] => None,
            [all] => Some(all),
            sets => sets.get(segments.set(question)),
        }
    }
}

/// A variant made ready for whoever asks.
#[derive(Debug)]
struct Ready {
    any: Variant,
    string: Variant,
    number: Variant,
    object: Variant,
}

impl Ready {
    fn of(variant: &rules::Variant, values: Values) -> Self {
        let of = |want| {
            let value = values.value(variant.key(), variant.attachment(), want);
            Variant::new(variant.key(), value)
        };
        Self {
            any: of(Type::Any),
            string: of(Type::String),
            number: of(Type::Number),
            object: of(Type::Object),
        }
    }

    fn variant(&self, want: Type) -> &Variant {
        match want {
            Type::Any | Type::Bool => &self.any,
            Type::String => &self.string,
            Type::Number => &self.number,
            Type::Object => &self.object,
        }
    }
}

/// The rules of a boolean flag.
#[derive(Debug)]
struct Switch {
    flag: rules::Flag,
    on: Variant,
    off: Variant,
    /// By rollout.
    told: Box<[Combinations]>,
    /// Whether whoever asks must have a targeting key.
    identified: bool,
}

impl Native for Switch {
    fn decide<'a>(&'a self, question: &Question<'a>, watch: &mut Watch<'_>) -> Result<Resolution<'a>, Fault> {
        let attributes = ContextAttributes(question.context);
        let asked = asked(question.context, &attributes);
        if self.identified && asked.entity.is_empty() && !self.flag.is_static() {
            return Err(Fault::TargetingKeyMissing);
        }
        let Body::Boolean(rollouts) = self.flag.body() else { return Err(Fault::Parse) };
        let switched = switch(&self.flag, rollouts, &asked);
        if watch.watches() {
            tell(&switched.cause, &asked, watch);
        }
        let variant = if switched.enabled { &self.on } else { &self.off };
        let (reason, metadata) = match switched.cause {
            Cause::Segments(segments, _) => {
                let is_it = |rollout: &rules::Rollout| match rollout.whom() {
                    rules::Whom::Segments(other) => std::ptr::eq(other, segments),
                    rules::Whom::Share(_) => false,
                };
                let told = rollouts.iter().position(is_it).and_then(|at| self.told.get(at));
                (matched(segments), told.and_then(|told| told.matching(segments, &asked)))
            }
            Cause::Share(_) => (Reason::Split, None),
            _ if self.flag.is_static() => (Reason::Static, None),
            _ => (Reason::Default, None),
        };
        Ok(Resolution { variant: Some(variant), reason, metadata })
    }
}

/// Why an answer is what it is that these segments led to.
fn matched(segments: &Segments) -> Reason {
    if segments.all().is_empty() { Reason::Split } else { Reason::TargetingMatch }
}

/// The rules of a variant flag.
#[derive(Debug)]
struct Choose {
    flag: rules::Flag,
    ready: Box<[Ready]>,
    /// By rule and variant; the last is for none.
    told: Box<[Box<[Combinations]>]>,
    default_metadata: Option<Metadata>,
    disabled: Option<Metadata>,
    /// Whether whoever asks must have a targeting key.
    identified: bool,
}

impl Native for Choose {
    fn decide<'a>(&'a self, question: &Question<'a>, watch: &mut Watch<'_>) -> Result<Resolution<'a>, Fault> {
        let attributes = ContextAttributes(question.context);
        let asked = asked(question.context, &attributes);
        if self.identified && asked.entity.is_empty() && !self.flag.is_static() {
            return Err(Fault::TargetingKeyMissing);
        }
        let Body::Variant(variants) = self.flag.body() else { return Err(Fault::Parse) };
        let Chosen { variant, cause } = variants.choose(&self.flag, &asked);
        if watch.watches() {
            tell(&cause, &asked, watch);
        }
        let at =
            variant.and_then(|variant| variants.all().iter().position(|other| std::ptr::eq(other, variant)));
        let ready = at.and_then(|at| self.ready.get(at)).map(|ready| ready.variant(question.want));
        let (reason, metadata) = match cause {
            // What is off leaves everybody their own default.
            Cause::Disabled => {
                return Ok(Resolution {
                    variant: None,
                    reason: Reason::Disabled,
                    metadata: self.disabled.as_ref(),
                });
            }
            Cause::Segments(segments, _) => {
                let is_it = |rule: &Rule| std::ptr::eq(rule.segments(), segments);
                let told = variants.rules().iter().position(is_it).and_then(|rule| self.told.get(rule));
                let told = told.and_then(|told| told.get(at.unwrap_or(told.len().saturating_sub(1))));
                // Where a rule gives nobody anything and there is no default, the caller's stands.
                let reason = if ready.is_some() { matched(segments) } else { Reason::Default };
                (reason, told.and_then(|told| told.matching(segments, &asked)))
            }
            _ if self.flag.is_static() && ready.is_some() => (Reason::Static, self.default_metadata.as_ref()),
            _ => (Reason::Default, self.default_metadata.as_ref()),
        };
        Ok(Resolution { variant: ready, reason, metadata })
    }

    fn variant_as(&self, at: usize, want: Type) -> Option<&Variant> {
        self.ready.get(at).map(|ready| ready.variant(want))
    }
}

/// Shows how an answer came about.
fn tell(cause: &Cause<'_>, asked: &rules::Question<'_>, watch: &mut Watch<'_>) {
    match cause {
        Cause::Default | Cause::Unknown => watch.tell("rules", Value::Str("none matches")),
        Cause::Disabled => watch.tell("enabled", Value::Bool(false)),
        Cause::Segments(segments, bucket) => {
            for key in segments.matching(asked) {
                watch.tell("segment", Value::Str(key));
            }
            if let Some(bucket) = bucket {
                watch.tell("bucket", Value::Num(f64::from(*bucket)));
            }
        }
        Cause::Share(bucket) => watch.tell("threshold", Value::Num(f64::from(*bucket))),
    }
}

fn asked<'q>(context: &'q Context<'q>, attributes: &'q ContextAttributes<'q>) -> rules::Question<'q> {
    let entity = match context.get(TARGETING_KEY) {
        Some(Value::Str(entity)) => entity,
        _ => "",
    };
    rules::Question { entity, attributes }
}

/// The context's attributes, the targeting key among them.
struct ContextAttributes<'a>(&'a Context<'a>);

impl Attributes for ContextAttributes<'_> {
    fn get(&self, property: &str) -> Option<Attribute<'_>> {
        Some(match self.0.get(property)? {
            Value::Null => return None,
            Value::Bool(b) => Attribute::Bool(b),
            Value::Num(n) => Attribute::Number(n),
            Value::Str(text) => Attribute::text(text),
            structure @ (Value::List(_) | Value::Map(_)) => {
                Attribute::Text(Cow::Owned(structure.to_json().to_string()))
            }
        })
    }
}
