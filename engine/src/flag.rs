//! A compiled flag and the answer it gives.

use std::any::Any;
use std::fmt;
use std::sync::{Arc, OnceLock};

use bumpalo::Bump;

use crate::bytes::same;
use crate::compile::metadata::Merged;
use crate::compile::problem::Problem;
use crate::context::Context;
use crate::native::{Foreign, Question, Type};
use crate::rule::{Program, Scope};
use crate::text::write_json;
use crate::witness::Witness;

/// A flag ready to answer: rules compiled, variants parsed, metadata merged.
#[derive(Debug)]
pub struct Flag {
    pub(crate) key: Box<str>,
    pub(crate) flag_set: Option<Arc<str>>,
    pub(crate) source: Arc<str>,
    pub(crate) enabled: bool,
    pub(crate) variants: Arc<[Variant]>,
    pub(crate) default: Option<usize>,
    /// `None` is a static flag: no targeting, or literally `{}`.
    pub(crate) rule: Option<Arc<Program>>,
    /// Rules of another vendor's; then `rule` has no say.
    pub(crate) native: Option<Box<Foreign>>,
    pub(crate) metadata: Arc<Metadata>,
    pub(crate) definition: Arc<str>,
    /// Hash of all that the flag was compiled from; equal means the compiled flag can be kept.
    pub(crate) fingerprint: u64,
    /// What its author should know all the same; paths start at the flag.
    pub(crate) warnings: Box<[Problem]>,
    /// Said in place of the reason of every answer that has a variant.
    pub(crate) reason: Option<Reason>,
    pub(crate) shelf: Shelf,
}

/// Room for what a server makes of a flag.
#[derive(Debug, Default)]
pub(crate) struct Shelf(OnceLock<Box<dyn Any + Send + Sync>>);

/// One named value of a flag.
#[derive(Debug)]
pub struct Variant {
    pub(crate) name: Box<str>,
    pub(crate) value: serde_json::Value,
    pub(crate) json: Box<str>,
}

/// The JSON type of a variant's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `true` or `false`.
    Bool,
    /// A string.
    String,
    /// A number.
    Number,
    /// An object.
    Object,
    /// An array.
    List,
    /// `null`.
    Null,
}

/// What a flag says about itself: the set's metadata with the flag's own over it, keys sorted.
#[derive(Debug, Default)]
pub struct Metadata {
    pub(crate) entries: Box<[(Box<str>, serde_json::Value)]>,
    pub(crate) json: Box<str>,
}

/// Why an answer is what it is (OpenFeature's resolution reason, as flagd gives it).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Reason {
    /// The flag has no targeting.
    Static,
    /// Targeting chose the variant.
    TargetingMatch,
    /// Chance that stays with the user chose the variant. Only flags of other vendors say so.
    Split,
    /// Targeting chose nothing, or there is nothing to choose.
    Default,
    /// The flag is switched off.
    Disabled,
    /// The flag may be out of date. Never comes of a definition, only of [`Notes`](crate::Notes).
    Stale,
}

impl Reason {
    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Static => "STATIC",
            Self::TargetingMatch => "TARGETING_MATCH",
            Self::Split => "SPLIT",
            Self::Default => "DEFAULT",
            Self::Disabled => "DISABLED",
            Self::Stale => "STALE",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why a flag that exists gave no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fault {
    /// The rule could not be evaluated (OpenFeature's `PARSE_ERROR`).
    Parse,
    /// The rule named a variant that the flag does not have (OpenFeature's `GENERAL`).
    UnknownVariant,
    /// The rules need a targeting key and the context has none (OpenFeature's `TARGETING_KEY_MISSING`). Only flags of
    /// other vendors say so.
    TargetingKeyMissing,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Parse => "the targeting rule could not be evaluated",
            Self::UnknownVariant => "the targeting rule names a variant that the flag does not have",
            Self::TargetingKeyMissing => "the flag's rules need a targeting key and the context has none",
        })
    }
}

impl std::error::Error for Fault {}

/// A flag's answer. Without a variant the caller's own default stands (contract 3.7).
#[derive(Clone, Copy, Debug)]
pub struct Resolution<'f> {
    /// The chosen variant.
    pub variant: Option<&'f Variant>,
    /// Why.
    pub reason: Reason,
    /// What this answer adds to the flag's metadata; what is there already stands.
    pub metadata: Option<&'f Metadata>,
}

