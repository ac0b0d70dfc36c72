//! Values as rules see them: borrowed, copyable, and with one kind of number.

use std::fmt::Write;

use bumpalo::Bump;
use bumpalo::collections::String as BumpString;

use crate::bytes::same;
use crate::decimal::{self, Unreadable};
use crate::rule::Failed;
use crate::text;

/// A JSON value borrowed from a request, a compiled rule or an evaluation's arena.
///
/// All numbers are IEEE doubles, as they are in flagd (contract: every variant and context number passes through one).
// With every payload behind a whole word a copy is three plain moves; packed beside the tag, a boolean makes them stall.
#[repr(u64)]
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value<'a> {
    /// JSON `null`, and whatever is absent.
    Null,
    /// A boolean.
    Bool(bool),
    /// A number; never NaN or infinite in what a rule returns.
    Num(f64),
    /// A string.
    Str(&'a str),
    /// An array.
    List(&'a [Value<'a>]),
    /// An object, in document order. A later duplicate of a key wins.
    Map(&'a [(&'a str, Value<'a>)]),
}

impl<'a> Value<'a> {
    /// Borrows `json`; arrays and objects take their spine from `bump`.
    pub fn from_json(json: &'a serde_json::Value, bump: &'a Bump) -> Self {
        match json {
            serde_json::Value::Null => Self::Null,
            serde_json::Value::Bool(b) => Self::Bool(*b),
            serde_json::Value::Number(n) => Self::Num(n.as_f64().unwrap_or(f64::NAN)),
            serde_json::Value::String(s) => Self::Str(s),
            serde_json::Value::Array(items) => {
                Self::List(bump.alloc_slice_fill_iter(items.iter().map(|item| Self::from_json(item, bump))))
            }
            serde_json::Value::Object(fields) => Self::Map(bump.alloc_slice_fill_iter(
                fields.iter().map(|(key, value)| (key.as_str(), Self::from_json(value, bump))),
            )),
        }
    }

    /// The member `key` of an object; `None` for other kinds and for absent keys.
    #[inline]
    pub fn get(&self, key: &str) -> Option<Value<'a>> {
        match self {
            Self::Map(fields) => {
                fields.iter().rev().find(|(name, _)| same(name, key)).map(|(_, value)| *value)
            }
            _ => None,
        }
    }

    /// The text that `cat` and `substr` make of the value (contract 7.2): no booleans, arrays or objects.
    pub(crate) fn text(self, bump: &'a Bump) -> Result<&'a str, Failed> {
        match self {
            Self::Null => Ok(""),
            Self::Str(s) => Ok(s),
            Self::Num(n) => {
                let mut out = BumpString::with_capacity_in(24, bump);
                text::write_plain(n, &mut out).map_err(|_| Failed)?;
                Ok(out.into_bump_str())
            }
            Self::Bool(_) | Self::List(_) | Self::Map(_) => Err(Failed),
        }
    }

    /// The variant that a rule's outcome names, `None` for `null` (contract 7.1 step 6).
    ///
    /// A string names the variant as it is. Anything else is written as Go's JSON and loses its quotes.
    #[inline]
    pub(crate) fn variant_name(self, bump: &'a Bump) -> Result<Option<&'a str>, Failed> {
        match self {
            Self::Null => Ok(None),
            Self::Str(name) => Ok(Some(name)),
            Self::Bool(b) => Ok(Some(if b { "true" } else { "false" })),
            Self::Num(_) | Self::List(_) | Self::Map(_) => {
                let mut out = Unquoted(BumpString::new_in(bump));
                text::write_value(self, bump, &mut out).map_err(|_| Failed)?;
                Ok(Some(out.0.into_bump_str()))
            }
        }
    }
}

/// Leaves every double quote out.
struct Unquoted<'b>(BumpString<'b>);

impl Write for Unquoted<'_> {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        for part in text.split('"') {
            self.0.push_str(part);
        }
        Ok(())
    }
}

