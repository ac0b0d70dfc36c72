//! From a definition to flags: every flag on its own, so that a bad one is reported and its neighbours live.

mod check;
mod entry;
pub(crate) mod hint;
pub(crate) mod metadata;
pub(crate) mod payload;
pub(crate) mod problem;
pub(crate) mod reference;
mod rule;

use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, Hasher};
use std::sync::Arc;

use foldhash::fast::RandomState;
use foldhash::quality::FixedState;
use serde_json::{Map, Value};

use crate::definition::{Definition, Entry};
use crate::flag::{Flag, Shelf, Variant};
use crate::rule::Program;
use crate::rule::fractional::Bucketing;
use crate::tree::push_segment;
use check::check_rule;
use entry::Written;
use metadata::Merged;
use payload::{Payload, push_written_out};
use problem::{Problem, Problems, quote};
use reference::{References, Unusable};
use rule::compile_rule;

/// How to compile.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// Which algorithm `fractional` uses.
    pub bucketing: Bucketing,
    /// What a document may cost.
    pub limits: Limits,
}

/// Bounds on what one document may cost beyond its own size. A flag beyond them is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Limits {
    /// Nodes in one flag's rule, every `$ref` counted as if it were written out.
    pub rule_nodes: usize,
    /// Bytes that all `$ref` of a document may stand for, about as many as their text has.
    pub referred_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { rule_nodes: 100_000, referred_bytes: 64 << 20 }
    }
}

/// The flags of one source, as far as they could be compiled.
#[derive(Clone, Debug, Default)]
pub struct Layer {
    flags: Vec<Arc<Flag>>,
}

impl Layer {
    /// The flags in document order.
    pub fn flags(&self) -> &[Arc<Flag>] {
        &self.flags
    }
}

/// Flags from wherever they were compiled, for a source whose documents replace only part of its flags.
impl FromIterator<Arc<Flag>> for Layer {
    fn from_iter<I: IntoIterator<Item = Arc<Flag>>>(flags: I) -> Self {
        Self { flags: flags.into_iter().collect() }
    }
}

/// What came of a definition.
#[derive(Debug, Default)]
pub struct Compiled {
    /// The flags to serve, those kept from the previous layer included.
    pub layer: Layer,
    /// What is wrong, in document order, each with its place in the definition's text.
    pub problems: Vec<Problem>,
}

/// Compiles `definition` as the flags of `source` (the name selectors use).
///
/// Never fails as a whole. A flag with an error keeps the definition it has in `previous`, if any; a flag that did not
/// change is taken over from there as it is.
pub fn compile(
    definition: &Definition<'_>,
    source: &Arc<str>,
    options: &Options,
    previous: Option<&Layer>,
) -> Compiled {
    let mut problems = Problems::of(definition);
    warn_of_document(definition, &mut problems);
    let references = References::of(definition, &mut problems);
    let kept = Kept::of(previous.map_or(&[], Layer::flags));
    let mut compiler = Compiler {
        definition,
        source,
        options,
        kept,
        shared: fingerprint_of_shared(definition, source, options),
        referred: 0,
        references,
        alike: HashMap::default(),
        rule: String::new(),
        text: String::new(),
        rules: HashMap::default(),
        variants: HashMap::default(),
        evaluators: HashMap::new(),
    };
    let flags = compiler.flags(&mut problems);
    Compiled { layer: Layer { flags }, problems: problems.finish() }
}

/// What all flags of a document have in common.
struct Compiler<'c> {
    definition: &'c Definition<'c>,
    source: &'c Arc<str>,
    options: &'c Options,
    kept: Kept<'c>,
    /// Fingerprint of all that every flag depends on.
    shared: u64,
    references: References,
    /// Bytes that `$ref` stood for so far.
    referred: usize,
    /// The text of the rule at hand, and of its flag. Their room is used again: what goes at once would else lie between what
    /// stays.
    rule: String,
    text: String,
    /// Flags that were compiled by their text: what is written in the same words is made only once.
    alike: HashMap<&'c str, Model, RandomState>,
    /// Rules by their text: flags with the same targeting share one.
    rules: HashMap<String, Arc<Program>, RandomState>,
    /// Variants by their text: many flags have the same ones, `on` and `off`.
    variants: HashMap<String, Arc<[Variant]>, RandomState>,
    /// Evaluators by name, each compiled once and shared by the rules that refer to it.
    evaluators: HashMap<String, Arc<Program>>,
}

