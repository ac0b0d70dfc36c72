//! Compiled rules: a typed tree and the exhaustive `run` over it.

pub(crate) mod fractional;

use bumpalo::Bump;

use crate::context::Context;
use crate::value::Value;
use crate::witness::Witness;

/// A compiled rule.
#[derive(Debug)]
pub(crate) enum Rule {}

/// A rule could not be evaluated.
#[derive(Debug)]
pub(crate) struct Failed;

/// What a running rule can see.
#[derive(Debug)]
pub(crate) struct Scope<'a> {
    pub(crate) context: &'a Context<'a>,
    pub(crate) flag_key: &'a str,
    pub(crate) now: u64,
    pub(crate) bump: &'a Bump,
}

impl<'a> Scope<'a> {
    pub(crate) fn new(context: &'a Context<'a>, flag_key: &'a str, now: u64, bump: &'a Bump) -> Self {
        Self { context, flag_key, now, bump }
    }
}

impl Rule {
    pub(crate) fn run<'a, W: Witness>(
        &'a self,
        _scope: &Scope<'a>,
        _witness: &mut W,
    ) -> Result<Value<'a>, Failed> {
        match *self {}
    }
}
