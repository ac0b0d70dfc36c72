//! A feature in flagd's form, and how true that is (contract 2.4).
//!
//! Segments become nested `if`s, single identities an `in` of the targeting key. What is decided by MD5 becomes a
//! `fractional`, which moves identities; patterns have no counterpart.

use engine::{Fidelity, Translation};
use serde_json::{Value, json};

use crate::model::Quantifier;
use crate::rules::{
    Condition, Environment, Feature, Outcome, Path, Property, Rule, Segment, State, condition_text,
};

/// How the translation goes so far.
struct Notes<'f> {
    environment: &'f Environment,
    approximate: Vec<String>,
    unsupported: Vec<String>,
    mentions: Vec<(String, Value)>,
}

/// The variants of a translation: equal outcomes are one.
struct Variants {
    /// Whether all that is told is on or off.
    switches: bool,
    named: Vec<(String, Value)>,
}

/// The feature in flagd's form.
pub(crate) fn translate(feature: &Feature) -> Translation {
    let outcomes = feature.outcomes();
    let value = |outcome: &Outcome<'_>| {
        outcome.choice.map_or_else(|| outcome.state.value(), |choice| choice.value()).clone()
    };
    let mut variants =
        Variants { switches: outcomes.iter().all(|outcome| value(outcome).is_null()), named: Vec::new() };
    let mut notes = Notes {
        environment: feature.environment(),
        approximate: Vec::new(),
        unsupported: Vec::new(),
        mentions: Vec::new(),
    };
    let somebody_on = outcomes.iter().any(|outcome| outcome.state.enabled());
    let somebody_off = outcomes.iter().any(|outcome| !outcome.state.enabled());
    if !variants.switches && somebody_on && somebody_off {
        notes.approximate.push("whom it is off for gets its value all the same".to_owned());
    }
    let default = variants.of(feature.state(), None);
    let mut branches = Vec::new();
    for (state, identifiers) in by_state(feature) {
        branches.push(json!({"in": [{"var": "targetingKey"}, identifiers]}));
        branches.push(notes.outcome(state, feature, &mut variants));
    }
    for other in feature.overrides() {
        branches.push(notes.segment(other.segment()));
        branches.push(notes.outcome(other.state(), feature, &mut variants));
    }
    let rest = notes.outcome(feature.state(), feature, &mut variants);
    let targeting = if branches.is_empty() && !feature.is_multivariate() {
        None
    } else {
        // Who is not identified gets what the environment says.
        branches.splice(0..0, [json!({"!": [{"var": "targetingKey"}]}), default.clone().into()]);
        branches.push(rest);
        Some(json!({"if": branches}))
    };
    let enabled = variants.switches || somebody_on;
    let (targeting, default) = if notes.unsupported.is_empty() {
        (targeting, default)
    } else {
        (None, if variants.switches { variants.switch(false) } else { default })
    };
    Translation {
        enabled,
        variants: variants.named,
        default: Some(default),
        targeting,
        fidelity: match (notes.unsupported.is_empty(), notes.approximate.is_empty()) {
            (true, true) => Fidelity::Exact,
            (true, false) => Fidelity::Approximate(once_each(notes.approximate)),
            (false, _) => Fidelity::Unsupported(once_each(notes.unsupported)),
        },
        mentions: notes.mentions,
    }
}

/// The identities with a state of their own, those with equal ones together.
fn by_state(feature: &Feature) -> Vec<(&State, Vec<&str>)> {
    let mut identities: Vec<(&str, &State)> = feature.identities().collect();
    identities.sort_unstable_by_key(|(identifier, _)| *identifier);
    let mut groups: Vec<(&State, Vec<&str>)> = Vec::new();
    for (identifier, state) in identities {
        let same = |(other, _): &&mut (&State, Vec<&str>)| {
            other.enabled() == state.enabled()
                && other.value() == state.value()
                && other.options().is_empty()
                && state.options().is_empty()
        };
        match groups.iter_mut().find(same) {
            Some((_, group)) => group.push(identifier),
            None => groups.push((state, vec![identifier])),
        }
    }
    groups
}

fn once_each(mut reasons: Vec<String>) -> Vec<String> {
    let mut seen = std::collections::HashSet::new();
    reasons.retain(|reason| seen.insert(reason.clone()));
    reasons
}

