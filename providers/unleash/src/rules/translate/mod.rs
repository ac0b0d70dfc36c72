//! A flag in flagd's form, and how true that is.
//!
//! Constraints, segments, lists and dependencies can be said exactly. A share of the users cannot: Unleash hashes otherwise than
//! `fractional`, so that other users are in it. Some comparisons cannot be said at all; a strategy with one of these never
//! matches in the translation.

mod constraint;

use std::collections::HashMap;

use engine::{Fidelity, Translation, Variant};
use serde_json::{Value, json};
use unleash_types::client_features::{ClientFeature, Segment, Strategy};

use constraint::{Cond, all, any, attribute, bucket_by};

/// What came up while a flag was translated.
#[derive(Default)]
pub(super) struct Notes {
    approximate: Vec<String>,
    unsupported: Vec<String>,
    mentions: Vec<(String, Value)>,
}

/// The most pairs that are remembered for simulating users.
const MOST_MENTIONS: usize = 200;

impl Notes {
    fn approximate(&mut self, why: String) {
        if !self.approximate.contains(&why) {
            self.approximate.push(why);
        }
    }

    pub(super) fn unsupported(&mut self, why: String) {
        if !self.unsupported.contains(&why) {
            self.unsupported.push(why);
        }
    }

    pub(super) fn mention(&mut self, name: &str, value: Value) {
        if self.mentions.len() < MOST_MENTIONS {
            self.mentions.push((name.to_owned(), value));
        }
    }
}

struct Translator<'t> {
    segments: &'t HashMap<i32, Segment>,
    features: &'t HashMap<&'t str, &'t ClientFeature>,
    notes: Notes,
}

/// Translates `feature`; `shown` are its variants as they are told.
pub(crate) fn translation(
    feature: &ClientFeature,
    segments: &HashMap<i32, Segment>,
    features: &HashMap<&str, &ClientFeature>,
    shown: &[Variant],
) -> Translation {
    let mut translator = Translator { segments, features, notes: Notes::default() };
    let draws = |strategy: &Strategy| strategy.variants.as_ref().is_some_and(|all| !all.is_empty());
    let has_values = feature.variants.as_ref().is_some_and(|all| !all.is_empty())
        || feature.strategies.iter().flatten().any(draws);
    let (default, targeting) =
        if has_values { (None, translator.values(feature, shown)) } else { translator.truth(feature) };
    let Notes { approximate, mut unsupported, mentions } = translator.notes;
    let fidelity = if !unsupported.is_empty() {
        unsupported.extend(approximate);
        Fidelity::Unsupported(unsupported)
    } else if !approximate.is_empty() {
        Fidelity::Approximate(approximate)
    } else {
        Fidelity::Exact
    };
    let variants = shown.iter().map(|variant| (variant.name().to_owned(), variant.value().clone()));
    Translation { enabled: true, variants: variants.collect(), default, targeting, fidelity, mentions }
}