/// How many different sets of variants are remembered while a document is compiled.
const MOST_SHARED: usize = 4096;

/// A flag that others may be like in all but their key.
struct Model {
    flag: Arc<Flag>,
    /// Bytes that its `$ref` stand for.
    referred: usize,
}

/// The flags of the previous layer. They mostly come again in the order in which they were.
struct Kept<'c> {
    flags: &'c [Arc<Flag>],
    /// The one that would be next.
    next: usize,
    /// Where each is by its key, once one was another than that.
    by_key: Option<HashMap<&'c str, usize, RandomState>>,
}

impl<'c> Kept<'c> {
    fn of(flags: &'c [Arc<Flag>]) -> Self {
        Self { flags, next: 0, by_key: None }
    }

    fn take(&mut self, key: &str) -> Option<&'c Arc<Flag>> {
        if let Some(flag) = self.flags.get(self.next).filter(|flag| flag.key() == key) {
            self.next += 1;
            return Some(flag);
        }
        if self.flags.is_empty() {
            return None;
        }
        let numbered = || self.flags.iter().enumerate().map(|(at, flag)| (flag.key(), at)).collect();
        let at = *self.by_key.get_or_insert_with(numbered).get(key)?;
        self.next = at + 1;
        self.flags.get(at)
    }
}

/// Two texts with one fingerprint would keep a changed flag from being compiled; 64 good bits make that a curiosity.
fn fingerprint_of_shared(definition: &Definition<'_>, source: &Arc<str>, options: &Options) -> u64 {
    let mut hasher = FixedState::default().build_hasher();
    (source, options.bucketing, options.limits).hash(&mut hasher);
    for entry in &definition.evaluators {
        (entry.key.as_deref(), entry.raw.get()).hash(&mut hasher);
    }
    let mut metadata = String::new();
    payload::push_object(definition.metadata.iter().map(|(key, value)| (key.as_str(), value)), &mut metadata);
    metadata.hash(&mut hasher);
    hasher.finish()
}

fn warn_of_document(definition: &Definition<'_>, problems: &mut Problems<'_>) {
    const FIELDS: [&str; 3] = ["flags", "metadata", "$evaluators"];
    for (at, name) in definition.fields.iter().enumerate().take(32) {
        let mut path = String::new();
        push_segment(&mut path, name);
        let known = FIELDS.iter().find(|field| name.eq_ignore_ascii_case(field));
        let problem = match known {
            Some(_) if definition.fields[..at].iter().any(|before| before.eq_ignore_ascii_case(name)) => {
                Problem::warning(
                    path,
                    format!("{} is written more than once; the last one counts", quote(name)),
                )
            }
            Some(field) if field != name => Problem::warning(
                path,
                format!("{} is read as `{field}`, but not by every provider", quote(name)),
            )
            .hint(format!("write `{field}`")),
            Some(_) => continue,
            None if matches!(&**name, "$schema" | "$comment" | "$id" | "description") => continue,
            None => Problem::warning(path, format!("a flag document has no field {}", quote(name)))
                .hint(hint::did_you_mean(name, FIELDS).or_else(|| Some("it is ignored".to_owned()))),
        };
        problems.push(problem);
    }
    let mut warnings = Vec::new();
    entry::warn_of_metadata(
        &definition.metadata,
        &format!("/{}", definition.field("metadata")),
        &mut warnings,
    );
    warnings.into_iter().take(32).for_each(|problem| problems.push(problem));
}

