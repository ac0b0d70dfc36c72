//! From a feature as the server writes it to rules that can be asked.

use std::collections::HashMap;

use unleash_types::client_features::{
    ClientFeature, Constraint, Operator, Segment, Strategy as Written, StrategyVariant, Variant,
};
use unleash_yggdrasil::strategy_parsing::compile_rule;
use unleash_yggdrasil::strategy_upgrade::upgrade;

use super::{Choice, Draw, Kind, Strategy, Toggle};

/// Attributes that a context has under their own names, not among its properties.
pub(crate) const WELL_KNOWN: [&str; 6] =
    ["userId", "sessionId", "environment", "appName", "currentTime", "remoteAddress"];

/// The strategies that servers know, by name.
const STRATEGIES: [&str; 8] = [
    "default",
    "userWithId",
    "gradualRolloutUserId",
    "gradualRolloutSessionId",
    "gradualRolloutRandom",
    "flexibleRollout",
    "remoteAddress",
    "applicationHostname",
];

/// Compiles one feature. What cannot be compiled keeps it off, as in the vendor's engine, and is told to `warn`.
pub(super) fn toggle(
    feature: &ClientFeature,
    segments: &HashMap<i32, Segment>,
    warn: &mut dyn FnMut(String),
) -> Toggle {
    let written = feature.strategies.as_deref().unwrap_or_default();
    let mut reads = Reads::default();
    let mut at = 0;
    let mut strategies = Vec::with_capacity(written.len());
    let mut broken = false;
    for strategy in written {
        match one(strategy, &feature.name, segments, &mut at, warn) {
            Ok(strategy) => strategies.push(strategy),
            Err(why) => {
                warn(format!("strategy `{}`: {why}; the flag stays off", strategy.name));
                broken = true;
            }
        }
        reads.strategy(strategy, segments);
    }
    let own = feature.variants.as_deref().unwrap_or_default();
    own.iter().for_each(|variant| reads.variant(variant));
    let stickiness = own.first().and_then(|variant| variant.stickiness.as_deref());
    if !own.is_empty() {
        reads.stickiness(stickiness);
    }
    let choices = own.iter().map(of_flag);
    Toggle {
        name: feature.name.as_str().into(),
        enabled: feature.enabled,
        strategies,
        broken,
        variants: draw(choices, &feature.name, stickiness, &mut at, warn),
        dependencies: feature.dependencies.clone().unwrap_or_default(),
        reads: reads.properties,
        timely: reads.timely,
        random: reads.random,
    }
}

fn one(
    written: &Written,
    flag: &str,
    segments: &HashMap<i32, Segment>,
    at: &mut usize,
    warn: &mut dyn FnMut(String),
) -> Result<Strategy, String> {
    let known = STRATEGIES.into_iter().find(|name| *name == written.name);
    if known.is_none() {
        warn(format!("strategy `{}` is a custom one, which never matches here", written.name));
    }
    let unknown = written.segments.iter().flatten().find(|id| !segments.contains_key(*id));
    if let Some(id) = unknown {
        return Err(format!("segment {id} is not in the document"));
    }
    let text = upgrade(std::slice::from_ref(written), segments).map_err(|error| format!("{error:?}"))?;
    let rule = compile_rule(&text).map_err(|error| format!("its rule cannot be read: {error:?}"))?;
    let parameter =
        |name: &str| written.parameters.as_ref().and_then(|all| all.get(name)).map(String::as_str);
    let choices = written.variants.iter().flatten().map(of_strategy);
    let group = parameter("groupId").unwrap_or(flag);
    let variants = draw(choices, group, Some(parameter("stickiness").unwrap_or("default")), at, warn);
    Ok(Strategy { name: known.unwrap_or("custom"), rule, variants, kind: kind(written) })
}

/// What makes a strategy match, by its definition.
pub(crate) fn kind(written: &Written) -> Kind {
    let parameter =
        |name: &str| written.parameters.as_ref().and_then(|all| all.get(name)).map(String::as_str);
    let share = match written.name.as_str() {
        "flexibleRollout" => parameter("rollout"),
        "gradualRolloutUserId" | "gradualRolloutSessionId" | "gradualRolloutRandom" => {
            parameter("percentage")
        }
        _ => None,
    };
    let is_share = share.is_some_and(|share| !matches!(share.trim().parse(), Ok(0_u32 | 100..)));
    let lists = !matches!(
        written.name.as_str(),
        "default"
            | "flexibleRollout"
            | "gradualRolloutUserId"
            | "gradualRolloutSessionId"
            | "gradualRolloutRandom"
    );
    // A share of those without the sticky attribute is nobody, even at 100 %.
    let sticky = match written.name.as_str() {
        "flexibleRollout" => !matches!(parameter("stickiness").unwrap_or("default"), "default" | "random"),
        "gradualRolloutUserId" | "gradualRolloutSessionId" => true,
        _ => false,
    };
    let conditional = written.constraints.as_ref().is_some_and(|all| !all.is_empty())
        || written.segments.as_ref().is_some_and(|all| !all.is_empty());
    match (is_share, conditional || lists || sticky) {
        (true, _) => Kind::Share,
        (false, true) => Kind::Targeting,
        (false, false) if share.is_some_and(|share| share.trim() == "0") => Kind::Targeting,
        (false, false) => Kind::Everybody,
    }
}

