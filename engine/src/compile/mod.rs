//! From a definition to flags: every flag on its own, so that a bad one is reported and its neighbours live.

pub(crate) mod problem;

use std::sync::Arc;

use crate::definition::Definition;
use crate::flag::Flag;
use crate::rule::fractional::Bucketing;
use problem::Problem;

/// How to compile.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// Which algorithm `fractional` uses.
    pub bucketing: Bucketing,
    /// What a document may cost.
    pub limits: Limits,
}

/// Bounds on what one document may hold. Beyond them it, or the flag, is refused.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Flags in a document.
    pub flags: usize,
    /// Nodes in one flag's rule, every `$ref` counted as if it were written out.
    pub rule_nodes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { flags: 1_000_000, rule_nodes: 10_000 }
    }
}

/// The flags of one source, as far as they could be compiled.
#[derive(Clone, Debug, Default)]
pub struct Layer {
    flags: Vec<Arc<Flag>>,
}

impl Layer {
    /// The flags in document order.
    pub fn flags(&self) -> &[Arc<Flag>] {
        &self.flags
    }
}

/// What came of a definition.
#[derive(Debug, Default)]
pub struct Compiled {
    /// The flags to serve, those kept from the previous layer included.
    pub layer: Layer,
    /// What is wrong, in document order.
    pub problems: Vec<Problem>,
}

/// Compiles `definition` as the flags of `source` (the name selectors use).
///
/// Never fails as a whole. A flag with an error keeps the definition it has in `previous`, if any; a flag that did not
/// change is taken over from there as it is.
pub fn compile(
    _definition: &Definition<'_>,
    _source: &Arc<str>,
    _options: &Options,
    _previous: Option<&Layer>,
) -> Compiled {
    Compiled::default()
}
