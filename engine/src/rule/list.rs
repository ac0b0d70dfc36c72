//! Lists: literal ones, `in`, `merge`, `set`, `contains_all`, `contains_any`, `contains_none`.

use bumpalo::collections::Vec as BumpVec;
use hashbrown::HashSet;

use crate::bytes::same;
use crate::rule::{Failed, Literal, Rule, Scope};
use crate::value::Value;
use crate::witness::Witness;

/// From how many entries on a literal list of strings is hashed.
const HASHED: usize = 8;

/// Evaluates an array element by element.
#[inline(never)]
pub(crate) fn evaluate<'a, W: Witness>(
    rules: &'a [Rule],
    scope: &Scope<'a>,
    w: &mut W,
) -> Result<Value<'a>, Failed> {
    let mut values = BumpVec::with_capacity_in(rules.len(), scope.bump);
    for (at, rule) in rules.iter().enumerate() {
        values.push(rule.run(Some(at), scope, w)?);
    }
    Ok(Value::List(values.into_bump_slice()))
}

/// `in` over a list of scalar literals, prepared at load.
#[derive(Debug)]
pub(crate) struct InLiterals {
    pub(crate) needle: Rule,
    /// Which [`likeness`]es the strings have; most that are not among them are told apart by it.
    likenesses: u64,
    strings: Strings,
    /// The numbers that a numeric needle meets before it meets something that has none, sorted, without NaN.
    numbers: Box<[f64]>,
    /// Whether a numeric needle that is not among `numbers` meets something that has none.
    unnumbered: bool,
    yes: bool,
    no: bool,
    null: bool,
}

#[derive(Debug)]
enum Strings {
    Few(Box<[Box<str>]>),
    Many(HashSet<Box<str>, foldhash::fast::FixedState>),
}

impl InLiterals {
    pub(crate) fn new(needle: Rule, entries: &[Literal]) -> Self {
        let mut strings: Vec<Box<str>> = Vec::new();
        let mut numbers = Vec::new();
        let (mut unnumbered, mut yes, mut no, mut null) = (false, false, false, false);
        for entry in entries {
            match entry {
                Literal::Str(s) => strings.push(s.clone()),
                Literal::Bool(true) => yes = true,
                Literal::Bool(false) => no = true,
                Literal::Null => null = true,
                Literal::Num(_) | Literal::Json(_) => {}
            }
            match entry.number() {
                Ok(n) if !unnumbered && !n.is_nan() => numbers.push(n),
                Ok(_) => {}
                Err(Failed) => unnumbered = true,
            }
        }
        numbers.sort_unstable_by(f64::total_cmp);
        let likenesses = strings.iter().fold(0, |all, text| all | likeness(text));
        let strings = if strings.len() < HASHED {
            Strings::Few(strings.into())
        } else {
            Strings::Many(strings.into_iter().collect())
        };
        Self { needle, likenesses, strings, numbers: numbers.into(), unnumbered, yes, no, null }
    }

    #[inline(never)]
    pub(crate) fn run<'a, W: Witness>(&'a self, scope: &Scope<'a>, w: &mut W) -> Result<bool, Failed> {
        Ok(match self.needle.operand(Some(0), scope, w)? {
            Value::Str(needle) if self.likenesses & likeness(needle) == 0 => false,
            Value::Str(needle) => match &self.strings {
                Strings::Few(strings) => strings.iter().any(|entry| same(entry, needle)),
                Strings::Many(strings) => strings.contains(needle),
            },
            Value::Num(needle) => {
                // -0 and 0 are equal but not adjacent in every order; partition_point compares as numbers do.
                let at = self.numbers.partition_point(|n| *n < needle);
                let found = self.numbers.get(at).is_some_and(|n| *n == needle);
                if !found && self.unnumbered {
                    return Err(Failed);
                }
                found
            }
            Value::Bool(needle) => {
                if needle {
                    self.yes
                } else {
                    self.no
                }
            }
            Value::Null => self.null,
            Value::List(_) | Value::Map(_) => false,
        })
    }
}

/// One bit of 64, the same for equal strings.
#[inline]
fn likeness(text: &str) -> u64 {
    let bytes = text.as_bytes();
    let end = |byte: Option<&u8>| byte.map_or(0, |byte| usize::from(*byte));
    1 << ((bytes.len() * 5 + end(bytes.first()) * 3 + end(bytes.last())) % 64)
}

