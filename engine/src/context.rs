//! The evaluation context: attributes in layers, searched and never merged.

use std::fmt;

use crate::bytes::same;
use crate::value::Value;

/// Borrowed attributes, laid over one another.
///
/// Precedence follows flagd (contract 3.12): the request's attributes at the bottom, the operator's static ones over them,
/// those mapped from headers on top.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    layer: Layer<'a>,
    under: Option<&'a Context<'a>>,
}

#[derive(Clone, Copy, Debug)]
enum Layer<'a> {
    Laid(&'a [(&'a str, Value<'a>)]),
    Kept(&'a dyn Attributes),
}

/// Attributes that stay in the caller's own map and are looked up there one by one, which is cheaper than laying all of
/// them out for a flag that asks for few ([`Flag::reads`](crate::Flag::reads)).
pub trait Attributes: fmt::Debug {
    /// The attribute `key`.
    fn get(&self, key: &str) -> Option<Value<'_>>;

    /// How many there are.
    fn len(&self) -> usize;

    /// Whether there are none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Shows every one of them to `visit`. Of a key that comes twice, the last one counts.
    fn visit<'s>(&'s self, visit: &mut dyn FnMut(&'s str, Value<'s>));
}

impl Default for Context<'_> {
    fn default() -> Self {
        Self::new(&[])
    }
}

impl<'a> Context<'a> {
    /// A context of one layer. A later duplicate of a key wins.
    pub fn new(attributes: &'a [(&'a str, Value<'a>)]) -> Self {
        Self { layer: Layer::Laid(attributes), under: None }
    }

    /// A context of one layer, whose attributes stay where they are.
    pub fn kept(attributes: &'a dyn Attributes) -> Self {
        Self { layer: Layer::Kept(attributes), under: None }
    }

    /// The same attributes with `under` showing through where they say nothing.
    pub fn over(self, under: &'a Context<'a>) -> Self {
        Self { under: Some(under), ..self }
    }

    /// The attribute `key` of the topmost layer that has it.
    #[inline]
    pub fn get(&self, key: &str) -> Option<Value<'a>> {
        let mut layer = Some(self);
        while let Some(context) = layer {
            let found = match context.layer {
                Layer::Laid(attributes) => {
                    attributes.iter().rev().find(|(name, _)| same(name, key)).map(|(_, value)| *value)
                }
                Layer::Kept(attributes) => attributes.get(key),
            };
            if found.is_some() {
                return found;
            }
            layer = context.under;
        }
        None
    }

    /// How many attributes a key may have to be searched among.
    pub(crate) fn breadth(&self) -> usize {
        self.layers().map(|layer| layer.len()).sum()
    }

    /// Shows every attribute of every layer to `visit`, lowest layer first. Of a key that comes twice, the last one counts.
    pub(crate) fn visit(&self, visit: &mut dyn FnMut(&'a str, Value<'a>)) {
        if let Some(under) = self.under {
            under.visit(visit);
        }
        match self.layer {
            Layer::Laid(attributes) => attributes.iter().for_each(|(key, value)| visit(key, *value)),
            Layer::Kept(attributes) => attributes.visit(visit),
        }
    }

    fn layers(&self) -> impl Iterator<Item = Layer<'a>> {
        std::iter::successors(Some(*self), |context| context.under.copied()).map(|context| context.layer)
    }
}

impl Layer<'_> {
    fn len(&self) -> usize {
        match self {
            Self::Laid(attributes) => attributes.len(),
            Self::Kept(attributes) => attributes.len(),
        }
    }
}
