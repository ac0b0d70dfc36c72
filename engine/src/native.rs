//! Native flags: flags whose rules belong to another vendor's engine.
//!
//! Every vendor hashes differently, so that a percentage translated to flagd's rules moves users. A native flag therefore
//! keeps its vendor's rules and answers with them, beside flagd's own flags in the same [`Layer`](crate::Layer) and
//! [`Snapshot`](crate::Snapshot). Its translation is for clients that evaluate themselves, and says how true it is.
//!
//! ```text
//! a vendor's document --the vendor's reader--> NativeFlag --Flag::of_native--> Flag      (Harvest keeps the last good ones)
//!                                              Flag::answer(Question) --> Native::decide --> Resolution | Fault
//! ```

use std::fmt;
use std::hash::BuildHasher;
use std::sync::Arc;

use bumpalo::Bump;
use foldhash::quality::FixedState;
use serde_json::{Map, Value};

use crate::compile::metadata::Merged;
use crate::compile::payload::Payload;
use crate::compile::problem::Problem;
use crate::context::Context;
use crate::flag::{Fault, Flag, Kind, Reason, Resolution, Shelf, Variant};
use crate::text::write_json;
use crate::witness::{Watch, Witness};

/// The metadata that says how true a translation is.
pub(crate) const TRANSLATION: &str = "translation";

/// The rules of one flag, as its vendor evaluates them. Pure: no I/O, no clock, and no allocation in simple cases.
///
/// Whatever an answer refers to was made at load: a [`Resolution`] borrows its variant and its metadata from here.
pub trait Native: fmt::Debug + Send + Sync {
    /// Answers `question`. Asked even if the flag is switched off, since vendors differ in what that means.
    ///
    /// A variant whose kind is not what the question wants is a type mismatch; saying so is the caller's business.
    ///
    /// # Errors
    /// There is no answer, such as when rules have to hash a targeting key that the context does not have.
    fn decide<'a>(&'a self, question: &Question<'a>, watch: &mut Watch<'_>) -> Result<Resolution<'a>, Fault>;

    /// What the flag's variant at `at` is to somebody who wants `want`, for answers that do not come of the rules. `None`
    /// takes the variant as it is.
    fn variant_as(&self, at: usize, want: Type) -> Option<&Variant> {
        let _ = (at, want);
        None
    }

    /// Whether the same context can get another answer later, by the time or by chance.
    fn varies(&self) -> bool {
        false
    }
}

/// What is asked of a flag.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// The type of value that is wanted.
    pub want: Type,
    /// Who asks.
    pub context: &'a Context<'a>,
    /// The time in Unix seconds.
    pub now: u64,
    /// Scratch space.
    pub bump: &'a Bump,
    /// Whether all flags are asked at once, which does not show that anybody uses this one.
    pub bulk: bool,
}

/// The type of value that a question is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    /// Whatever the variant holds.
    Any,
    /// A boolean.
    Bool,
    /// A string.
    String,
    /// A number.
    Number,
    /// A JSON object; arrays are none.
    Object,
}

impl Type {
    /// Whether a value of `kind` is of this type. `null` is of none.
    pub fn fits(self, kind: Kind) -> bool {
        match self {
            Self::Any => kind != Kind::Null,
            Self::Bool => kind == Kind::Bool,
            Self::String => kind == Kind::String,
            Self::Number => kind == Kind::Number,
            Self::Object => kind == Kind::Object,
        }
    }

    /// The type that questions about all flags take for `flag`: that of its default variant. `None` for a flag that has
    /// no default variant or one that is an array or `null` (contract 3.9).
    pub fn of_default(flag: &Flag) -> Option<Self> {
        match flag.default_variant()?.kind() {
            Kind::Bool => Some(Self::Bool),
            Kind::String => Some(Self::String),
            Kind::Number => Some(Self::Number),
            Kind::Object => Some(Self::Object),
            Kind::List | Kind::Null => None,
        }
    }
}

/// How true a translation is to the flag that it was made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fidelity {
    /// Every context gets the vendor's answer.
    Exact,
    /// Some contexts get another answer, such as users in other buckets; each reason is a phrase for people.
    Approximate(Vec<String>),
    /// The rules cannot be said in flagd's form; what stands in the translation is only what is safest.
    Unsupported(Vec<String>),
}

