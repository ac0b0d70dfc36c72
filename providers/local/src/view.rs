//! A snapshot as providers ask it.

use std::sync::Arc;

use engine::{
    Context, Fault, Flag, Metadata, Question, Reason, Resolution, Selector, Snapshot, Value, Variant,
};
use kit::{Evaluate, Facts, Found, Held, Type, error};
use open_feature::{EvaluationContext, EvaluationError, EvaluationReason};

use crate::{arena, clock, lay};

/// From here on not every whole number is a double: 2^53.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// All flags at one moment, with what is laid over every context. Cheap to build for each new snapshot.
#[derive(Clone, Debug)]
pub struct FlagsView {
    snapshot: Arc<Snapshot>,
    scope: Scope,
    over: Arc<serde_json::Map<String, serde_json::Value>>,
}

/// A selector that owns its text.
#[derive(Clone, Debug, Default)]
enum Scope {
    #[default]
    Any,
    FlagSet(Box<str>),
    Source(Box<str>),
}

impl FlagsView {
    /// All flags of `snapshot`.
    pub fn new(snapshot: Arc<Snapshot>) -> Self {
        Self { snapshot, scope: Scope::Any, over: Arc::default() }
    }

    /// Only the flags that `selector` means.
    #[must_use]
    pub fn selecting(mut self, selector: &Selector<'_>) -> Self {
        self.scope = match *selector {
            Selector::Any => Scope::Any,
            Selector::FlagSet(id) => Scope::FlagSet(id.into()),
            Selector::Source(uri) => Scope::Source(uri.into()),
        };
        self
    }

    /// Lays `attributes` over every context, as flagd does with the values of its operator (contract 3.12, 5.3).
    #[must_use]
    pub fn laid_over(mut self, attributes: Arc<serde_json::Map<String, serde_json::Value>>) -> Self {
        self.over = attributes;
        self
    }

    /// The snapshot.
    pub fn snapshot(&self) -> &Arc<Snapshot> {
        &self.snapshot
    }

    /// The flag that `key` means.
    #[inline]
    pub fn find(&self, key: &str) -> Option<&Flag> {
        let selector = match &self.scope {
            Scope::Any => Selector::Any,
            Scope::FlagSet(id) => Selector::FlagSet(id),
            Scope::Source(uri) => Selector::Source(uri),
        };
        self.snapshot.find(&selector, key).map(Arc::as_ref)
    }

    /// Evaluates a flag whose answer depends on the context.
    fn target<T>(
        &self,
        flag: &Flag,
        want: Type,
        context: &EvaluationContext,
        take: impl FnOnce(Found<'_>) -> T,
    ) -> Result<T, EvaluationError> {
        arena::with(|bump| {
            let under = lay::show(context, flag.reads(), bump)?;
            let over = self.over.iter().map(|(key, json)| (key.as_str(), Value::from_json(json, bump)));
            let context = match self.over.is_empty() {
                true => under,
                false => Context::new(bump.alloc_slice_fill_iter(over)).over(&under),
            };
            let now = if flag.timed() { clock::now() } else { 0 };
            let question = Question { want: wanted(want), context: &context, now, bump, bulk: false };
            match flag.answer(&question, &mut ()) {
                Ok(resolution) => Ok(take(found(flag, &resolution, want))),
                Err(fault) => Err(refused(flag.key(), fault)),
            }
        })
    }
}

impl Evaluate for FlagsView {
    #[inline]
    fn evaluate<T>(
        &self,
        key: &str,
        want: Type,
        context: &EvaluationContext,
        take: impl FnOnce(Found<'_>) -> T,
    ) -> Result<T, EvaluationError> {
        let Some(flag) = self.find(key) else { return Err(error::not_found(key)) };
        match flag.fixed() {
            Some(resolution) => Ok(take(found(flag, &resolution, want))),
            None => self.target(flag, want, context, take),
        }
    }
}

#[inline]
fn found<'a>(flag: &'a Flag, resolution: &Resolution<'a>, want: Type) -> Found<'a> {
    let entries = flag.metadata().entries();
    let more = resolution.metadata.map(Metadata::entries).unwrap_or_default();
    Found {
        value: resolution.variant.map(|variant| held(variant, want)),
        variant: resolution.variant.map(Variant::name),
        reason: match resolution.reason {
            Reason::Static => EvaluationReason::Static,
            Reason::TargetingMatch => EvaluationReason::TargetingMatch,
            Reason::Split => EvaluationReason::Split,
            Reason::Default => EvaluationReason::Default,
            Reason::Disabled => EvaluationReason::Disabled,
            Reason::Stale => EvaluationReason::Other(resolution.reason.as_str().to_owned()),
        },
        facts: if entries.is_empty() && more.is_empty() { Facts::None } else { Facts::Json([entries, more]) },
    }
}

/// The engine's word for a type.
#[inline]
fn wanted(want: Type) -> engine::Type {
    match want {
        Type::Bool => engine::Type::Bool,
        Type::Int | Type::Float => engine::Type::Number,
        Type::String => engine::Type::String,
        Type::Object => engine::Type::Object,
    }
}

/// A variant's value. A number that is asked for as a whole one loses its fraction, as flagd's `ResolveInt` does it
/// (contract 3.8), so that a flag answers alike by rpc and in process.
#[inline]
fn held(variant: &Variant, want: Type) -> Held<'_> {
    match variant.value() {
        serde_json::Value::Number(number) if want == Type::Int && number.is_f64() => {
            let whole = number.as_f64().map_or(f64::NAN, f64::trunc);
            // Beyond 2^53 it stays what it is, and is refused.
            if whole.abs() < EXACT { Held::Int(whole as i64) } else { Held::Float(whole) }
        }
        value => Held::Doubles(value),
    }
}

#[cold]
fn refused(key: &str, fault: Fault) -> EvaluationError {
    match fault {
        Fault::Parse => error::parse(format!("flag `{key}`: {fault}")),
        Fault::UnknownVariant => error::general(format!("flag `{key}`: {fault}")),
        Fault::TargetingKeyMissing => error::targeting_key_missing(key),
    }
}