/// The coercions of contract 7.2.
impl Value<'_> {
    /// An owned copy. A number that JSON cannot carry becomes `null`.
    pub fn to_json(self) -> serde_json::Value {
        match self {
            Self::Null => serde_json::Value::Null,
            Self::Bool(b) => serde_json::Value::Bool(b),
            Self::Num(n) => {
                serde_json::Number::from_f64(n).map_or(serde_json::Value::Null, serde_json::Value::Number)
            }
            Self::Str(s) => serde_json::Value::String(s.to_owned()),
            Self::List(items) => items.iter().map(|item| item.to_json()).collect(),
            Self::Map(fields) => serde_json::Value::Object(
                fields.iter().map(|(key, value)| ((*key).to_owned(), value.to_json())).collect(),
            ),
        }
    }

    /// False are `false`, `null`, `0`, `""`, `[]` and `{}`.
    #[inline]
    pub(crate) fn truthy(self) -> bool {
        match self {
            Self::Null => false,
            Self::Bool(b) => b,
            Self::Num(n) => n != 0.0,
            Self::Str(s) => !s.is_empty(),
            Self::List(items) => !items.is_empty(),
            Self::Map(fields) => !fields.is_empty(),
        }
    }

    /// The number that arithmetic makes of the value: an unreadable string is 0, and `null`, a boolean, an array or an
    /// object fails.
    #[inline]
    pub(crate) fn number(self) -> Result<f64, Failed> {
        match self {
            Self::Num(n) => Ok(n),
            Self::Str(s) => Ok(match decimal::parse(s) {
                Ok(n) | Err(Unreadable::Range(n)) => n,
                Err(Unreadable::Syntax) => 0.0,
            }),
            Self::Null | Self::Bool(_) | Self::List(_) | Self::Map(_) => Err(Failed),
        }
    }

    /// The number that comparisons make of the value; what cannot be read is NaN.
    #[inline]
    fn comparable(self) -> f64 {
        match self {
            Self::Num(n) => n,
            Self::Null => 0.0,
            Self::Bool(b) => f64::from(u8::from(b)),
            Self::Str(s) if s.trim().is_empty() => 0.0,
            Self::Str(s) => decimal::parse(s).unwrap_or(f64::NAN),
            Self::List(_) | Self::Map(_) => f64::NAN,
        }
    }

    /// `==`: `null` equals only `null`, strings compare as text, everything else as numbers.
    #[inline]
    pub(crate) fn loosely_equals(self, other: Self) -> bool {
        match (self, other) {
            (Self::Null, Self::Null) => true,
            (Self::Null, _) | (_, Self::Null) => false,
            (Self::Str(a), Self::Str(b)) => a == b,
            (a, b) => a.comparable() == b.comparable(),
        }
    }

    /// `===`: the same kind and equal; arrays and objects equal nothing.
    #[inline]
    pub(crate) fn strictly_equals(self, other: Self) -> bool {
        match (self, other) {
            (Self::Null, Self::Null) => true,
            (Self::Bool(a), Self::Bool(b)) => a == b,
            (Self::Num(a), Self::Num(b)) => a == b,
            (Self::Str(a), Self::Str(b)) => a == b,
            _ => false,
        }
    }

    /// `<`: strings by their bytes, everything else as numbers.
    #[inline]
    pub(crate) fn less_than(self, other: Self) -> bool {
        match (self, other) {
            (Self::Str(a), Self::Str(b)) => a < b,
            (a, b) => a.comparable() < b.comparable(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_and_outcomes_are_three_words() {
        assert_eq!(size_of::<Value<'_>>(), 24);
        assert_eq!(size_of::<Result<Value<'_>, Failed>>(), 24);
    }

    #[test]
    fn variant_names() {
        let bump = Bump::new();
        for (json, name) in [
            (serde_json::json!(true), Some("true")),
            (serde_json::json!(1), Some("1")),
            (serde_json::json!(1.5), Some("1.5")),
            (serde_json::json!(1e21), Some("1e+21")),
            (serde_json::json!(["b"]), Some("[b]")),
            (serde_json::json!({"k": 1}), Some("{k:1}")),
            (serde_json::json!("a\"<b"), Some("a\"<b")),
            (serde_json::json!(["a\"<b"]), Some("[a\\\\u003cb]")),
            (serde_json::json!("null"), Some("null")),
            (serde_json::json!(null), None),
        ] {
            let value = Value::from_json(&json, &bump);
            assert_eq!(value.variant_name(&bump).expect("every number is finite"), name);
        }
        assert!(Value::Num(f64::NAN).variant_name(&bump).is_err());
        assert!(Value::List(&[Value::Num(f64::INFINITY)]).variant_name(&bump).is_err());
    }
}
