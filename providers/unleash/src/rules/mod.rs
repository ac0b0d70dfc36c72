//! Unleash's own evaluation: its engine's compiled rules, asked strategy by strategy (client specification 6.1.0).
//!
//! ```text
//! ClientFeature --compile--> Toggle { strategies: rule + variants each, variants of the flag, dependencies }
//! State = all toggles of a document, since dependencies name other flags
//! Asker = an OpenFeature context as Unleash's      State::decide(toggle, asker) --> Decision
//! ```

pub(crate) mod asker;
mod compile;
mod decide;
mod flag;
mod natural;
pub(crate) mod translate;

use std::collections::HashMap;
use std::fmt;

use engine::Value;
use unleash_types::client_features::{ClientFeature, FeatureDependency, Payload};
use unleash_yggdrasil::strategy_parsing::RuleFragment;

pub use asker::Fixed;
pub(crate) use asker::rfc3339;
pub use decide::{Decision, Drawn};
pub use flag::{Counted, Parts, Settings, flag};
#[cfg(feature = "provider")]
pub(crate) use natural::value as payload_value;

/// All flags of a document, compiled.
#[derive(Debug, Default)]
pub struct State {
    toggles: HashMap<Box<str>, Toggle>,
}

/// A flag, compiled.
#[derive(Debug)]
pub(crate) struct Toggle {
    pub(crate) name: Box<str>,
    pub(crate) enabled: bool,
    /// Empty: on for everybody.
    pub(crate) strategies: Vec<Strategy>,
    /// A strategy that cannot be compiled keeps the flag off.
    pub(crate) broken: bool,
    /// The variants of the flag itself, which stand where a strategy has none.
    pub(crate) variants: Draw,
    pub(crate) dependencies: Vec<FeatureDependency>,
    /// Attributes beyond the well-known ones that the rules read, parents' included.
    pub(crate) reads: Vec<Box<str>>,
    /// Whether the rules read the time, parents' included.
    pub(crate) timely: bool,
    /// Whether the rules can come down to chance, parents' included.
    pub(crate) random: bool,
}

/// A strategy, compiled.
pub(crate) struct Strategy {
    pub(crate) name: &'static str,
    pub(crate) rule: RuleFragment,
    pub(crate) variants: Draw,
    pub(crate) kind: Kind,
}

/// What makes a strategy match.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Nothing: it matches everybody.
    Everybody,
    /// Constraints, segments or lists.
    Targeting,
    /// A share of the users.
    Share,
}

/// Variants to draw from.
#[derive(Debug, Default)]
pub(crate) struct Draw {
    pub(crate) variants: Vec<Choice>,
    pub(crate) group: Box<str>,
    pub(crate) stickiness: Option<Box<str>>,
    pub(crate) total: u32,
}

/// One variant to draw.
#[derive(Debug)]
pub(crate) struct Choice {
    pub(crate) name: Box<str>,
    pub(crate) weight: u32,
    pub(crate) payload: Option<Payload>,
    /// Attributes whose values get this variant whatever the draw.
    pub(crate) overrides: Vec<(Box<str>, Vec<String>)>,
    /// Its place among all variants of the flag.
    pub(crate) at: usize,
}

impl State {
    pub(crate) fn toggle(&self, name: &str) -> Option<&Toggle> {
        self.toggles.get(name)
    }
}

impl Toggle {
    /// A flag that is off.
    pub(crate) fn off(name: &str) -> Self {
        Self {
            name: name.into(),
            enabled: false,
            strategies: Vec::new(),
            broken: false,
            variants: Draw::default(),
            dependencies: Vec::new(),
            reads: Vec::new(),
            timely: false,
            random: false,
        }
    }

    /// All variants that the flag can draw, in the order of [`Choice::at`].
    pub(crate) fn choices(&self) -> impl Iterator<Item = &Choice> {
        let own = self.strategies.iter().flat_map(|strategy| &strategy.variants.variants);
        own.chain(&self.variants.variants)
    }
}

impl fmt::Debug for Strategy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Strategy").field("name", &self.name).field("kind", &self.kind).finish_non_exhaustive()
    }
}

/// Compiles all features of a document, with the segments that strategies name; gives warnings by flag.
pub fn state(
    features: &[ClientFeature],
    segments: &HashMap<i32, unleash_types::client_features::Segment>,
) -> (State, Vec<(String, String)>) {
    let mut warnings = Vec::new();
    let mut toggles: HashMap<Box<str>, Toggle> = HashMap::with_capacity(features.len());
    for feature in features {
        let mut warn = |what: String| warnings.push((feature.name.clone(), what));
        let toggle = compile::toggle(feature, segments, &mut warn);
        toggles.insert(toggle.name.clone(), toggle);
    }
    compile::inherit(&mut toggles);
    (State { toggles }, warnings)
}

/// A step's outcome in words.
pub(crate) fn shown(text: &str) -> Value<'_> {
    Value::Str(text)
}
