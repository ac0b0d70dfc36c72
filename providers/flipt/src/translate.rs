//! A flag in flagd's form, and how true that is (contract 1.4).
//!
//! Rules become nested `if`s. What is decided by a checksum becomes a `fractional`, which moves entities.

use std::collections::HashSet;

use engine::{Fidelity, Translation};
use serde_json::{Value, json};

use crate::mapping::Values;
use crate::model::{Constraint, MatchType, SegmentOperator};
use crate::rules::{Body, Flag, Segments, Variant, Variants, Whom, list};

/// How the translation goes so far.
#[derive(Default)]
struct Notes {
    approximate: Vec<String>,
    mentions: Vec<(String, Value)>,
}

/// The flag in flagd's form.
pub(crate) fn translate(flag: &Flag, values: Values) -> Translation {
    let mut notes = Notes::default();
    let (enabled, variants, default, targeting) = match flag.body() {
        Body::Boolean(rollouts) => {
            let name = |on: bool| if on { "true" } else { "false" };
            let mut branches = Vec::new();
            for rollout in rollouts {
                branches.push(match rollout.whom() {
                    Whom::Segments(segments) => notes.segments(segments),
                    Whom::Share(percentage) => notes.share(*percentage),
                });
                branches.push(name(rollout.value()).into());
            }
            let variants = [true, false].map(|on| (name(on).to_owned(), on.into())).to_vec();
            (true, variants, Some(name(flag.enabled()).to_owned()), branches)
        }
        Body::Variant(all) => {
            let value = |variant: &Variant| match (values, variant.attachment()) {
                (Values::Attachment, Some(attachment)) => attachment.clone(),
                _ => variant.key().into(),
            };
            let variants =
                all.all().iter().map(|variant| (variant.key().to_owned(), value(variant))).collect();
            let mut branches = Vec::new();
            for rule in all.rules() {
                branches.push(notes.segments(rule.segments()));
                branches.push(notes.outcome(rule.buckets(), all));
            }
            (flag.enabled(), variants, all.default().map(|variant| variant.key().to_owned()), branches)
        }
    };
    let mut seen = HashSet::new();
    notes.approximate.retain(|reason| seen.insert(reason.clone()));
    Translation {
        enabled,
        variants,
        default,
        targeting: (!targeting.is_empty()).then(|| json!({"if": targeting})),
        fidelity: if notes.approximate.is_empty() {
            Fidelity::Exact
        } else {
            Fidelity::Approximate(notes.approximate)
        },
        mentions: notes.mentions,
    }
}

impl Notes {
    fn doubt(&mut self, reason: &str) {
        self.approximate.push(reason.to_owned());
    }

    fn outcome(&mut self, buckets: &[(u32, usize)], variants: &Variants) -> Value {
        let key = |at: &usize| variants.all().get(*at).map_or("", Variant::key);
        match buckets {
            // The rule keeps the default variant.
            [] => Value::Null,
            [(_, only)] => key(only).into(),
            all => {
                self.doubt("flagd puts entities into other buckets of a distribution");
                let mut from = 0;
                let share = |(bound, at): &(u32, usize)| {
                    let weight = bound.saturating_sub(from);
                    from = *bound;
                    json!([key(at), weight])
                };
                json!({"fractional": all.iter().map(share).collect::<Vec<_>>()})
            }
        }
    }

    fn share(&mut self, percentage: f32) -> Value {
        // Whole percents are compared.
        let inside = f64::from(percentage).ceil().clamp(0.0, 100.0) as i64;
        match inside {
            0 => false.into(),
            100 => true.into(),
            inside => {
                self.doubt("flagd puts entities into other buckets of a threshold");
                json!({"==": [{"fractional": [["in", inside], ["out", 100 - inside]]}, "in"]})
            }
        }
    }

    fn segments(&mut self, segments: &Segments) -> Value {
        let each: Vec<Value> = segments
            .all()
            .iter()
            .map(|segment| {
                let constraints = &segment.model().constraints;
                if constraints.is_empty() {
                    return true.into();
                }
                let each: Vec<Value> =
                    constraints.iter().map(|constraint| self.constraint(constraint)).collect();
                match segment.model().match_type {
                    MatchType::All => json!({"and": each}),
                    MatchType::Any => json!({"or": each}),
                }
            })
            .collect();
        match segments.operator() {
            SegmentOperator::Or if each.is_empty() => false.into(),
            SegmentOperator::And if each.is_empty() => true.into(),
            SegmentOperator::Or => json!({"or": each}),
            SegmentOperator::And => json!({"and": each}),
        }
    }

