//! What a running rule can see, and how much work it may still do.

use std::cell::Cell;

use bumpalo::Bump;

use crate::context::Context;
use crate::rule::Failed;
use crate::rule::var::member;
use crate::value::Value;

/// The work one evaluation may do: list elements visited, the bodies they go through and the data searched for them by
/// the dozen, and text: four bytes built or 64 searched are a step.
const FUEL: u32 = 1_000_000;

/// What a running rule can see.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scope<'a> {
    pub(crate) data: Data<'a>,
    pub(crate) flag_key: &'a str,
    pub(crate) now: u64,
    pub(crate) bump: &'a Bump,
    /// The data that variables are looked up in first, see [`Shadow`].
    pub(crate) shadow: Option<&'a Shadow<'a>>,
    fuel: &'a Cell<u32>,
}

/// The data that variables are looked up in.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Data<'a> {
    /// The request's context, with `$flagd` over it.
    Root(&'a Context<'a>),
    /// The element that the body of a list operator is looking at.
    Item(Value<'a>),
    /// What the body of `reduce` sees.
    Fold { current: Value<'a>, accumulator: Value<'a>, kind: &'static str },
}

/// Data that is asked before the element itself in the bodies of `filter`, `none`, `some` and `all` (contract 7.2).
///
/// In flagd these operators first replace every variable of their body that the surrounding data knows, so an attribute of
/// the context hides an item's field of the same name. The outermost data is asked first.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shadow<'a> {
    pub(crate) data: Data<'a>,
    pub(crate) outer: Option<&'a Shadow<'a>>,
}

impl<'a> Scope<'a> {
    #[inline]
    pub(crate) fn new(context: &'a Context<'a>, flag_key: &'a str, now: u64, bump: &'a Bump) -> Self {
        let fuel = bump.alloc(Cell::new(FUEL));
        Self { data: Data::Root(context), flag_key, now, bump, shadow: None, fuel }
    }

    /// The same evaluation over other data, nothing shadowed.
    pub(crate) fn plain(&self, data: Data<'a>) -> Self {
        Self { data, shadow: None, ..*self }
    }

    /// The same evaluation and shadows over other data.
    pub(crate) fn over(&self, data: Data<'a>) -> Self {
        Self { data, ..*self }
    }

    /// The same scope with `data` shadowing as well.
    pub(crate) fn shadowed(&self, data: Data<'a>) -> Self {
        Self { shadow: Some(self.bump.alloc(Shadow { data, outer: self.shadow })), ..*self }
    }

    /// Uses up `steps` of the evaluation's fuel.
    pub(crate) fn burn(&self, steps: usize) -> Result<(), Failed> {
        let steps = u32::try_from(steps).map_err(|_| Failed)?;
        self.fuel.set(self.fuel.get().checked_sub(steps).ok_or(Failed)?);
        Ok(())
    }

    /// Uses up the fuel that building `bytes` bytes of text costs.
    pub(crate) fn burn_built(&self, bytes: usize) -> Result<(), Failed> {
        self.burn(bytes / 4)
    }

    /// Uses up the fuel that going through `bytes` bytes of text costs.
    pub(crate) fn burn_searched(&self, bytes: usize) -> Result<(), Failed> {
        self.burn(bytes / 64)
    }

    /// The value `key` of the data, which is `$flagd` itself at the root.
    #[inline]
    pub(crate) fn get(&self, key: &str) -> Value<'a> {
        match self.data {
            Data::Root(_) if key == "$flagd" => self.properties(),
            Data::Root(context) => context.get(key).unwrap_or(Value::Null),
            Data::Item(item) => member(item, key),
            Data::Fold { current, accumulator, kind } => match key {
                "current" => current,
                "accumulator" => accumulator,
                "valueType" => Value::Str(kind),
                _ => Value::Null,
            },
        }
    }

    /// The data as one value.
    pub(crate) fn whole(&self) -> Result<Value<'a>, Failed> {
        Ok(match self.data {
            Data::Item(item) => item,
            Data::Fold { .. } => self.fields(&["accumulator", "current", "valueType"]),
            Data::Root(context) => {
                self.burn(self.data.breadth())?;
                let mut all = bumpalo::collections::Vec::with_capacity_in(context.breadth() + 1, self.bump);
                context.visit(&mut |key, value| all.push((key, value)));
                all.push(("$flagd", self.properties()));
                Value::Map(all.into_bump_slice())
            }
        })
    }

    /// How many attributes a variable may have to be searched among before the element itself is looked at.
    pub(crate) fn breadth(&self) -> usize {
        let shadows = std::iter::successors(self.shadow, |shadow| shadow.outer);
        shadows.map(|shadow| shadow.data.breadth()).sum()
    }

    /// The key of the flag being evaluated, as the data knows it.
    pub(crate) fn known_flag_key(&self) -> &'a str {
        match self.data {
            Data::Root(_) => self.flag_key,
            Data::Item(_) | Data::Fold { .. } => match self.get("$flagd").get("flagKey") {
                Some(Value::Str(key)) => key,
                _ => "",
            },
        }
    }

    fn properties(&self) -> Value<'a> {
        let timestamp = Value::Num(self.now as f64);
        Value::Map(self.bump.alloc([("flagKey", Value::Str(self.flag_key)), ("timestamp", timestamp)]))
    }

    fn fields(&self, keys: &[&'static str]) -> Value<'a> {
        Value::Map(self.bump.alloc_slice_fill_iter(keys.iter().map(|key| (*key, self.get(key)))))
    }
}

impl Data<'_> {
    /// Whether the data is an object, as only elements may not be.
    pub(crate) fn is_object(&self) -> bool {
        !matches!(self, Self::Item(item) if !matches!(item, Value::Map(_)))
    }

    /// How many attributes a variable is searched among.
    pub(crate) fn breadth(&self) -> usize {
        match self {
            Self::Root(context) => context.breadth(),
            Self::Item(Value::Map(fields)) => fields.len(),
            Self::Item(_) | Self::Fold { .. } => 1,
        }
    }
}
