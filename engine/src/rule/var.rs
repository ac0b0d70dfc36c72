//! `var`, `missing`, `missing_some`.

use bumpalo::collections::Vec as BumpVec;

use crate::decimal::{self, Unreadable};
use crate::rule::{Data, Failed, Literal, Rule, Scope, Shadow, truncate};
use crate::text::write_plain;
use crate::value::Value;
use crate::witness::Witness;

/// A variable.
#[derive(Debug)]
pub(crate) struct Var {
    pub(crate) name: Name,
    /// Whether surrounding data is asked first, see [`Shadow`]. Not so for `""` and for paths that begin with a dot.
    pub(crate) shadowable: bool,
}

/// What a variable is called.
#[derive(Debug)]
pub(crate) enum Name {
    /// The whole data.
    Whole,
    /// One attribute, not `$flagd`: by far the commonest.
    Attribute(Box<str>),
    /// `$flagd.flagKey`, which every root has.
    FlagKey,
    /// A dotted path without its empty segments, and what stands for missing and `null`.
    Path(Box<[Box<str>]>, Literal),
    /// Whatever the argument gives.
    Computed(Rule),
}

impl Var {
    /// The value of the common case: an attribute of the request's context, with nothing around it.
    #[inline(always)]
    pub(crate) fn attribute<'a>(&'a self, scope: &Scope<'a>) -> Option<Value<'a>> {
        match (&self.name, scope.data, scope.shadow) {
            (Name::Attribute(key), Data::Root(context), None) => {
                Some(context.get(key).unwrap_or(Value::Null))
            }
            (Name::FlagKey, Data::Root(_), None) => Some(Value::Str(scope.flag_key)),
            _ => None,
        }
    }

    #[inline]
    pub(crate) fn run<'a, W: Witness>(&'a self, scope: &Scope<'a>, w: &mut W) -> Result<Value<'a>, Failed> {
        match self.attribute(scope) {
            Some(value) => Ok(value),
            None => self.seek_and_find(scope, w),
        }
    }

    #[inline(never)]
    fn seek_and_find<'a, W: Witness>(&'a self, scope: &Scope<'a>, w: &mut W) -> Result<Value<'a>, Failed> {
        if scope.shadow.is_some()
            && let Some(value) = self.replaced(scope, w)?
        {
            return Ok(value);
        }
        self.find(scope, w)
    }

    /// What the surrounding data puts in the variable's place.
    #[cold]
    pub(crate) fn replaced<'a, W: Witness>(
        &'a self,
        scope: &Scope<'a>,
        w: &mut W,
    ) -> Result<Option<Value<'a>>, Failed> {
        match scope.shadow {
            Some(shadow) if self.shadowable => self.seek(shadow, scope, w),
            _ => Ok(None),
        }
    }

    fn seek<'a, W: Witness>(
        &'a self,
        shadow: &Shadow<'a>,
        scope: &Scope<'a>,
        w: &mut W,
    ) -> Result<Option<Value<'a>>, Failed> {
        if let Some(outer) = shadow.outer
            && let Some(value) = self.seek(outer, scope, w)?
        {
            return Ok(Some(value));
        }
        let value = self.find(&scope.plain(shadow.data), w)?;
        Ok((value != Value::Null).then_some(value))
    }

    #[inline]
    fn find<'a, W: Witness>(&'a self, scope: &Scope<'a>, w: &mut W) -> Result<Value<'a>, Failed> {
        match &self.name {
            Name::Attribute(key) => Ok(scope.get(key)),
            Name::FlagKey => Ok(match scope.data {
                Data::Root(_) => Value::Str(scope.flag_key),
                Data::Item(_) | Data::Fold { .. } => member(scope.get("$flagd"), "flagKey"),
            }),
            Name::Path(segments, default) => {
                Ok(match walk(scope, segments.iter().map(|segment| &**segment))? {
                    Value::Null => default.value(scope),
                    value => value,
                })
            }
            Name::Whole => scope.whole(),
            Name::Computed(rule) => {
                let scope = scope.plain(scope.data);
                let name = rule.arguments(&scope, w)?;
                named(name, &scope)
            }
        }
    }

    /// Evaluates the argument where surrounding data would be asked, for its failure alone.
    pub(crate) fn check<'a>(&'a self, scope: &Scope<'a>) -> Result<(), Failed> {
        self.replaced(scope, &mut ()).map(drop)
    }
}

