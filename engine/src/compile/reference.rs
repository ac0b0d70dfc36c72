//! `$evaluators` and `$ref`: rules under a name, written out where they are referred to (contract 6.3).
//!
//! The work is bounded before anything is written out: names are resolved to sizes first, each evaluator once, so that
//! evaluators that double one another twenty times over cost nothing.

use std::collections::HashMap;
use std::collections::hash_map::Entry as Slot;

use serde_json::Value;

use super::check::check_rule;
use super::hint::did_you_mean;
use super::problem::{Problem, Problems, quote};
use crate::definition::{Definition, reason};
use crate::text::write_json;
use crate::tree::{Tree, push_segment};

/// JSON nested deeper than this is refused, `$ref` written out; readers of sync payloads stop there too.
const MAX_DEPTH: usize = 128;

/// The evaluators of one document.
#[derive(Default)]
pub(crate) struct References {
    evaluators: HashMap<String, Evaluator>,
}

struct Evaluator {
    json: Value,
    standing: Standing,
}

/// Whether an evaluator can be referred to.
enum Standing {
    /// Its size with every `$ref` written out.
    Sound(Size),
    /// It cannot be used, and neither can what refers to it.
    Refused,
    /// It refers to itself, by these steps. A `$ref` to it stays in the rule and fails when it is reached.
    Circular(String),
}

/// How big JSON is with every `$ref` written out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Size {
    pub(crate) nodes: usize,
    pub(crate) depth: usize,
    /// About as many bytes as its text has.
    pub(crate) bytes: usize,
    /// How many of the bytes come from evaluators.
    pub(crate) referred: usize,
}

impl Size {
    /// One node, without what is in it.
    fn node(depth: usize, json: &Value) -> Self {
        let text = match json {
            Value::String(text) => text.len(),
            Value::Object(fields) => fields.keys().map(|key| key.len() + 4).sum(),
            _ => 0,
        };
        Self { nodes: 1, depth, bytes: text.saturating_add(8), referred: 0 }
    }

    fn add(&mut self, part: Self) {
        self.nodes = self.nodes.saturating_add(part.nodes);
        self.depth = self.depth.max(part.depth);
        self.bytes = self.bytes.saturating_add(part.bytes);
        self.referred = self.referred.saturating_add(part.referred);
    }
}

/// Why JSON with `$ref` cannot be written out.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Unusable {
    /// It refers to an evaluator that was refused.
    Refused(String),
    /// It is nested too deep once written out.
    TooDeep,
}

/// The name that `{"$ref": "name"}` refers to; anything beside it makes it an ordinary object.
pub(crate) fn name_of(json: &Value) -> Option<&str> {
    match json {
        Value::Object(fields) if fields.len() == 1 => fields.get("$ref")?.as_str(),
        _ => None,
    }
}

impl References {
    /// Reads the evaluators of `definition`.
    pub(crate) fn of(definition: &Definition<'_>, problems: &mut Problems<'_>) -> Self {
        let field = definition.field("$evaluators");
        let mut parsed = HashMap::new();
        for entry in &definition.evaluators {
            let name = entry.key.as_deref().unwrap_or_default();
            let mut base = format!("/{field}");
            push_segment(&mut base, name);
            let json = match read(entry.raw.get()) {
                Ok(json) => {
                    let mut warnings = Vec::new();
                    check_rule(&json, "", None, &mut warnings);
                    for problem in warnings {
                        problems.push_within(problem, &base, entry.raw.get());
                    }
                    Some(json)
                }
                Err(message) => {
                    let problem = Problem::error("", format!("evaluator {}: {message}", quote(name)));
                    problems.push_within(problem, &base, entry.raw.get());
                    None
                }
            };
            match parsed.entry(name.to_owned()) {
                Slot::Vacant(slot) => {
                    slot.insert(json);
                }
                Slot::Occupied(mut slot) => {
                    slot.insert(json);
                    let message =
                        format!("evaluator {} is written more than once; the last one counts", quote(name));
                    problems.push_within(Problem::warning("", message), &base, entry.raw.get());
                }
            }
        }
        let references = Walk::over(parsed);
        references.report_cycles(field, problems);
        references
    }

    fn report_cycles(&self, field: &str, problems: &mut Problems<'_>) {
        let mut cycles: Vec<(&String, &String)> = self
            .evaluators
            .iter()
            .filter_map(|(name, evaluator)| match &evaluator.standing {
                Standing::Circular(steps) => Some((name, steps)),
                _ => None,
            })
            .collect();
        cycles.sort_unstable();
        for (name, steps) in cycles {
            let mut path = format!("/{field}");
            push_segment(&mut path, name);
            let message = format!("evaluator {} refers to itself: {steps}", quote(name));
            problems.push(Problem::warning(path, message));
        }
    }

    /// The JSON that `$ref` to `name` stands for, itself perhaps with more `$ref`; `None` if it stands for nothing, which
    /// makes the `$ref` an operator that does not exist. Following references from here always ends.
    pub(crate) fn get(&self, name: &str) -> Option<&Value> {
        match self.evaluators.get(name)? {
            Evaluator { json, standing: Standing::Sound(_) } => Some(json),
            _ => None,
        }
    }

    /// What `json` is once a `$ref` in its place, if it is one, has been followed.
    pub(crate) fn follow<'v>(&'v self, mut json: &'v Value) -> &'v Value {
        while let Some(target) = name_of(json).and_then(|name| self.get(name)) {
            json = target;
        }
        json
    }

    /// The size of `json` with every `$ref` written out. Nothing is written out to learn it.
    pub(crate) fn size(&self, json: &Value) -> Result<Size, Unusable> {
        let mut uses = Vec::new();
        let own = uses_of(json, 1, &mut uses);
        let size = self.sum(own, &uses)?;
        if size.depth > MAX_DEPTH { Err(Unusable::TooDeep) } else { Ok(size) }
    }

