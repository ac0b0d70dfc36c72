//! Who is in a segment (contract 2.2, step 1).

use super::Environment;
use super::condition::Condition;
use super::identity::Identity;
use crate::model::{self, Quantifier};

/// A set of identities, defined by rules.
#[derive(Debug)]
pub struct Segment {
    id: Box<str>,
    name: Box<str>,
    rules: Box<[Rule]>,
}

/// Conditions and rules under one quantifier.
#[derive(Debug)]
pub(crate) struct Rule {
    pub(crate) quantifier: Quantifier,
    pub(crate) conditions: Box<[Condition]>,
    pub(crate) rules: Box<[Rule]>,
}

impl Segment {
    /// Compiles a segment; the notes tell of conditions that never hold.
    pub(super) fn compile(id: i64, name: String, rules: Vec<model::Rule>) -> (Self, Vec<String>) {
        let mut notes = Vec::new();
        let rules = rules.into_iter().map(|rule| Rule::compile(rule, &mut notes)).collect();
        (Self { id: id.to_string().into(), name: name.into(), rules }, notes)
    }

    /// The segment's number, as text.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The segment's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The rules, all of which must hold.
    pub(crate) fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// Whether `identity` is in the segment. Nobody is in a segment without rules.
    pub(super) fn holds(&self, environment: &Environment, identity: &Identity<'_>) -> bool {
        !self.rules.is_empty() && self.rules.iter().all(|rule| rule.holds(&self.id, environment, identity))
    }
}

impl Rule {
    fn compile(model: model::Rule, notes: &mut Vec<String>) -> Self {
        let mut conditions = Vec::with_capacity(model.conditions.len());
        for condition in model.conditions {
            let (condition, note) = Condition::compile(condition);
            conditions.push(condition);
            notes.extend(note);
        }
        Self {
            quantifier: model.quantifier,
            conditions: conditions.into(),
            rules: model.rules.into_iter().map(|rule| Self::compile(rule, notes)).collect(),
        }
    }

    fn holds(&self, segment: &str, environment: &Environment, identity: &Identity<'_>) -> bool {
        let conditions = || {
            let mut each =
                self.conditions.iter().map(|condition| condition.holds(segment, environment, identity));
            self.quantifier.over(&mut each)
        };
        let rules = || {
            let mut each = self.rules.iter().map(|rule| rule.holds(segment, environment, identity));
            self.quantifier.over(&mut each)
        };
        (self.conditions.is_empty() || conditions()) && (self.rules.is_empty() || rules())
    }
}

impl Quantifier {
    fn over(self, each: &mut impl Iterator<Item = bool>) -> bool {
        match self {
            Self::All => each.all(|holds| holds),
            Self::Any => each.any(|holds| holds),
            Self::None => !each.any(|holds| holds),
        }
    }
}