impl Fidelity {
    /// The word in metadata and reports.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Exact => "exact",
            Self::Approximate(_) => "approximate",
            Self::Unsupported(_) => "unsupported",
        }
    }

    /// What is not exact, and why.
    pub fn reasons(&self) -> &[String] {
        match self {
            Self::Exact => &[],
            Self::Approximate(reasons) | Self::Unsupported(reasons) => reasons,
        }
    }
}

/// A native flag in flagd's form.
#[derive(Clone, Debug)]
pub struct Translation {
    /// Whether the flag is switched on.
    pub enabled: bool,
    /// The variants.
    pub variants: Vec<(String, Value)>,
    /// The name of the default variant.
    pub default: Option<String>,
    /// The rule, without `$ref`.
    pub targeting: Option<Value>,
    /// How true all of this is.
    pub fidelity: Fidelity,
    /// Attributes and values that the rules compare them with: what contexts must be made of to tell answers apart.
    pub mentions: Vec<(String, Value)>,
}

/// All that a native flag is made of.
#[derive(Debug)]
pub struct NativeFlag<'n> {
    /// The key that applications ask for.
    pub key: &'n str,
    /// The source, named as selectors name it.
    pub source: &'n Arc<str>,
    /// Whether the flag is switched on, for people; the rules decide for themselves.
    pub enabled: bool,
    /// The variants by name, as somebody gets them who asks for no type in particular.
    pub variants: Vec<Variant>,
    /// The position of the variant that says of which type the flag is where no type is asked for.
    pub default: Option<usize>,
    /// What the flag says about itself. `flagSetId`, a string, puts it into a flag set.
    pub metadata: Map<String, Value>,
    /// The vendor's definition with all that the rules depend on: equal text means that nothing has changed.
    pub text: &'n str,
    /// The rules.
    pub rules: Arc<dyn Native>,
    /// The flag in flagd's form.
    pub translation: Translation,
}

/// What a compiled flag keeps of its vendor.
#[derive(Clone, Debug)]
pub(crate) struct Foreign {
    pub(crate) rules: Arc<dyn Native>,
    pub(crate) translation: Arc<Translation>,
    pub(crate) text: Arc<str>,
    /// The position of a variant that every context gets, whatever the rules say.
    pub(crate) fixed: Option<usize>,
}

impl Foreign {
    /// What the flag's definition says of it, beyond the flag's metadata.
    pub(crate) fn said(&self) -> (&'static str, Value) {
        (TRANSLATION, self.translation.fidelity.as_str().into())
    }

    /// The same with one variant for everybody, which any client can be told exactly.
    pub(crate) fn fixed_to(&self, at: usize, variants: &[Variant]) -> Self {
        let named = |variant: &Variant| (variant.name.to_string(), variant.value.clone());
        let translation = Translation {
            enabled: true,
            variants: variants.iter().map(named).collect(),
            default: variants.get(at).map(|variant| variant.name.to_string()),
            targeting: None,
            fidelity: Fidelity::Exact,
            mentions: Vec::new(),
        };
        Self { translation: Arc::new(translation), fixed: Some(at), ..self.clone() }
    }

    #[inline]
    pub(crate) fn decide<'a, W: Witness>(
        &'a self,
        flag: &'a Flag,
        question: &Question<'a>,
        witness: &mut W,
    ) -> Result<Resolution<'a>, Fault> {
        let Some(at) = self.fixed else { return self.rules.decide(question, &mut Watch::of(witness)) };
        let variant = self.rules.variant_as(at, question.want).or_else(|| flag.variants.get(at));
        Ok(Resolution { variant, reason: Reason::Static, metadata: None })
    }
}

impl Flag {
    /// A flag that answers by its vendor's rules.
    pub fn of_native(native: NativeFlag<'_>) -> Self {
        let NativeFlag { key, source, enabled, variants, default, metadata, text, rules, translation } =
            native;
        let none = Map::new();
        let merged = Merged::of(&none, Some(&metadata));
        let own = merged.metadata();
        let foreign = Foreign { rules, translation: Arc::new(translation), text: text.into(), fixed: None };
        let said = [foreign.said()];
        let definition = translated(&foreign.translation, source, &Merged::with_notes(&own, &said));
        Self {
            key: key.into(),
            flag_set: merged.flag_set().filter(|set| !set.is_empty()).map(Arc::from),
            source: Arc::clone(source),
            enabled,
            variants: variants.into(),
            default,
            rule: None,
            native: Some(Box::new(foreign)),
            metadata: Arc::new(own),
            definition: definition.into(),
            fingerprint: FixedState::default().hash_one((key, source, text)),
            warnings: Box::default(),
            reason: None,
            shelf: Shelf::default(),
        }
    }

