//! Asking a compiled flag (client specification 6.1.0): dependencies, then the first strategy that matches, then its variants.

use engine::{Bucket, Reason, Value, Watch};
use unleash_yggdrasil::state::EnrichedContext;
use unleash_yggdrasil::strategy_parsing::normalized_hash;

use super::{Choice, Draw, Kind, State, Strategy, Toggle};

/// The seed of the draws of variants.
const SEED: u32 = 86_028_157;

/// What Unleash says of a flag to somebody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision<'s> {
    /// Whether it is on.
    pub enabled: bool,
    /// The variant, if it is on and has any.
    pub variant: Option<Drawn<'s>>,
    /// Why.
    pub reason: Reason,
}

/// A variant that was drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drawn<'s> {
    /// Its name.
    pub name: &'s str,
    /// Its payload's type and text.
    pub payload: Option<(&'s str, &'s str)>,
    /// Its place among all variants of the flag.
    pub(crate) at: usize,
}

impl State {
    /// Decides for `toggle`.
    pub(crate) fn decide<'s>(
        &'s self,
        toggle: &'s Toggle,
        context: &EnrichedContext<'_>,
        watch: &mut Watch<'_>,
    ) -> Decision<'s> {
        let off = |reason| Decision { enabled: false, variant: None, reason };
        if !toggle.enabled {
            return off(Reason::Disabled);
        }
        if !self.dependencies_hold(toggle, context, watch) || toggle.broken {
            return off(Reason::Default);
        }
        let Some(matched) = toggle.matched(context, watch) else { return off(Reason::Default) };
        let draw = match matched {
            Some((_, strategy)) if !strategy.variants.variants.is_empty() => &strategy.variants,
            _ => &toggle.variants,
        };
        let drawn = draw.choose(context, watch);
        let split = drawn.as_ref().is_some_and(|(_, by_hash)| *by_hash);
        let reason = match matched {
            _ if split => Reason::Split,
            Some((_, strategy)) if strategy.kind == Kind::Share => Reason::Split,
            Some((0, strategy)) if strategy.kind == Kind::Everybody && toggle.is_alone() => Reason::Static,
            None if toggle.is_alone() => Reason::Static,
            _ => Reason::TargetingMatch,
        };
        Decision { enabled: true, variant: drawn.map(|(choice, _)| choice.drawn()), reason }
    }

    /// Whether each parent is as `toggle` wants it. A parent that has parents itself holds nothing.
    fn dependencies_hold(
        &self,
        toggle: &Toggle,
        context: &EnrichedContext<'_>,
        watch: &mut Watch<'_>,
    ) -> bool {
        toggle.dependencies.iter().enumerate().all(|(at, wanted)| {
            watch.enter(Some(at), "dependency");
            let holds = self.toggle(&wanted.feature).is_some_and(|parent| {
                parent.dependencies.is_empty() && {
                    let enabled = parent.is_on(context);
                    let variant = parent.variant_for_children(context);
                    let among = match (&wanted.variants, variant) {
                        (Some(names), Some(variant)) => {
                            names.is_empty() || names.iter().any(|name| **name == *variant.name)
                        }
                        _ => true,
                    };
                    among && enabled == wanted.enabled.unwrap_or(true)
                }
            });
            watch.leave(Some(Value::Bool(holds)));
            holds
        })
    }
}

impl Toggle {
    /// The first strategy that matches: `Some(None)` if there are none to match, `None` if none does.
    fn matched(
        &self,
        context: &EnrichedContext<'_>,
        watch: &mut Watch<'_>,
    ) -> Option<Option<(usize, &Strategy)>> {
        if self.strategies.is_empty() {
            return Some(None);
        }
        let found = self.strategies.iter().enumerate().find(|(at, strategy)| {
            watch.enter(Some(*at), strategy.name);
            let matches = (strategy.rule)(context);
            watch.leave(Some(Value::Bool(matches)));
            matches
        });
        found.map(Some)
    }