impl Translator<'_> {
    /// A flag without variants: on or off, since off is an answer in Unleash.
    fn truth(&mut self, feature: &ClientFeature) -> (Option<String>, Option<Value>) {
        match self.on(feature) {
            Cond::True => (Some("on".to_owned()), None),
            Cond::False => (Some("off".to_owned()), None),
            Cond::Rule(rule) => (Some("off".to_owned()), Some(json!({"if": [rule, "on", "off"]}))),
        }
    }

    /// A flag with variants: the first strategy that matches decides among which.
    fn values(&mut self, feature: &ClientFeature, shown: &[Variant]) -> Option<Value> {
        let depends = self.depends(feature);
        let mut arms = Vec::new();
        let mut rest = Value::Null;
        if feature.enabled && depends != Cond::False {
            let strategies = feature.strategies.as_deref().unwrap_or_default();
            if strategies.is_empty() {
                rest = self.of_flag(feature);
            }
            for strategy in strategies {
                let condition = self.strategy(strategy, &feature.name);
                let drawn = if strategy.variants.as_ref().is_some_and(|all| !all.is_empty()) {
                    self.of_strategy(strategy, &feature.name)
                } else {
                    self.of_flag(feature)
                };
                match condition {
                    Cond::False => {}
                    Cond::True => {
                        rest = drawn;
                        break;
                    }
                    Cond::Rule(rule) => arms.extend([rule, drawn]),
                }
            }
        }
        self.check_payloads(feature, shown);
        let chosen = if arms.is_empty() {
            rest
        } else {
            arms.push(rest);
            json!({ "if": arms })
        };
        let chosen = match depends {
            Cond::Rule(rule) => json!({"if": [rule, chosen, null]}),
            Cond::True | Cond::False => chosen,
        };
        // A rule that is a bare name chooses it for everybody.
        Some(match chosen {
            Value::String(name) => json!({"if": [true, name]}),
            Value::Null => json!({"if": [false, ""]}),
            rule => rule,
        })
    }

    fn check_payloads(&mut self, feature: &ClientFeature, shown: &[Variant]) {
        let of_strategies = feature.strategies.iter().flatten().flat_map(|one| one.variants.iter().flatten());
        let all = of_strategies.map(|variant| (&variant.name, variant.payload.as_ref()));
        let own = feature.variants.iter().flatten();
        for (name, payload) in all.chain(own.map(|variant| (&variant.name, variant.payload.as_ref()))) {
            let value = super::natural::value(payload, name);
            let same = shown.iter().any(|one| one.name() == name && Some(one.value()) == value.as_ref());
            if !same {
                self.notes.approximate(format!(
                    "variant `{name}` has another payload elsewhere, or one that cannot be read"
                ));
            }
        }
    }

    /// Whether a flag is on.
    fn on(&mut self, feature: &ClientFeature) -> Cond {
        if !feature.enabled {
            return Cond::False;
        }
        let depends = self.depends(feature);
        let strategies = feature.strategies.as_deref().unwrap_or_default();
        let matches = if strategies.is_empty() {
            Cond::True
        } else {
            any(strategies.iter().map(|strategy| self.strategy(strategy, &feature.name)).collect::<Vec<_>>())
        };
        all([depends, matches])
    }

    fn depends(&mut self, feature: &ClientFeature) -> Cond {
        let mut conditions = Vec::new();
        for wanted in feature.dependencies.iter().flatten() {
            let parent = self.features.get(wanted.feature.as_str()).copied();
            let parent =
                parent.filter(|parent| parent.dependencies.as_ref().is_none_or(|all| all.is_empty()));
            let Some(parent) = parent else { return Cond::False };
            if wanted.variants.as_ref().is_some_and(|names| !names.is_empty()) {
                self.notes.unsupported(format!("depends on a variant of `{}`", parent.name));
                return Cond::False;
            }
            let on = self.on(parent);
            conditions.push(if wanted.enabled.unwrap_or(true) { on } else { on.not() });
        }
        all(conditions)
    }

    fn strategy(&mut self, strategy: &Strategy, flag: &str) -> Cond {
        let mut conditions = vec![self.activation(strategy, flag)];
        let segments = self.segments;
        for id in strategy.segments.iter().flatten() {
            match segments.get(id) {
                Some(segment) => {
                    conditions
                        .extend(segment.constraints.iter().map(|one| constraint::cond(one, &mut self.notes)));
                }
                None => return Cond::False,
            }
        }
        let own = strategy.constraints.iter().flatten();
        conditions.extend(own.map(|one| constraint::cond(one, &mut self.notes)));
        all(conditions)
    }

    fn activation(&mut self, strategy: &Strategy, flag: &str) -> Cond {
        let parameter =
            |name: &str| strategy.parameters.as_ref().and_then(|all| all.get(name)).map(String::as_str);
        let listed = |name: &str| -> Vec<String> {
            let parts = parameter(name).unwrap_or_default().split(',').map(str::trim);
            parts.filter(|part| !part.is_empty()).map(str::to_owned).collect()
        };
        match strategy.name.as_str() {
            "default" => Cond::True,
            "userWithId" => constraint::among("userId", &listed("userIds"), &mut self.notes),
            "flexibleRollout" => {
                let stickiness = parameter("stickiness").unwrap_or("default");
                self.share(parameter("rollout"), parameter("groupId").unwrap_or(flag), stickiness)
            }
            "gradualRolloutUserId" => {
                self.share(parameter("percentage"), parameter("groupId").unwrap_or(""), "userId")
            }
            "gradualRolloutSessionId" => {
                self.share(parameter("percentage"), parameter("groupId").unwrap_or(""), "sessionId")
            }
            "gradualRolloutRandom" => self.share(parameter("percentage"), flag, "random"),
            "remoteAddress" => {
                let addresses = listed("IPs");
                if addresses.iter().any(|address| address.contains('/')) {
                    self.notes.unsupported("ranges of addresses".to_owned());
                    return Cond::False;
                }
                constraint::among("remoteAddress", &addresses, &mut self.notes)
            }
            // The host's name is not known to the daemon either, and custom strategies never match there.
            _ => Cond::False,
        }
    }

    /// A share of the users, in percent.
    fn share(&mut self, percent: Option<&str>, group: &str, stickiness: &str) -> Cond {
        let Ok(percent) = percent.unwrap_or_default().trim().parse::<u32>() else { return Cond::False };
        let sticky = match stickiness {
            "default" | "random" => Cond::True,
            name => Cond::Rule(json!({"!=": [attribute(name), ""]})),
        };
        match percent {
            0 => Cond::False,
            1..=99 => {
                self.notes.approximate(format!("{percent} % of the users, but others"));
                let drawn = json!({"fractional": [bucket_by(group, stickiness), ["in", percent], ["out", 100 - percent]]});
                all([sticky, Cond::Rule(json!({"==": [drawn, "in"]}))])
            }
            _ => sticky,
        }
    }

    fn of_strategy(&mut self, strategy: &Strategy, flag: &str) -> Value {
        let parameter =
            |name: &str| strategy.parameters.as_ref().and_then(|all| all.get(name)).map(String::as_str);
        let weights: Vec<_> =
            strategy.variants.iter().flatten().map(|one| (one.name.as_str(), one.weight)).collect();
        let group = parameter("groupId").unwrap_or(flag);
        self.draw(&weights, group, parameter("stickiness").unwrap_or("default"))
    }

    fn of_flag(&mut self, feature: &ClientFeature) -> Value {
        let own = feature.variants.as_deref().unwrap_or_default();
        let weights: Vec<_> = own.iter().map(|one| (one.name.as_str(), one.weight)).collect();
        let stickiness = own.first().and_then(|one| one.stickiness.as_deref()).unwrap_or("default");
        let drawn = self.draw(&weights, &feature.name, stickiness);
        let mut arms = Vec::new();
        for (variant, over) in
            own.iter().flat_map(|one| one.overrides.iter().flatten().map(move |over| (one, over)))
        {
            if let Cond::Rule(rule) = constraint::among(&over.context_name, &over.values, &mut self.notes) {
                arms.extend([rule, variant.name.as_str().into()]);
            }
        }
        if arms.is_empty() {
            return drawn;
        }
        arms.push(drawn);
        json!({ "if": arms })
    }

    fn draw(&mut self, weights: &[(&str, i32)], group: &str, stickiness: &str) -> Value {
        let drawn: Vec<_> = weights.iter().filter(|(_, weight)| *weight > 0).collect();
        match drawn.as_slice() {
            [] => Value::Null,
            [(name, _)] => (*name).into(),
            several => {
                self.notes.approximate("variants by weight, but for other users".to_owned());
                let mut arguments = vec![bucket_by(group, stickiness)];
                arguments.extend(several.iter().map(|(name, weight)| json!([name, weight])));
                json!({ "fractional": arguments })
            }
        }
    }
}