    fn sum(&self, mut size: Size, uses: &[(&str, usize)]) -> Result<Size, Unusable> {
        for (name, at) in uses {
            match self.evaluators.get(*name).map(|evaluator| &evaluator.standing) {
                Some(Standing::Sound(part)) => {
                    size.add(Size {
                        depth: part.depth.saturating_add(at - 1),
                        referred: part.bytes,
                        ..*part
                    });
                }
                Some(Standing::Refused) => return Err(Unusable::Refused((*name).to_owned())),
                Some(Standing::Circular(_)) | None => {}
            }
        }
        Ok(size)
    }

    /// Warns of every `$ref` in `json` that stands for nothing.
    pub(crate) fn check(&self, json: &Value, found: &mut Vec<Problem>) {
        let mut uses = Vec::new();
        uses_of(json, 1, &mut uses);
        uses.sort_unstable();
        uses.dedup_by_key(|(name, _)| *name);
        for (name, _) in uses {
            let problem = match self.evaluators.get(name).map(|evaluator| &evaluator.standing) {
                None => {
                    let names = self.evaluators.keys().map(String::as_str);
                    Problem::warning("/targeting", format!("there is no evaluator {}", quote(name)))
                        .hint(did_you_mean(name, names))
                }
                Some(Standing::Circular(steps)) => Problem::warning(
                    "/targeting",
                    format!("evaluator {} refers to itself: {steps}", quote(name)),
                ),
                Some(_) => continue,
            };
            found.push(problem);
        }
    }
}

/// Reads one evaluator. flagd refuses those of less than three characters: `{}`, `[]`, small numbers.
fn read(raw: &str) -> Result<Value, String> {
    let json = Tree::parse(raw).map_err(|error| reason(&error))?.value;
    let mut text = String::new();
    write_json(&json, &mut text);
    if text.len() < 3 { Err("there is no rule in it".to_owned()) } else { Ok(json) }
}

/// Collects what `json` refers to, with the depth it stands at, and sizes what is its own.
fn uses_of<'v>(json: &'v Value, depth: usize, uses: &mut Vec<(&'v str, usize)>) -> Size {
    let mut size = Size::node(depth, json);
    if let Some(name) = name_of(json) {
        uses.push((name, depth));
        return size;
    }
    let mut add = |part: &'v Value| size.add(uses_of(part, depth + 1, uses));
    match json {
        Value::Array(items) => items.iter().for_each(&mut add),
        Value::Object(fields) => fields.values().for_each(&mut add),
        _ => {}
    }
    size
}

/// Sizes evaluators from those that refer to nothing upwards, without recursion: a chain may be as long as the document.
struct Walk {
    waiting: HashMap<String, Option<Value>>,
    /// Evaluators being sized, each with what it refers to that was not looked at yet.
    open: Vec<(String, Vec<String>)>,
    /// Where in `open` an evaluator is.
    at: HashMap<String, usize>,
    circular: HashMap<String, String>,
    done: References,
}

impl Walk {
    fn over(waiting: HashMap<String, Option<Value>>) -> References {
        let mut names: Vec<String> = waiting.keys().cloned().collect();
        names.sort_unstable();
        let mut walk = Self {
            waiting,
            open: Vec::new(),
            at: HashMap::new(),
            circular: HashMap::new(),
            done: References::default(),
        };
        for name in names {
            walk.enter(name);
            while let Some((_, uses)) = walk.open.last_mut() {
                match uses.pop() {
                    Some(next) => walk.enter(next),
                    None => walk.leave(),
                }
            }
        }
        walk.done
    }

    fn enter(&mut self, name: String) {
        if self.done.evaluators.contains_key(&name) {
            return;
        }
        if let Some(first) = self.at.get(&name).copied() {
            self.close_cycle(first);
            return;
        }
        let uses = match self.waiting.get(&name) {
            None => return,
            Some(None) => Vec::new(),
            Some(Some(json)) => {
                let mut uses = Vec::new();
                uses_of(json, 1, &mut uses);
                uses.sort_unstable();
                uses.dedup_by_key(|(name, _)| *name);
                uses.into_iter().map(|(name, _)| name.to_owned()).collect()
            }
        };
        self.at.insert(name.clone(), self.open.len());
        self.open.push((name, uses));
    }

    /// Everything that is open from `first` on refers to itself.
    fn close_cycle(&mut self, first: usize) {
        if self.open[first..].iter().all(|(name, _)| self.circular.contains_key(name)) {
            return;
        }
        let names: Vec<&str> = self.open[first..].iter().map(|(name, _)| name.as_str()).collect();
        let mut steps = names.iter().take(8).map(|name| quote(name)).collect::<Vec<_>>().join(" -> ");
        if names.len() > 8 {
            steps.push_str(" -> ...");
        }
        steps.push_str(" -> ");
        steps.push_str(&quote(names[0]));
        for name in names {
            self.circular.entry(name.to_owned()).or_insert_with(|| steps.clone());
        }
    }

    fn leave(&mut self) {
        let Some((name, _)) = self.open.pop() else { return };
        self.at.remove(&name);
        let Some(json) = self.waiting.remove(&name) else { return };
        let standing = match (&json, self.circular.remove(&name)) {
            (None, _) => Standing::Refused,
            (Some(_), Some(steps)) => Standing::Circular(steps),
            (Some(json), None) => {
                let mut uses = Vec::new();
                let own = uses_of(json, 1, &mut uses);
                self.done.sum(own, &uses).map_or(Standing::Refused, Standing::Sound)
            }
        };
        self.done.evaluators.insert(name, Evaluator { json: json.unwrap_or_default(), standing });
    }
}
