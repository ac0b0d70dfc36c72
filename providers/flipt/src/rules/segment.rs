//! Whom a rule is for.

use std::sync::Arc;

use super::Question;
use super::attributes::Attribute;
use super::constraint::{Kind, Test, is_malformed};
use crate::model::{self, MatchType, SegmentOperator};

/// The segments of a rule or a rollout.
#[derive(Debug)]
pub struct Segments {
    operator: SegmentOperator,
    all: Box<[Arc<Segment>]>,
}

/// A set of entities.
#[derive(Debug)]
pub struct Segment {
    model: Arc<model::Segment>,
    constraints: Box<[Constraint]>,
}

/// A comparison.
#[derive(Debug)]
pub struct Constraint {
    kind: Kind,
    property: Box<str>,
    test: Test,
}

/// Whether the server, which makes its rules of files, makes them without this segment: it cannot read a constraint of it.
pub fn is_left_out(segment: &model::Segment) -> bool {
    segment.constraints.iter().any(is_malformed)
}

impl Segments {
    pub(super) fn new(operator: SegmentOperator, all: Vec<Arc<Segment>>) -> Self {
        Self { operator, all: all.into() }
    }

    /// How many of them must match.
    pub fn operator(&self) -> SegmentOperator {
        self.operator
    }

    /// The segments.
    pub fn all(&self) -> &[Arc<Segment>] {
        &self.all
    }

    /// The keys of those that match.
    pub fn matching<'s>(&'s self, question: &Question<'_>) -> impl Iterator<Item = &'s str> {
        self.all.iter().filter(|segment| segment.holds(question)).map(|segment| segment.key())
    }

    /// Those that match as bits, the first segment the lowest.
    pub(crate) fn set(&self, question: &Question<'_>) -> usize {
        let matching = self.all.iter().enumerate().filter(|(_, segment)| segment.holds(question));
        matching.fold(0, |set, (at, _)| set | 1 << at)
    }

    /// Whether enough of them match.
    pub(super) fn hold(&self, question: &Question<'_>) -> bool {
        let mut each = self.all.iter().map(|segment| segment.holds(question));
        match self.operator {
            SegmentOperator::Or => each.any(|holds| holds),
            SegmentOperator::And => each.all(|holds| holds),
        }
    }
}

impl Segment {
    /// Compiles a segment; the notes tell of constraints that never hold.
    pub(super) fn compile(model: Arc<model::Segment>) -> (Self, Vec<String>) {
        let mut notes = Vec::new();
        let mut constraints = Vec::with_capacity(model.constraints.len());
        for constraint in &model.constraints {
            let kind = Kind::of(&constraint.kind);
            let (test, note) = Test::compile(kind, constraint);
            notes.extend(note);
            constraints.push(Constraint { kind, property: constraint.property.as_str().into(), test });
        }
        (Self { model, constraints: constraints.into() }, notes)
    }

    /// The segment's key.
    pub fn key(&self) -> &str {
        &self.model.key
    }

    /// The segment as it came.
    pub fn model(&self) -> &Arc<model::Segment> {
        &self.model
    }

    /// Whether the entity is in the segment. Everybody is in a segment without constraints.
    fn holds(&self, question: &Question<'_>) -> bool {
        let mut each = self.constraints.iter().map(|constraint| constraint.holds(question));
        match self.model.match_type {
            MatchType::All => each.all(|holds| holds),
            MatchType::Any => self.constraints.is_empty() || each.any(|holds| holds),
        }
    }
}

impl Constraint {
    fn holds(&self, question: &Question<'_>) -> bool {
        let value = match self.kind {
            Kind::Entity => Some(Attribute::text(question.entity)),
            _ => question.attributes.get(&self.property),
        };
        self.test.holds(value)
    }
}