/// The value that a computed name means.
fn named<'a>(name: Value<'a>, scope: &Scope<'a>) -> Result<Value<'a>, Failed> {
    let (path, default) = match name {
        Value::Null => {
            return Ok(match scope.data {
                Data::Item(item) if !matches!(item, Value::List(_) | Value::Map(_)) => item,
                _ => Value::Null,
            });
        }
        Value::Str("") | Value::List([]) => return scope.whole(),
        Value::Str(path) => (path, Value::Null),
        Value::Num(_) => (name.text(scope.bump)?, Value::Null),
        Value::List([Value::Str(path), default]) => (*path, *default),
        Value::List([Value::Str(path), ..]) => (*path, Value::Null),
        Value::List(_) => return Err(Failed),
        // Nothing is looked up in nothing, whatever it is called.
        Value::Bool(_) | Value::Map(_) if matches!(scope.data, Data::Item(Value::Null)) => {
            return Ok(Value::Null);
        }
        Value::Bool(_) | Value::Map(_) => return Err(Failed),
    };
    Ok(match walk(scope, path.split('.').filter(|segment| !segment.is_empty()))? {
        Value::Null => default,
        value => value,
    })
}

/// Follows a path; `Null` where it leads nowhere.
#[inline]
fn walk<'a, 'p>(scope: &Scope<'a>, mut segments: impl Iterator<Item = &'p str>) -> Result<Value<'a>, Failed> {
    let Some(first) = segments.next() else { return scope.whole() };
    let mut value = scope.get(first);
    for segment in segments {
        value = member(value, segment);
    }
    Ok(value)
}

/// The member of an object, or the element of an array; `Null` where there is none.
pub(crate) fn member<'a>(value: Value<'a>, segment: &str) -> Value<'a> {
    match value {
        Value::Map(_) => value.get(segment).unwrap_or(Value::Null),
        Value::List(items) => {
            let index = match decimal::parse(segment) {
                Ok(n) | Err(Unreadable::Range(n)) => truncate(n),
                Err(Unreadable::Syntax) => 0,
            };
            usize::try_from(index).ok().and_then(|index| items.get(index)).copied().unwrap_or(Value::Null)
        }
        _ => Value::Null,
    }
}

/// `missing`: those of the named variables that are absent or `null`.
#[inline(never)]
pub(crate) fn missing<'a, W: Witness>(
    args: &'a Rule,
    scope: &Scope<'a>,
    w: &mut W,
) -> Result<Value<'a>, Failed> {
    let names = match args.arguments(scope, w)? {
        Value::List(names) => names,
        name @ Value::Str(_) => std::slice::from_ref(scope.bump.alloc(name)),
        _ => return Err(Failed),
    };
    absent(names, scope).map(|absent| Value::List(absent.into_bump_slice()))
}

/// `missing_some`: nothing if enough of the named variables are there, else those that are not.
#[inline(never)]
pub(crate) fn missing_some<'a, W: Witness>(
    args: &'a Rule,
    scope: &Scope<'a>,
    w: &mut W,
) -> Result<Value<'a>, Failed> {
    let Value::List([enough, names, ..]) = args.arguments(scope, w)? else { return Err(Failed) };
    let enough = truncate(enough.number()?);
    let Value::List(names) = names else { return Err(Failed) };
    let absent = absent(names, scope)?;
    let found = (names.len() - absent.len()) as i64;
    Ok(Value::List(if enough > found { absent.into_bump_slice() } else { &[] }))
}

fn absent<'a>(names: &'a [Value<'a>], scope: &Scope<'a>) -> Result<BumpVec<'a, Value<'a>>, Failed> {
    let scope = scope.plain(scope.data);
    scope.burn(names.len().saturating_mul(1 + scope.data.breadth() / 32))?;
    let mut absent = BumpVec::new_in(scope.bump);
    for name in names {
        if named(*name, &scope)? == Value::Null {
            absent.push(*name);
        }
    }
    Ok(absent)
}

/// The path that a number stands for.
pub(crate) fn numeric(n: f64) -> String {
    let mut path = String::new();
    // A string takes everything.
    let _ = write_plain(n, &mut path);
    path
}
