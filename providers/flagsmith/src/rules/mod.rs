//! Flagsmith's own evaluation, bucket for bucket as its server does it (2.265, engine 10.2), with no I/O.
//!
//! ```text
//! Document --compile--> Feature: the environment's State
//!                                segment overrides, the strongest first, each with its Segment's rules
//!                                identity overrides by identifier
//!          Feature::decide(Identity) -> Decision: identity, else the first segment that matches, else the environment;
//!                                       then a multivariate value by MD5
//! ```

mod compile;
mod condition;
mod hash;
mod identity;
mod property;
mod python;
mod segment;

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use serde_json::Value;

pub use compile::{Compiled, Finding, compile};
pub(crate) use condition::{Condition, plain as condition_text};
pub use identity::{Identity, Trait, Traits};
pub(crate) use property::{Path, Property};
pub(crate) use segment::Rule;
pub use segment::Segment;

/// What the features of a document share.
#[derive(Debug, Default)]
pub struct Environment {
    key: Box<str>,
    name: Box<str>,
    hides_disabled: bool,
}

/// A feature, ready to be decided.
#[derive(Debug)]
pub struct Feature {
    environment: Arc<Environment>,
    id: i64,
    name: Box<str>,
    multivariate: bool,
    server_key_only: bool,
    version: Box<str>,
    state: State,
    /// The strongest first.
    overrides: Box<[Override]>,
    identities: HashMap<Box<str>, State>,
}

/// What a feature is for a segment.
#[derive(Debug)]
pub struct Override {
    segment: Arc<Segment>,
    state: State,
}

/// What a feature is, for those whom the state is for.
#[derive(Debug)]
pub struct State {
    /// What is hashed with the identity's key.
    seed: Box<str>,
    enabled: bool,
    value: Value,
    /// In the order in which their shares are laid end to end.
    options: Box<[Choice]>,
    outcome: usize,
}

/// A multivariate value.
#[derive(Debug)]
pub struct Choice {
    key: Option<Box<str>>,
    id: Option<i64>,
    value: Value,
    weight: f64,
    outcome: usize,
}

/// One of the things that a feature can be.
#[derive(Clone, Copy, Debug)]
pub struct Outcome<'f> {
    /// The state.
    pub state: &'f State,
    /// Whose state that is. Of identities it says just that.
    pub cause: Cause<'f>,
    /// The multivariate value; `None` is the state's own.
    pub choice: Option<&'f Choice>,
}

/// What a feature is for somebody.
#[derive(Clone, Copy, Debug)]
pub struct Decision<'f> {
    /// The state that decided.
    pub state: &'f State,
    /// Why that one.
    pub cause: Cause<'f>,
    /// How the identity fell among multivariate values; `None` without an identity or without such values.
    pub split: Option<Split<'f>>,
}

/// Which of a feature's states decided.
#[derive(Clone, Copy, Debug)]
pub enum Cause<'f> {
    /// The environment's, and there is no other for anybody.
    Static,
    /// The environment's, because no other fits.
    Environment,
    /// That of a segment.
    Segment(&'f Segment),
    /// The identity's own.
    Identity,
}

/// Where an identity fell.
#[derive(Clone, Copy, Debug)]
pub struct Split<'f> {
    /// Between 0 and 100.
    pub percentage: f64,
    /// The value whose share that is; `None` for the rest, which keeps the state's own value.
    pub choice: Option<&'f Choice>,
}

impl Environment {
    /// The environment's client-side key.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The environment's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The key of an identity, as it is hashed.
    fn key_of<'k>(&'k self, identifier: &'k str) -> IdentityKey<'k> {
        IdentityKey { environment: &self.key, identifier }
    }
}

/// `<environment>_<identifier>`, not put together.
struct IdentityKey<'k> {
    environment: &'k str,
    identifier: &'k str,
}

impl fmt::Display for IdentityKey<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.environment)?;
        f.write_str("_")?;
        f.write_str(self.identifier)
    }
}

impl Feature {
    /// The flag's key.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The feature's number.
    pub fn id(&self) -> i64 {
        self.id
    }

    /// The environment the feature is in.
    pub fn environment(&self) -> &Environment {
        &self.environment
    }

    /// Whether identities may get different values by share.
    pub fn is_multivariate(&self) -> bool {
        self.multivariate
    }

    /// Whether clients must not see the feature.
    pub fn is_server_key_only(&self) -> bool {
        self.server_key_only
    }

    /// The environment's state.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// What segments get, the strongest first.
    pub fn overrides(&self) -> &[Override] {
        &self.overrides
    }

    /// What single identities get, in no order.
    pub fn identities(&self) -> impl Iterator<Item = (&str, &State)> {
        self.identities.iter().map(|(identifier, state)| (&**identifier, state))
    }