impl Variants {
    /// The name of the variant for a state, or for one of its multivariate values.
    fn of(&mut self, state: &State, choice: Option<&Value>) -> String {
        if self.switches {
            return self.switch(state.enabled());
        }
        let value = choice.unwrap_or_else(|| state.value());
        if let Some((name, _)) = self.named.iter().find(|(_, other)| other == value) {
            return name.clone();
        }
        let name =
            if self.named.is_empty() { "default".to_owned() } else { format!("value-{}", self.named.len()) };
        self.named.push((name.clone(), value.clone()));
        name
    }

    fn switch(&mut self, on: bool) -> String {
        if self.named.is_empty() {
            self.named = vec![("on".to_owned(), true.into()), ("off".to_owned(), false.into())];
        }
        (if on { "on" } else { "off" }).to_owned()
    }
}

impl Notes<'_> {
    /// What chooses among a state's values.
    fn outcome(&mut self, state: &State, feature: &Feature, variants: &mut Variants) -> Value {
        let rest = variants.of(state, None);
        if !feature.is_multivariate() || state.options().is_empty() {
            return rest.into();
        }
        let mut shares: Vec<(String, f64)> = state
            .options()
            .iter()
            .map(|choice| (variants.of(state, Some(choice.value())), choice.weight()))
            .collect();
        let left = 100.0 - shares.iter().map(|(_, weight)| weight).sum::<f64>();
        if let [(only, weight)] = shares.as_slice()
            && *weight >= 100.0
        {
            return only.clone().into();
        }
        self.approximate.push("flagd puts identities into other shares of a multivariate value".to_owned());
        shares.push((rest, left.max(0.0)));
        let weighed = shares.iter().map(|(name, weight)| json!([name, thousandths(*weight)]));
        json!({"fractional": weighed.collect::<Vec<_>>()})
    }

    fn segment(&mut self, segment: &Segment) -> Value {
        if segment.rules().is_empty() {
            return false.into();
        }
        let rules = segment.rules().iter().map(|rule| self.rule(rule, segment.id()));
        json!({"and": rules.collect::<Vec<_>>()})
    }

    fn rule(&mut self, rule: &Rule, segment: &str) -> Value {
        let conditions: Vec<Value> =
            rule.conditions.iter().map(|condition| self.condition(condition, segment)).collect();
        let rules: Vec<Value> = rule.rules.iter().map(|rule| self.rule(rule, segment)).collect();
        let under = |parts: Vec<Value>| match rule.quantifier {
            _ if parts.is_empty() => None,
            Quantifier::All => Some(json!({"and": parts})),
            Quantifier::Any => Some(json!({"or": parts})),
            Quantifier::None => Some(json!({"!": [{"or": parts}]})),
        };
        match (under(conditions), under(rules)) {
            (None, None) => true.into(),
            (Some(one), None) | (None, Some(one)) => one,
            (Some(one), Some(other)) => json!({"and": [one, other]}),
        }
    }

    /// The left side, and whether it is text that is known now.
    fn left(&mut self, property: &Property) -> Value {
        match property {
            Property::Identity => {
                json!({"cat": [format!("{}_", self.environment.key()), {"var": "targetingKey"}]})
            }
            Property::Trait(name) => self.attribute(name),
            Property::Path(name, path) => match path {
                Path::EnvironmentKey => self.environment.key().into(),
                Path::EnvironmentName => self.environment.name().into(),
                Path::Identifier => json!({"var": "targetingKey"}),
                Path::IdentityKey => {
                    json!({"cat": [format!("{}_", self.environment.key()), {"var": "targetingKey"}]})
                }
                Path::Trait(name) => self.attribute(name),
                Path::Nothing => self.attribute(name),
            },
        }
    }

    fn attribute(&mut self, name: &str) -> Value {
        if name.contains('.') {
            self.approximate.push(format!("flagd reads {name:?} as a path"));
        }
        json!({"var": name})
    }

    fn condition(&mut self, condition: &Condition, segment: &str) -> Value {
        let left = self.left(&condition.property);
        let text = condition_text(&condition.value);
        let there = || json!({"!=": [left, null]});
        if let Some(version) = text.strip_suffix(":semver")
            && let Some(sign) = sign(&condition.operator)
        {
            self.mention(condition, version.into());
            return json!({"and": [there(), {"sem_ver": [left, sign, version]}]});
        }
        match &*condition.operator {
            "EQUAL" => self.equal(condition, &left, &text),
            "NOT_EQUAL" => {
                let equal = self.equal(condition, &left, &text);
                json!({"and": [there(), {"!": [equal]}]})
            }
            operator @ ("GREATER_THAN" | "GREATER_THAN_INCLUSIVE" | "LESS_THAN" | "LESS_THAN_INCLUSIVE") => {
                let right = number(&text).unwrap_or_else(|| text.clone().into());
                self.mention(condition, right.clone());
                json!({"and": [there(), {sign(operator).unwrap_or("<"): [left, right]}]})
            }
            "CONTAINS" => {
                self.mention(condition, text.clone().into());
                json!({"and": [there(), {"in": [text, left]}]})
            }
            "NOT_CONTAINS" => {
                self.mention(condition, text.clone().into());
                json!({"and": [there(), {"!": [{"in": [text, left]}]}]})
            }
            "IN" => self.within(condition, &left, &text),
            "IS_SET" => there(),
            "IS_NOT_SET" => json!({"==": [left, null]}),
            "PERCENTAGE_SPLIT" => {
                self.approximate
                    .push("flagd puts identities into other shares of a percentage split".to_owned());
                let inside = thousandths(text.trim().parse().unwrap_or(0.0));
                let shares = json!({"fractional": [{"cat": [segment, left]}, ["in", inside], ["out", 100_000 - inside]]});
                json!({"and": [there(), {"==": [shares, "in"]}]})
            }
            "MODULO" => {
                self.approximate.push("flagd's modulo of negative numbers and fractions differs".to_owned());
                let parts = text.split_once('|').and_then(|(d, r)| Some((number(d)?, number(r)?)));
                let Some((divisor, rest)) = parts else { return false.into() };
                json!({"and": [there(), {"==": [{"%": [left, divisor]}, rest]}]})
            }
            "REGEX" => {
                self.unsupported.push("flagd has no patterns".to_owned());
                false.into()
            }
            _ => false.into(),
        }
    }

    fn equal(&mut self, condition: &Condition, left: &Value, text: &str) -> Value {
        self.mention(condition, number(text).unwrap_or_else(|| text.into()));
        match text {
            "true" | "True" => json!({"or": [{"===": [left, true]}, {"===": [left, text]}]}),
            "false" | "False" => json!({"or": [{"===": [left, false]}, {"===": [left, text]}]}),
            _ => match number(text) {
                Some(n) => json!({"or": [{"===": [left, n]}, {"===": [left, text]}]}),
                None => json!({"===": [left, text]}),
            },
        }
    }

    fn within(&mut self, condition: &Condition, left: &Value, text: &str) -> Value {
        let listed = condition.value.as_array().cloned();
        let listed = listed.or_else(|| serde_json::from_str(text).ok().filter(|_| text.starts_with('[')));
        let listed = listed.unwrap_or_else(|| text.split(',').map(Value::from).collect());
        let mut members = Vec::new();
        for member in &listed {
            let text = condition_text(member);
            members.extend(number(&text).filter(serde_json::Value::is_i64));
            members.push(text.into());
        }
        members.first().cloned().into_iter().for_each(|first| self.mention(condition, first));
        json!({"in": [left, members]})
    }

    /// Remembers what an attribute is compared with.
    fn mention(&mut self, condition: &Condition, value: Value) {
        let name = match &condition.property {
            Property::Trait(name) | Property::Path(_, Path::Trait(name)) => name,
            Property::Identity | Property::Path(..) => return,
        };
        if self.mentions.len() < 1000 {
            self.mentions.push((name.to_string(), value));
        }
    }
}

/// The comparison's sign, which `sem_ver` takes as well.
fn sign(operator: &str) -> Option<&'static str> {
    Some(match operator {
        "EQUAL" => "=",
        "NOT_EQUAL" => "!=",
        "GREATER_THAN" => ">",
        "GREATER_THAN_INCLUSIVE" => ">=",
        "LESS_THAN" => "<",
        "LESS_THAN_INCLUSIVE" => "<=",
        _ => return None,
    })
}

fn number(text: &str) -> Option<Value> {
    let n: f64 = text.trim().parse().ok()?;
    let whole = n.fract() == 0.0 && n.abs() < 9e15;
    if whole { Some((n as i64).into()) } else { serde_json::Number::from_f64(n).map(Value::Number) }
}

/// A percentage as a weight.
fn thousandths(percentage: f64) -> i64 {
    (percentage.clamp(0.0, 100.0) * 1000.0).round() as i64
}