fn of_strategy(written: &StrategyVariant) -> Choice {
    Choice {
        name: written.name.as_str().into(),
        weight: weight(written.weight),
        payload: written.payload.clone(),
        overrides: Vec::new(),
        at: 0,
    }
}

fn of_flag(written: &Variant) -> Choice {
    let overrides = written.overrides.iter().flatten();
    Choice {
        name: written.name.as_str().into(),
        weight: weight(written.weight),
        payload: written.payload.clone(),
        overrides: overrides.map(|over| (over.context_name.as_str().into(), over.values.clone())).collect(),
        at: 0,
    }
}

/// A negative weight is none.
fn weight(written: i32) -> u32 {
    u32::try_from(written).unwrap_or(0)
}

fn draw(
    choices: impl Iterator<Item = Choice>,
    group: &str,
    stickiness: Option<&str>,
    at: &mut usize,
    warn: &mut dyn FnMut(String),
) -> Draw {
    let mut variants: Vec<Choice> = choices.collect();
    for variant in &mut variants {
        variant.at = *at;
        *at += 1;
    }
    let total = variants.iter().try_fold(0_u32, |total, variant| total.checked_add(variant.weight));
    let total = total.unwrap_or(0);
    if total == 0 && !variants.is_empty() {
        warn("the weights of the variants come to nothing, so that only overrides choose one".to_owned());
    }
    Draw { variants, group: group.into(), stickiness: stickiness.map(Box::from), total }
}

/// What rules read of a context.
#[derive(Default)]
struct Reads {
    properties: Vec<Box<str>>,
    timely: bool,
    random: bool,
}

impl Reads {
    fn attribute(&mut self, name: &str) {
        if name == "currentTime" {
            self.timely = true;
        } else if !WELL_KNOWN.contains(&name) && !self.properties.iter().any(|known| **known == *name) {
            self.properties.push(name.into());
        }
    }

    fn stickiness(&mut self, stickiness: Option<&str>) {
        match stickiness.unwrap_or("default") {
            // Without a user or a session it is drawn each time.
            "default" | "random" => self.random = true,
            name => {
                self.attribute(name);
                self.random = true;
            }
        }
    }

    fn strategy(&mut self, strategy: &Written, segments: &HashMap<i32, Segment>) {
        let parameter =
            |name: &str| strategy.parameters.as_ref().and_then(|all| all.get(name)).map(String::as_str);
        match strategy.name.as_str() {
            "flexibleRollout" if kind(strategy) != Kind::Everybody => {
                self.stickiness(parameter("stickiness"))
            }
            "gradualRolloutRandom" => self.random = true,
            _ => {}
        }
        if strategy.variants.as_ref().is_some_and(|variants| variants.len() > 1) {
            self.stickiness(parameter("stickiness"));
        }
        let own = strategy.constraints.iter().flatten();
        let ids = strategy.segments.iter().flatten();
        let shared = ids.filter_map(|id| segments.get(id)).flat_map(|segment| &segment.constraints);
        own.chain(shared).for_each(|constraint| self.constraint(constraint));
    }

    fn constraint(&mut self, constraint: &Constraint) {
        self.attribute(&constraint.context_name);
        if matches!(constraint.operator, Operator::DateAfter | Operator::DateBefore)
            && constraint.context_name == "currentTime"
        {
            self.timely = true;
        }
    }

    fn variant(&mut self, variant: &Variant) {
        for over in variant.overrides.iter().flatten() {
            self.attribute(&over.context_name);
        }
    }
}

/// Gives every flag what its parents read.
pub(super) fn inherit(toggles: &mut HashMap<Box<str>, Toggle>) {
    let children: Vec<Box<str>> = toggles
        .values()
        .filter(|toggle| !toggle.dependencies.is_empty())
        .map(|toggle| toggle.name.clone())
        .collect();
    for child in children {
        let Some(dependencies) = toggles.get(&child).map(|toggle| toggle.dependencies.clone()) else {
            continue;
        };
        let (mut reads, mut timely, mut random) = (Vec::new(), false, false);
        for parent in dependencies.iter().filter_map(|parent| toggles.get(parent.feature.as_str())) {
            reads.extend(parent.reads.iter().cloned());
            timely |= parent.timely;
            random |= parent.random;
        }
        if let Some(toggle) = toggles.get_mut(&child) {
            reads.retain(|name| !toggle.reads.contains(name));
            toggle.reads.append(&mut reads);
            toggle.timely |= timely;
            toggle.random |= random;
        }
    }
}