    fn constraint(&mut self, constraint: &Constraint) -> Value {
        let kind = constraint.kind.strip_suffix("_COMPARISON_TYPE").unwrap_or(&constraint.kind);
        let kind = kind.strip_suffix("_CONSTRAINT").unwrap_or(kind);
        let property = if kind == "ENTITY_ID" { "targetingKey" } else { &constraint.property };
        if property.contains('.') {
            self.doubt("flagd reads a property with a dot in it as a path");
        }
        let left = json!({"var": property});
        // Text without anything in it is nothing, too.
        let there = json!({"and": [{"!==": [left, null]}, {"!==": [left, ""]}]});
        let value = constraint.value.as_str();
        let test = match (kind, constraint.operator.as_str()) {
            (_, "empty" | "notpresent") => return json!({"!": [there]}),
            (_, "notempty" | "present") => return there,
            ("STRING" | "ENTITY_ID", operator) => self.text(operator, property, &left, value),
            ("NUMBER", operator) => self.number(operator, property, &left, value),
            ("BOOLEAN", operator @ ("true" | "false")) => {
                let wanted = operator == "true";
                self.mention(property, wanted.into());
                let words = if wanted {
                    ["1", "t", "T", "TRUE", "true", "True"]
                } else {
                    ["0", "f", "F", "FALSE", "false", "False"]
                };
                json!({"or": [{"===": [left, wanted]}, {"===": [left, i64::from(wanted)]}, {"in": [left, words]}]})
            }
            ("DATETIME", _) => {
                self.doubt("flagd does not compare points in time in the context");
                false.into()
            }
            _ => false.into(),
        };
        json!({"and": [there, test]})
    }

    fn text(&mut self, operator: &str, property: &str, left: &Value, value: &str) -> Value {
        match operator {
            "eq" | "neq" => {
                self.mention(property, value.into());
                let equal = json!({"===": [left, value]});
                if operator == "eq" { equal } else { json!({"!": [equal]}) }
            }
            "isoneof" | "isnotoneof" => {
                let Some(members) = list::<String>(value) else { return false.into() };
                members.iter().take(10).for_each(|member| self.mention(property, member.as_str().into()));
                let inside = json!({"in": [left, members]});
                if operator == "isoneof" { inside } else { json!({"!": [inside]}) }
            }
            "contains" | "notcontains" => {
                self.mention(property, value.into());
                let inside = json!({"in": [value, left]});
                if operator == "contains" { inside } else { json!({"!": [inside]}) }
            }
            "prefix" | "suffix" => {
                self.mention(property, value.into());
                let operator = if operator == "prefix" { "starts_with" } else { "ends_with" };
                json!({operator: [left, value]})
            }
            _ => false.into(),
        }
    }

    fn number(&mut self, operator: &str, property: &str, left: &Value, value: &str) -> Value {
        let sign = match operator {
            "eq" => "==",
            "neq" => "!=",
            "lt" => "<",
            "lte" => "<=",
            "gt" => ">",
            "gte" => ">=",
            "isoneof" | "isnotoneof" => {
                let Some(members) = list::<f64>(value) else { return false.into() };
                let inside = json!({"in": [left, members]});
                return if operator == "isoneof" { inside } else { json!({"!": [inside]}) };
            }
            _ => return false.into(),
        };
        let Some(n) = engine::parse_float(value) else { return false.into() };
        let Some(n) = serde_json::Number::from_f64(n) else {
            self.doubt("JSON has no number without end, and no NaN");
            return false.into();
        };
        self.mention(property, Value::Number(n.clone()));
        json!({sign: [left, n]})
    }

    fn mention(&mut self, property: &str, value: Value) {
        if property != "targetingKey" && self.mentions.len() < 1000 {
            self.mentions.push((property.to_owned(), value));
        }
    }
}