impl<'c> Compiler<'c> {
    fn flags(&mut self, problems: &mut Problems<'_>) -> Vec<Arc<Flag>> {
        let definition = self.definition;
        let mut last = HashMap::with_capacity_and_hasher(definition.flags.len(), RandomState::default());
        last.extend(
            definition.flags.iter().enumerate().filter_map(|(at, entry)| Some((entry.key.as_deref()?, at))),
        );
        let unique = last.len() == definition.flags.len();
        let mut flags = Vec::with_capacity(last.len());
        for (at, entry) in definition.flags.iter().enumerate() {
            let key = entry.key.as_deref().unwrap_or_default();
            if key.is_empty() {
                let problem = match (&entry.key, entry.index) {
                    (None, Some(_)) => Problem::error("", "a flag in a list needs a `key`, a string"),
                    _ => Problem::error("", "a flag's key cannot be empty"),
                };
                problems.push_within(problem, &self.base(entry), entry.raw.get());
                continue;
            }
            let counts = if unique { None } else { last.get(key).filter(|last| **last != at) };
            if let Some(counts) = counts {
                let line = problems.place(definition.flags[*counts].raw.get()).line;
                let problem =
                    Problem::warning("", "the key is taken again further down; the last one counts")
                        .hint(format!("the one that counts is on line {line}"));
                let problem = Problem { flag: Some(key.into()), ..problem };
                problems.push_within(problem, &self.base(entry), entry.raw.get());
                continue;
            }
            flags.extend(self.flag(key, entry, problems));
        }
        flags
    }

    /// The JSON pointer of a flag.
    fn base(&self, entry: &Entry<'_>) -> String {
        let mut base = format!("/{}", self.definition.field("flags"));
        match entry.index {
            Some(index) => push_segment(&mut base, &index.to_string()),
            None => push_segment(&mut base, entry.key.as_deref().unwrap_or_default()),
        }
        base
    }

    fn flag(&mut self, key: &str, entry: &Entry<'c>, problems: &mut Problems<'_>) -> Option<Arc<Flag>> {
        let kept = self.kept.take(key);
        let fingerprint = FixedState::default().hash_one((self.shared, key, entry.raw.get()));
        let flag = match kept.filter(|flag| flag.fingerprint == fingerprint) {
            Some(flag) => Ok(Arc::clone(flag)),
            None => self.make(key, entry.raw.get(), fingerprint),
        };
        let mut push = |problem: Problem| {
            let problem = Problem { flag: Some(key.into()), ..problem };
            problems.push_within(problem, &self.base(entry), entry.raw.get());
        };
        match flag {
            Ok(flag) => {
                flag.warnings.iter().cloned().for_each(&mut push);
                Some(flag)
            }
            Err(problem) => {
                push(problem);
                kept.cloned()
            }
        }
    }

    fn make(&mut self, key: &str, text: &'c str, fingerprint: u64) -> Result<Arc<Flag>, Problem> {
        if let Some(Model { flag, referred }) = self.alike.get(text) {
            let (flag, referred) = (flag.renamed(key, fingerprint), *referred);
            self.refer(referred)?;
            return Ok(Arc::new(flag));
        }
        let before = self.referred;
        let flag = Arc::new(self.compile(key, text, fingerprint)?);
        self.alike.insert(text, Model { flag: Arc::clone(&flag), referred: self.referred - before });
        Ok(flag)
    }

    fn compile(&mut self, key: &str, text: &str, fingerprint: u64) -> Result<Flag, Problem> {
        let mut written = Written::read(text)?;
        let rule = match &written.targeting {
            Some(targeting) => {
                check_rule(targeting, "/targeting", Some(&written.variants), &mut written.warnings);
                self.targeting(targeting, &mut written.warnings)?
            }
            None => None,
        };
        let merged = Merged::of(&self.definition.metadata, written.metadata.as_ref());
        let flag_set = merged.flag_set();
        if flag_set == Some("") {
            return Err(Problem::error("", "`flagSetId` is empty")
                .hint("leave it out, or set it to null, for a flag of no set".to_owned()));
        }
        let payload = Payload {
            enabled: written.enabled,
            default: written.default.as_deref(),
            variants: written.variants.iter().map(|(name, value)| (name.as_str(), value)).collect(),
            targeting: written.targeting.as_ref().map(|_| self.rule.as_str()),
            source: self.source,
            metadata: &merged,
        };
        self.text.clear();
        payload.push(&mut self.text);
        let definition = Arc::from(self.text.as_str());
        let default =
            written.default.as_ref().and_then(|name| written.variants.keys().position(|other| other == name));
        Ok(Flag {
            key: key.into(),
            flag_set: flag_set.map(Arc::from),
            source: Arc::clone(self.source),
            enabled: written.enabled,
            default,
            rule,
            native: None,
            metadata: Arc::new(merged.metadata()),
            definition,
            fingerprint,
            warnings: written.warnings.into(),
            shelf: Shelf::default(),
            reason: None,
            variants: self.variants(written.variants),
        })
    }

