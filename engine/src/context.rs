//! The evaluation context: attributes in layers, searched and never merged.

use crate::bytes::same;
use crate::value::Value;

/// Borrowed attributes, laid over one another.
///
/// Precedence follows flagd (contract 3.12): the request's attributes at the bottom, the operator's static ones over them,
/// those mapped from headers on top.
#[derive(Clone, Copy, Debug, Default)]
pub struct Context<'a> {
    attributes: &'a [(&'a str, Value<'a>)],
    under: Option<&'a Context<'a>>,
}

impl<'a> Context<'a> {
    /// A context of one layer. A later duplicate of a key wins.
    pub fn new(attributes: &'a [(&'a str, Value<'a>)]) -> Self {
        Self { attributes, under: None }
    }

    /// The same attributes with `under` showing through where they say nothing.
    pub fn over(self, under: &'a Context<'a>) -> Self {
        Self { attributes: self.attributes, under: Some(under) }
    }

    /// The attribute `key` of the topmost layer that has it.
    #[inline]
    pub fn get(&self, key: &str) -> Option<Value<'a>> {
        let mut layer = Some(self);
        while let Some(context) = layer {
            if let Some((_, value)) = context.attributes.iter().rev().find(|(name, _)| same(name, key)) {
                return Some(*value);
            }
            layer = context.under;
        }
        None
    }

    /// Every layer's attributes, topmost layer first. A key may come more than once; within a layer the last one counts.
    pub fn layers(&self) -> impl Iterator<Item = &'a [(&'a str, Value<'a>)]> {
        let mut layer = Some(*self);
        std::iter::from_fn(move || {
            let context = layer?;
            layer = context.under.copied();
            Some(context.attributes)
        })
    }
}