/// `in`: a string in a string, or a value in a list.
#[inline(never)]
pub(crate) fn contained<'a, W: Witness>(
    args: &'a Rule,
    scope: &Scope<'a>,
    w: &mut W,
) -> Result<Value<'a>, Failed> {
    let Value::List([needle, rest @ ..]) = args.arguments(scope, w)? else { return Err(Failed) };
    match (rest.first(), needle) {
        (Some(Value::Str(text)), Value::Str(needle)) => {
            scope.burn_searched(text.len())?;
            Ok(Value::Bool(text.contains(needle)))
        }
        (Some(Value::Str(_)), _) => Err(Failed),
        (Some(Value::List(entries)), needle) => {
            scope.burn(entries.len())?;
            for entry in *entries {
                if matches(*needle, *entry)? {
                    return Ok(Value::Bool(true));
                }
            }
            Ok(Value::Bool(false))
        }
        _ => Ok(Value::Bool(false)),
    }
}

/// Whether `needle` is the list's `entry`: a nested list is an inclusive range of numbers, a numeric needle takes the
/// entry's number, anything else has to be the same.
fn matches(needle: Value<'_>, entry: Value<'_>) -> Result<bool, Failed> {
    match (needle, entry) {
        (_, Value::List([low, high, ..])) => {
            let n = needle.number()?;
            Ok(n >= low.number()? && high.number()? >= n)
        }
        (_, Value::List(_)) | (Value::Map(_), Value::Map(_)) => Err(Failed),
        (Value::Num(n), entry) => Ok(entry.number()? == n),
        _ => Ok(needle.strictly_equals(entry)),
    }
}

/// `merge`: lists laid end to end, one level deep, scalars as elements.
#[inline(never)]
pub(crate) fn merge<'a, W: Witness>(
    args: &'a Rule,
    scope: &Scope<'a>,
    w: &mut W,
) -> Result<Value<'a>, Failed> {
    let parts = match args.arguments(scope, w)? {
        Value::List(parts) => parts,
        Value::Null | Value::Map(_) => return Err(Failed),
        scalar => return Ok(Value::List(std::slice::from_ref(scope.bump.alloc(scalar)))),
    };
    let mut merged = BumpVec::new_in(scope.bump);
    for part in parts {
        let items = if let Value::List(items) = part { items } else { std::slice::from_ref(part) };
        scope.burn(items.len())?;
        merged.extend_from_slice_copy(items);
    }
    Ok(Value::List(merged.into_bump_slice()))
}

/// `set`: an object with one member put in its place.
#[inline(never)]
pub(crate) fn set<'a, W: Witness>(args: &'a Rule, scope: &Scope<'a>, w: &mut W) -> Result<Value<'a>, Failed> {
    match args.arguments(scope, w)? {
        Value::List([]) => Ok(Value::Null),
        Value::List([Value::Map(fields), key, value, ..]) => {
            let Value::Str(key) = key else { return Err(Failed) };
            scope.burn(fields.len())?;
            let mut changed = BumpVec::with_capacity_in(fields.len() + 1, scope.bump);
            changed.extend_from_slice_copy(fields);
            changed.push((*key, *value));
            Ok(Value::Map(changed.into_bump_slice()))
        }
        Value::List([object, ..]) => Ok(*object),
        _ => Err(Failed),
    }
}

/// `contains_all`, `contains_any`, `contains_none`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Quantity {
    All,
    Any,
    None,
}

impl Quantity {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::All => "contains_all",
            Self::Any => "contains_any",
            Self::None => "contains_none",
        }
    }

    #[inline(never)]
    pub(crate) fn run<'a, W: Witness>(
        self,
        args: &'a Rule,
        scope: &Scope<'a>,
        w: &mut W,
    ) -> Result<Value<'a>, Failed> {
        let Value::List([Value::List(list), Value::List(wanted)]) = args.arguments(scope, w)? else {
            return Ok(Value::Bool(self == Self::None));
        };
        for member in *wanted {
            scope.burn(list.len())?;
            if holds(list, *member)? != (self == Self::All) {
                return Ok(Value::Bool(self == Self::Any));
            }
        }
        Ok(Value::Bool(self != Self::Any))
    }
}

fn holds(list: &[Value<'_>], member: Value<'_>) -> Result<bool, Failed> {
    for item in list {
        match (item, member) {
            (Value::List(_), Value::List(_)) | (Value::Map(_), Value::Map(_)) => return Err(Failed),
            (item, member) if item.strictly_equals(member) => return Ok(true),
            _ => {}
        }
    }
    Ok(false)
}