    /// The flag in flagd's form and how true that is, if the flag's rules are another vendor's.
    pub fn translation(&self) -> Option<&Translation> {
        self.native.as_ref().map(|native| &*native.translation)
    }

    /// The vendor's definition with all that the rules depend on, if the flag's rules are another vendor's.
    pub fn native_text(&self) -> Option<&str> {
        self.native.as_ref().map(|native| &*native.text)
    }

    /// What tells versions of a native flag apart, across restarts; its [`definition`](Self::definition) does not always.
    /// `None` for flagd's own flags.
    pub fn native_version(&self) -> Option<u64> {
        self.native.as_ref().map(|_| self.fingerprint)
    }

    /// Whether a native flag can answer the same context otherwise later, by the time or by chance.
    pub fn varies(&self) -> bool {
        self.native.as_ref().is_some_and(|native| native.fixed.is_none() && native.rules.varies())
    }
}

fn translated(translation: &Translation, source: &str, metadata: &Merged<'_>) -> String {
    let targeting = translation.targeting.as_ref().map(|rule| {
        let mut text = String::new();
        write_json(rule, &mut text);
        text
    });
    let payload = Payload {
        enabled: translation.enabled,
        default: translation.default.as_deref(),
        variants: translation.variants.iter().map(|(name, value)| (name.as_str(), value)).collect(),
        targeting: targeting.as_deref(),
        source,
        metadata,
    };
    payload.text()
}

/// Collects the native flags of a document: each on its own, so that a bad one keeps its last good self.
#[derive(Debug)]
pub struct Harvest<'p> {
    previous: Option<&'p crate::Layer>,
    flags: Vec<Arc<Flag>>,
    problems: Vec<Problem>,
    left_out: usize,
}

/// The most problems of one document that are told.
const MOST_PROBLEMS: usize = 1_000;

impl<'p> Harvest<'p> {
    /// Starts with nothing; flags that cannot be built are looked up in `previous`.
    pub fn new(previous: Option<&'p crate::Layer>) -> Self {
        Self { previous, flags: Vec::new(), problems: Vec::new(), left_out: 0 }
    }

    /// Adds the flag `key`, or its last good self with the problem why.
    pub fn add(&mut self, key: &str, flag: Result<Flag, Problem>) {
        match flag {
            Ok(flag) => self.flags.push(Arc::new(flag)),
            Err(problem) => {
                self.keep(key, |_| true, problem);
            }
        }
    }

    /// Notes why the flag `key` of the flag set `set` cannot be built, and keeps its last good self: for documents in which
    /// one key stands for several flags.
    pub fn keep_in(&mut self, set: &str, key: &str, problem: Problem) {
        self.keep(key, |flag| flag.flag_set() == Some(set), problem);
    }

    fn keep(&mut self, key: &str, is_it: impl Fn(&Flag) -> bool, problem: Problem) {
        self.problem(Problem { flag: Some(key.into()), ..problem });
        let before = self.previous.into_iter().flat_map(crate::Layer::flags);
        self.flags.extend(before.filter(|flag| flag.key() == key && is_it(flag)).take(1).cloned());
    }

    /// Whether a flag `key` was added.
    pub fn has(&self, key: &str) -> bool {
        self.flags.iter().any(|flag| flag.key() == key)
    }

    /// Notes something that is wrong.
    pub fn problem(&mut self, problem: Problem) {
        if self.problems.len() < MOST_PROBLEMS {
            self.problems.push(problem);
        } else {
            self.left_out += 1;
        }
    }

    /// What came of the document.
    pub fn finish(mut self) -> crate::Compiled {
        if self.left_out > 0 {
            let more = format!("{} more problems are left out", self.left_out);
            self.problems.push(Problem::warning("", more));
        }
        crate::Compiled { layer: self.flags.into_iter().collect(), problems: self.problems }
    }
}

#[cfg(test)]
mod tests;
