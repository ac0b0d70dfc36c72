//! A backend as suites see it.

use std::future::Future;
use std::pin::Pin;

use kit::{Erased, Provider, Resolver};
use open_feature::EvaluationContext;

use crate::capability::Capability;

/// What the `async` parts of a suite return.
pub type Work<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Asks for a boolean without `await`, with a default.
pub type AtOnce = Box<dyn Fn(&str, bool, &EvaluationContext) -> bool + Send + Sync>;

/// A kind of provider with everything behind it.
#[derive(Clone, Copy)]
pub struct Backend {
    /// What reports call it.
    pub name: &'static str,
    /// What it cannot do, each with the reason.
    pub lacks: &'static [(Capability, &'static str)],
    /// Starts one with the [standard flags](crate::suites::flags).
    pub start: fn() -> Work<'static, Started>,
}

/// A running backend and its provider. Everything stops when it is dropped.
pub struct Started {
    /// The provider, not yet registered.
    pub provider: Provider<Erased>,
    /// The way round the SDK, if there is one.
    pub at_once: Option<AtOnce>,
    /// What the suite can do to it.
    pub control: Box<dyn Control>,
}

/// What a suite does to a backend. A backend that lacks the capability is not asked.
pub trait Control: Send + Sync {
    /// Sets the flag `toggle`.
    fn toggle(&mut self, on: bool) {
        panic!("this backend cannot set `toggle` to {on}");
    }

    /// Takes the backend away, or brings it back.
    fn away(&mut self, away: bool) {
        panic!("this backend cannot be away: {away}");
    }
}

/// Of a backend that stays as it is.
#[derive(Debug)]
pub struct Fixed;

impl Control for Fixed {}

impl Started {
    /// Of a provider with nothing special about it.
    pub fn new<R: Resolver>(provider: Provider<R>, control: impl Control + 'static) -> Self {
        Self { provider: provider.erase(), at_once: None, control: Box::new(control) }
    }
}