impl Flag {
    /// The key that applications ask for.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The flag set the flag belongs to, if any (contract 6.4).
    pub fn flag_set(&self) -> Option<&str> {
        self.flag_set.as_deref()
    }

    /// The source that defined the flag, named as selectors name it (contract 1.4).
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Whether the flag is switched on.
    pub fn enabled(&self) -> bool {
        self.enabled
    }

    /// The variants in document order.
    pub fn variants(&self) -> &[Variant] {
        &self.variants
    }

    /// The variant that stands when targeting chooses none.
    pub fn default_variant(&self) -> Option<&Variant> {
        self.default.and_then(|index| self.variants.get(index))
    }

    /// Whether every context gets the same answer.
    pub fn is_static(&self) -> bool {
        match &self.native {
            Some(native) => native.fixed.is_some(),
            None => self.rule.is_none() || !self.enabled,
        }
    }

    /// How many attributes of the context an answer looks up at most; `usize::MAX` where that cannot be told beforehand.
    pub fn reads(&self) -> usize {
        match (&self.native, &self.rule) {
            (Some(native), _) if native.fixed.is_none() => usize::MAX,
            (None, Some(rule)) if self.enabled => rule.reads,
            _ => 0,
        }
    }

    /// Whether an answer may depend on the time.
    pub fn timed(&self) -> bool {
        match (&self.native, &self.rule) {
            (Some(_), _) => true,
            (None, Some(rule)) => self.enabled && rule.timed,
            (None, None) => false,
        }
    }

    /// The merged metadata of flag and flag set.
    pub fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    /// The flag as a sync payload carries it: one JSON object (contract 5.2).
    pub fn definition(&self) -> &str {
        &self.definition
    }

    /// What a server made of the flag to find it again, such as encoded answers; `make` makes it once. It goes with the
    /// flag. `None` if what is there is of another type.
    pub fn shelved<T: Any + Send + Sync>(&self, make: impl FnOnce() -> T) -> Option<&T> {
        self.shelf.0.get_or_init(|| Box::new(make())).downcast_ref()
    }

    /// The same flag under another key, with nothing of what a server made of it.
    pub(crate) fn renamed(&self, key: &str, fingerprint: u64) -> Self {
        Self {
            key: key.into(),
            flag_set: self.flag_set.clone(),
            source: Arc::clone(&self.source),
            enabled: self.enabled,
            variants: Arc::clone(&self.variants),
            default: self.default,
            rule: self.rule.clone(),
            native: self.native.clone(),
            metadata: Arc::clone(&self.metadata),
            definition: Arc::clone(&self.definition),
            fingerprint,
            warnings: self.warnings.clone(),
            reason: self.reason,
            shelf: Shelf::default(),
        }
    }