    /// Whether a parent is on; parents have no parents.
    fn is_on(&self, context: &EnrichedContext<'_>) -> bool {
        self.enabled && !self.broken && self.matched(context, &mut Watch::default()).is_some()
    }

    /// The variant that children look at: of the first strategy that matches, else of the flag, whether or not it is on.
    fn variant_for_children(&self, context: &EnrichedContext<'_>) -> Option<&Choice> {
        let watch = &mut Watch::default();
        let matched = if self.broken { None } else { self.matched(context, watch).flatten() };
        let draw = match matched {
            Some((_, strategy)) if !strategy.variants.variants.is_empty() => &strategy.variants,
            _ => &self.variants,
        };
        draw.choose(context, watch).map(|(choice, _)| choice)
    }

    /// Whether no other flag, and no override of a variant, has a say.
    fn is_alone(&self) -> bool {
        self.dependencies.is_empty() && self.choices().all(|choice| choice.overrides.is_empty())
    }
}

impl Choice {
    fn drawn(&self) -> Drawn<'_> {
        let payload = self.payload.as_ref();
        Drawn {
            name: &self.name,
            payload: payload.map(|payload| (payload.payload_type.as_str(), payload.value.as_str())),
            at: self.at,
        }
    }
}

impl Draw {
    /// A variant, and whether a hash or chance chose it among several.
    fn choose(&self, context: &EnrichedContext<'_>, watch: &mut Watch<'_>) -> Option<(&Choice, bool)> {
        let overridden = self.variants.iter().find(|choice| {
            choice.overrides.iter().any(|(name, values)| {
                attribute(context, name).is_some_and(|value| values.iter().any(|one| one == value))
            })
        });
        if let Some(choice) = overridden {
            watch.tell("override", super::shown(&choice.name));
            return Some((choice, false));
        }
        if self.total == 0 {
            return None;
        }
        let seed = match self.stickiness.as_deref() {
            None | Some("default") => context.user_id.or(context.session_id),
            Some(name) => attribute(context, name).filter(|_| name != "currentTime"),
        };
        let target = match seed {
            Some(seed) => normalized_hash(&self.group, seed, self.total, SEED).ok()?,
            None => chance(self.total),
        };
        let mut reached = 0;
        let found = self.variants.iter().find(|choice| {
            reached += choice.weight;
            reached >= target
        });
        if watch.watches() {
            self.explain(seed, target, found, watch);
        }
        let several = self.variants.iter().filter(|choice| choice.weight > 0).count() > 1;
        found.map(|choice| (choice, several))
    }

    fn explain(&self, seed: Option<&str>, target: u32, found: Option<&Choice>, watch: &mut Watch<'_>) {
        watch.enter(None, "variants");
        let key =
            seed.map_or_else(|| "(drawn by chance)".to_owned(), |seed| format!("{}:{seed}", self.group));
        let bucket = u64::from(target) - 1;
        watch.bucket(Bucket { key: &key, hash: target, bucket, total: u64::from(self.total) });
        watch.leave(found.map(|choice| super::shown(&choice.name)));
    }
}

/// A number from 1 to `total` by chance, for somebody of whom there is nothing to hash.
fn chance(total: u32) -> u32 {
    use std::hash::{BuildHasher, RandomState};
    // Each state has keys of its own, seeded by the system.
    let draw = RandomState::new().hash_one(total);
    u32::try_from(draw % u64::from(total)).unwrap_or(0) + 1
}

fn attribute<'c>(context: &'c EnrichedContext<'_>, name: &str) -> Option<&'c str> {
    match name {
        "userId" => context.user_id,
        "sessionId" => context.session_id,
        "environment" => context.environment,
        "appName" => context.app_name,
        "currentTime" => context.current_time,
        "remoteAddress" => context.remote_address,
        name => context.properties.as_ref().and_then(|properties| properties.get(name)),
    }
}