    /// What tells versions of the feature apart, with all that it depends on.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Everything the feature can be, by [`Decision::outcome`].
    pub fn outcomes(&self) -> Vec<Outcome<'_>> {
        let segments = self.overrides.iter().map(|other| (&other.state, Cause::Segment(&other.segment)));
        let identities = self.identities.values().map(|state| (state, Cause::Identity));
        let states = [(&self.state, Cause::Environment)].into_iter().chain(segments).chain(identities);
        let mut outcomes: Vec<(usize, Outcome<'_>)> = states
            .flat_map(|(state, cause)| {
                let own = (state.outcome, Outcome { state, cause, choice: None });
                let choices = state.options.iter();
                let choices = choices
                    .map(move |choice| (choice.outcome, Outcome { state, cause, choice: Some(choice) }));
                [own].into_iter().chain(choices)
            })
            .collect();
        outcomes.sort_by_key(|(at, _)| *at);
        outcomes.into_iter().map(|(_, outcome)| outcome).collect()
    }

    /// Numbers everything the feature can be.
    fn number_outcomes(&mut self) {
        let segments = self.overrides.iter_mut().map(|other| &mut other.state);
        let states = [&mut self.state].into_iter().chain(segments).chain(self.identities.values_mut());
        let mut next = 0..;
        for state in states {
            state.outcome = next.next().unwrap_or_default();
            for choice in &mut state.options {
                choice.outcome = next.next().unwrap_or_default();
            }
        }
    }

    /// Whether everybody gets the same.
    pub fn is_static(&self) -> bool {
        self.overrides.is_empty() && self.identities.is_empty() && !self.multivariate
    }

    /// Whether nobody may see the feature: it is off for everybody, and the environment hides what is off.
    pub fn is_hidden(&self) -> bool {
        self.environment.hides_disabled && self.outcomes().iter().all(|outcome| !outcome.state.enabled)
    }

    /// Decides for `identity`; without one, what the environment says stands and segments are not looked at.
    pub fn decide<'f>(&'f self, identity: Option<&Identity<'_>>) -> Decision<'f> {
        let otherwise = if self.is_static() { Cause::Static } else { Cause::Environment };
        let Some(identity) = identity else {
            return Decision { state: &self.state, cause: otherwise, split: None };
        };
        let own = || self.identities.get(identity.identifier).map(|state| (state, Cause::Identity));
        let segment = || {
            let matching = |other: &&Override| other.segment.holds(&self.environment, identity);
            self.overrides.iter().find(matching).map(|other| (&other.state, Cause::Segment(&other.segment)))
        };
        let (state, cause) = own().or_else(segment).unwrap_or((&self.state, otherwise));
        let split = self.multivariate.then(|| state.split(&self.environment.key_of(identity.identifier)));
        Decision { state, cause, split }
    }
}

impl Override {
    /// Whose override it is.
    pub fn segment(&self) -> &Segment {
        &self.segment
    }

    /// What they get.
    pub fn state(&self) -> &State {
        &self.state
    }
}

impl State {
    /// Whether the feature is on.
    pub fn enabled(&self) -> bool {
        self.enabled
    }

    /// The value, multivariate ones aside.
    pub fn value(&self) -> &Value {
        &self.value
    }

    /// The multivariate values, in the order of their shares.
    pub fn options(&self) -> &[Choice] {
        &self.options
    }

    fn split(&self, key: &IdentityKey<'_>) -> Split<'_> {
        let percentage = hash::percentage(&self.seed, key);
        let mut start = 0.0;
        let choice = self.options.iter().find(|choice| {
            let limit = choice.weight + start;
            let inside = start <= percentage && percentage < limit;
            start = limit;
            inside
        });
        Split { percentage, choice }
    }
}

impl Choice {
    /// The variant's name, if it was given one.
    pub fn key(&self) -> Option<&str> {
        self.key.as_deref()
    }

    /// The option's number.
    pub fn id(&self) -> Option<i64> {
        self.id
    }

    /// The value.
    pub fn value(&self) -> &Value {
        &self.value
    }

    /// The share, in percent.
    pub fn weight(&self) -> f64 {
        self.weight
    }
}

impl<'f> Decision<'f> {
    /// Whether the feature is on.
    pub fn enabled(&self) -> bool {
        self.state.enabled
    }

    /// The value: that of the share the identity fell into, or the state's.
    pub fn value(&self) -> &'f Value {
        match self.split {
            Some(Split { choice: Some(choice), .. }) => &choice.value,
            _ => &self.state.value,
        }
    }

    /// Which of [`Feature::outcomes`] it is.
    pub fn outcome(&self) -> usize {
        match self.split {
            Some(Split { choice: Some(choice), .. }) => choice.outcome,
            _ => self.state.outcome,
        }
    }

    /// The variant, as the server names it: `None` for a feature without multivariate values, without an identity, and
    /// for a multivariate value that was given no name.
    pub fn variant(&self) -> Option<&'f str> {
        match self.split? {
            Split { choice: Some(choice), .. } => choice.key(),
            Split { choice: None, .. } => Some(CONTROL),
        }
    }
}

/// The variant of who falls into no share.
pub const CONTROL: &str = "control";