    /// Answers for `context` whatever type the caller expects (contract 7.1). `now` is the time in Unix seconds, shown to
    /// rules as `$flagd.timestamp`.
    ///
    /// # Errors
    /// As [`Flag::answer`].
    #[inline]
    pub fn resolve<'a, W: Witness>(
        &'a self,
        context: &'a Context<'a>,
        now: u64,
        bump: &'a Bump,
        witness: &mut W,
    ) -> Result<Resolution<'a>, Fault> {
        self.answer(&Question { want: Type::Any, context, now, bump, bulk: false }, witness)
    }

    /// The answer of a flag whose own definition gives everybody the same one, without a question.
    #[inline]
    pub fn fixed(&self) -> Option<Resolution<'_>> {
        if self.native.is_some() || (self.enabled && self.rule.is_some()) {
            return None;
        }
        Some(self.said(self.unruled()))
    }

    /// Answers a question. Only flags of other vendors answer by the type that is wanted; whether the variant has it is for
    /// the caller to see.
    ///
    /// # Errors
    /// The rule cannot be evaluated, or names a variant that does not exist.
    #[inline]
    pub fn answer<'a, W: Witness>(
        &'a self,
        question: &Question<'a>,
        witness: &mut W,
    ) -> Result<Resolution<'a>, Fault> {
        let resolution = match &self.native {
            None => self.decide(question, witness)?,
            Some(native) => native.decide(self, question, witness)?,
        };
        Ok(self.said(resolution))
    }

    /// The resolution with the reason that is said in place of its own.
    #[inline]
    fn said<'a>(&self, resolution: Resolution<'a>) -> Resolution<'a> {
        match (self.reason, resolution.variant) {
            (Some(reason), Some(_)) => Resolution { reason, ..resolution },
            _ => resolution,
        }
    }

    /// What the flag says when no rule is asked.
    #[inline]
    fn unruled(&self) -> Resolution<'_> {
        let variant = if self.enabled { self.default_variant() } else { None };
        let reason = match (self.enabled, variant) {
            (false, _) => Reason::Disabled,
            (true, Some(_)) => Reason::Static,
            (true, None) => Reason::Default,
        };
        Resolution { variant, reason, metadata: None }
    }

    #[inline]
    fn decide<'a, W: Witness>(
        &'a self,
        question: &Question<'a>,
        witness: &mut W,
    ) -> Result<Resolution<'a>, Fault> {
        let bump = question.bump;
        let Some(rule) = self.rule.as_ref().filter(|_| self.enabled) else { return Ok(self.unruled()) };
        let scope = Scope::new(question.context, &self.key, question.now, bump);
        let outcome = rule.run(&scope, witness).map_err(|_| Fault::Parse)?;
        match outcome.variant_name(bump).map_err(|_| Fault::Parse)? {
            None => {
                Ok(Resolution { variant: self.default_variant(), reason: Reason::Default, metadata: None })
            }
            Some(name) => {
                let variant = self
                    .variants
                    .iter()
                    .find(|variant| same(&variant.name, name))
                    .ok_or(Fault::UnknownVariant)?;
                Ok(Resolution { variant: Some(variant), reason: Reason::TargetingMatch, metadata: None })
            }
        }
    }
}

impl Variant {
    /// A variant with its value as JSON text, for flags of other vendors.
    pub fn new(name: &str, value: serde_json::Value) -> Self {
        let mut json = String::new();
        write_json(&value, &mut json);
        Self { name: name.into(), value, json: json.into() }
    }

    /// The name that targeting and `defaultVariant` use.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The value.
    pub fn value(&self) -> &serde_json::Value {
        &self.value
    }

    /// The value as JSON text, numbers printed as the doubles they are (contract 3.8).
    pub fn json(&self) -> &str {
        &self.json
    }

    /// The value's JSON type.
    pub fn kind(&self) -> Kind {
        match self.value {
            serde_json::Value::Null => Kind::Null,
            serde_json::Value::Bool(_) => Kind::Bool,
            serde_json::Value::Number(_) => Kind::Number,
            serde_json::Value::String(_) => Kind::String,
            serde_json::Value::Array(_) => Kind::List,
            serde_json::Value::Object(_) => Kind::Object,
        }
    }
}

impl Metadata {
    /// Metadata of `entries`, without the `null` ones.
    pub fn new(entries: &serde_json::Map<String, serde_json::Value>) -> Self {
        Merged::of(&serde_json::Map::new(), Some(entries)).metadata()
    }

    /// Keys and values with those of `more` that are not there yet, sorted by key.
    pub fn with<'m>(
        &'m self,
        more: Option<&'m Metadata>,
    ) -> impl Iterator<Item = (&'m str, &'m serde_json::Value)> {
        let own = |(key, value): &'m (Box<str>, serde_json::Value)| (&**key, value);
        let mut mine = self.entries.iter().map(own).peekable();
        let mut theirs = more.into_iter().flat_map(|more| &more.entries).map(own).peekable();
        std::iter::from_fn(move || match (mine.peek(), theirs.peek()) {
            (Some((a, _)), Some((b, _))) if b < a => theirs.next(),
            (Some((a, _)), Some((b, _))) => {
                if a == b {
                    theirs.next();
                }
                mine.next()
            }
            (Some(_), None) => mine.next(),
            (None, _) => theirs.next(),
        })
    }

    /// Keys and values, sorted by key, without the `null` ones.
    pub fn entries(&self) -> &[(Box<str>, serde_json::Value)] {
        &self.entries
    }

    /// The same as one JSON object.
    pub fn json(&self) -> &str {
        &self.json
    }
}