    /// The variants that a flag says it has, in its order.
    fn variants(&mut self, written: Map<String, Value>) -> Arc<[Variant]> {
        self.text.clear();
        for (name, value) in &written {
            payload::push_field(name, value, &mut self.text);
        }
        if let Some(variants) = self.variants.get(&self.text) {
            return Arc::clone(variants);
        }
        let variants: Arc<[Variant]> =
            written.into_iter().map(|(name, value)| Variant::new(&name, value)).collect();
        if self.variants.len() < MOST_SHARED {
            self.variants.insert(self.text.clone(), Arc::clone(&variants));
        }
        variants
    }

    /// The targeting's rule unless it is `{}`. Its text with every `$ref` written out is left in `self.rule`.
    fn targeting(
        &mut self,
        targeting: &Value,
        warnings: &mut Vec<Problem>,
    ) -> Result<Option<Arc<Program>>, Problem> {
        let refused = |message: String| Problem::error("/targeting", message);
        let limits = self.options.limits;
        let size = self.references.size(targeting).map_err(|error| {
            refused(match error {
                Unusable::Refused(name) => format!("evaluator {} cannot be used", quote(&name)),
                Unusable::TooDeep => "the rule is nested too deep with every `$ref` written out".to_owned(),
            })
        })?;
        if size.nodes > limits.rule_nodes {
            return Err(refused(format!(
                "the rule has {} nodes with every `$ref` written out; {} are allowed",
                size.nodes, limits.rule_nodes
            )));
        }
        self.refer(size.referred)?;
        self.references.check(targeting, warnings);
        self.rule.clear();
        push_written_out(targeting, &self.references, &mut self.rule);
        Ok((self.rule != "{}").then(|| self.program(targeting)))
    }

    /// Adds to what `$ref` stand for in this document.
    fn refer(&mut self, bytes: usize) -> Result<(), Problem> {
        self.referred = self.referred.saturating_add(bytes);
        let most = self.options.limits.referred_bytes;
        if self.referred > most {
            let message = format!("the document's `$ref`s stand for more than {most} bytes");
            return Err(Problem::error("/targeting", message));
        }
        Ok(())
    }

    fn program(&mut self, targeting: &Value) -> Arc<Program> {
        if let Some(rule) = self.rules.get(&self.rule) {
            return Arc::clone(rule);
        }
        let (references, bucketing) = (&self.references, self.options.bucketing);
        let rule = Arc::new(program(targeting, references, bucketing, &mut self.evaluators));
        self.rules.insert(self.rule.clone(), Arc::clone(&rule));
        rule
    }
}

/// Compiles `json` and, where it refers to evaluators that were not compiled yet, those. The caller has bounded the nesting.
fn program(
    json: &Value,
    references: &References,
    bucketing: Bucketing,
    evaluators: &mut HashMap<String, Arc<Program>>,
) -> Program {
    compile_rule(json, bucketing, &mut |name| {
        if let Some(evaluator) = evaluators.get(name) {
            return Some(Arc::clone(evaluator));
        }
        let evaluator = Arc::new(program(references.get(name)?, references, bucketing, evaluators));
        evaluators.insert(name.to_owned(), Arc::clone(&evaluator));
        Some(evaluator)
    })
}
