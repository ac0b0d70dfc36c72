//! Conditions in flagd's rules.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use unleash_types::client_features::{Constraint, Operator};

use super::Notes;

/// A condition, folded as far as it is known.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Cond {
    True,
    False,
    Rule(Value),
}

impl Cond {
    pub(super) fn not(self) -> Self {
        match self {
            Self::True => Self::False,
            Self::False => Self::True,
            Self::Rule(rule) => Self::Rule(json!({"!": [rule]})),
        }
    }
}

pub(super) fn all(conditions: impl IntoIterator<Item = Cond>) -> Cond {
    let mut rules = Vec::new();
    for condition in conditions {
        match condition {
            Cond::True => {}
            Cond::False => return Cond::False,
            Cond::Rule(rule) => rules.push(rule),
        }
    }
    joined(rules, "and", Cond::True)
}

pub(super) fn any(conditions: impl IntoIterator<Item = Cond>) -> Cond {
    let mut rules = Vec::new();
    for condition in conditions {
        match condition {
            Cond::False => {}
            Cond::True => return Cond::True,
            Cond::Rule(rule) => rules.push(rule),
        }
    }
    joined(rules, "or", Cond::False)
}

fn joined(mut rules: Vec<Value>, operator: &str, none: Cond) -> Cond {
    match rules.len() {
        0 => none,
        1 => rules.pop().map_or(none, Cond::Rule),
        _ => Cond::Rule(json!({ operator: rules })),
    }
}

/// The attribute as text, as Unleash compares it; without it the empty text.
pub(super) fn attribute(name: &str) -> Value {
    let value = match name {
        "userId" => json!({"or": [{"var": "userId"}, {"var": "targetingKey"}]}),
        name => json!({ "var": name }),
    };
    json!({"if": [{"===": [value, true]}, "true", {"===": [value, false]}, "false", {"cat": [value]}]})
}

/// What users are told apart by in a draw of `group`.
pub(super) fn bucket_by(group: &str, stickiness: &str) -> Value {
    let id = match stickiness {
        "default" | "random" => {
            json!({"or": [{"var": "userId"}, {"var": "targetingKey"}, {"var": "sessionId"}]})
        }
        name => attribute(name),
    };
    json!({"cat": [group, ":", id]})
}

/// Whether the attribute is one of `values`.
pub(super) fn among(name: &str, values: &[String], notes: &mut Notes) -> Cond {
    for value in values {
        notes.mention(name, value.as_str().into());
    }
    let values: Vec<&String> = values.iter().filter(|value| !value.is_empty()).collect();
    if values.is_empty() { Cond::False } else { Cond::Rule(json!({"in": [attribute(name), values]})) }
}

/// A constraint. One that cannot be said never holds, and the notes say why.
pub(super) fn cond(constraint: &Constraint, notes: &mut Notes) -> Cond {
    match plain(constraint, notes) {
        Ok(condition) if constraint.inverted => condition.not(),
        Ok(condition) => condition,
        Err(why) => {
            notes.unsupported(why);
            Cond::False
        }
    }
}

fn plain(constraint: &Constraint, notes: &mut Notes) -> Result<Cond, String> {
    let name = constraint.context_name.as_str();
    let values = constraint.values.as_deref().unwrap_or_default();
    let value = constraint.value.as_deref().unwrap_or_default();
    match &constraint.operator {
        Operator::In => Ok(among(name, values, notes)),
        Operator::NotIn => Ok(among(name, values, notes).not()),
        Operator::StrStartsWith | Operator::StrEndsWith | Operator::StrContains => {
            text(constraint, values, notes)
        }
        Operator::NumEq => number(name, "==", value, notes),
        Operator::NumGt => number(name, ">", value, notes),
        Operator::NumGte => number(name, ">=", value, notes),
        Operator::NumLt => number(name, "<", value, notes),
        Operator::NumLte => number(name, "<=", value, notes),
        Operator::SemverEq => Ok(version(name, "=", value, notes)),
        Operator::SemverGt => Ok(version(name, ">", value, notes)),
        Operator::SemverGte => Ok(version(name, ">=", value, notes)),
        Operator::SemverLt => Ok(version(name, "<", value, notes)),
        Operator::SemverLte => Ok(version(name, "<=", value, notes)),
        Operator::DateAfter => date(name, ">", value),
        Operator::DateBefore => date(name, "<", value),
        Operator::RegexMatch => Err(format!("a regular expression on `{name}`")),
        Operator::InCidr => Err(format!("a range of addresses on `{name}`")),
        Operator::Unknown(operator) => Err(format!("the operator {operator}")),
    }
}

fn text(constraint: &Constraint, values: &[String], notes: &mut Notes) -> Result<Cond, String> {
    let name = constraint.context_name.as_str();
    if constraint.case_insensitive {
        return Err(format!("text of any case on `{name}`"));
    }
    let one = |value: &String| {
        Cond::Rule(match constraint.operator {
            Operator::StrStartsWith => json!({"starts_with": [attribute(name), value]}),
            Operator::StrEndsWith => json!({"ends_with": [attribute(name), value]}),
            _ => json!({"in": [value, attribute(name)]}),
        })
    };
    for value in values {
        notes.mention(name, value.as_str().into());
    }
    let found = any(values.iter().map(one).collect::<Vec<_>>());
    // Of somebody without the attribute not even the empty text is a part.
    Ok(if values.iter().any(String::is_empty) { all([present(name), found]) } else { found })
}

fn present(name: &str) -> Cond {
    Cond::Rule(json!({"!=": [attribute(name), ""]}))
}

fn number(name: &str, operator: &str, value: &str, notes: &mut Notes) -> Result<Cond, String> {
    let number: f64 = value.trim().parse().map_err(|_| format!("{value:?} as a number"))?;
    for near in [number - 1.0, number, number + 1.0] {
        notes.mention(name, json!(near));
    }
    Ok(all([present(name), Cond::Rule(json!({ operator: [attribute(name), number] }))]))
}

fn version(name: &str, operator: &str, value: &str, notes: &mut Notes) -> Cond {
    for near in [value, "0.0.1", "999.0.0"] {
        notes.mention(name, near.into());
    }
    all([present(name), Cond::Rule(json!({"sem_ver": [attribute(name), operator, value]}))])
}

fn date(name: &str, operator: &str, value: &str) -> Result<Cond, String> {
    if name != "currentTime" {
        return Err(format!("a date in `{name}`"));
    }
    let date: DateTime<Utc> = value.parse().map_err(|_| format!("{value:?} as a date"))?;
    Ok(Cond::Rule(json!({ operator: [{"var": "$flagd.timestamp"}, date.timestamp()] })))
}
