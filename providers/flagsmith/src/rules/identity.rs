//! Who is asked about: an identity and its traits.

use std::borrow::Cow;
use std::fmt::{self, Display};

use super::python;

/// An identity, as far as rules look at it.
#[derive(Clone, Copy)]
pub struct Identity<'a> {
    /// Its identifier: OpenFeature's targeting key.
    pub identifier: &'a str,
    /// What is known about it.
    pub traits: &'a dyn Traits,
}

/// Where traits come from.
pub trait Traits {
    /// The trait `key`; `None` if there is none, and for `null`.
    fn get(&self, key: &str) -> Option<Trait<'_>>;
}

/// The value of a trait, typed as the server types it.
#[derive(Clone, Debug, PartialEq)]
pub enum Trait<'a> {
    /// A boolean.
    Bool(bool),
    /// A whole number.
    Int(i128),
    /// Any other number.
    Float(f64),
    /// Text, or a structure as its JSON text.
    Text(Cow<'a, str>),
}

impl<'a> Trait<'a> {
    /// A number out of a context that does not tell whole numbers from others.
    pub fn number(n: f64) -> Self {
        // Doubles are whole beyond 2^53, and those beyond 2^96 are nobody's integers.
        if n.fract() == 0.0 && n.abs() < 2f64.powi(96) { Self::Int(n as i128) } else { Self::Float(n) }
    }

    /// Borrowed text.
    pub fn text(text: &'a str) -> Self {
        Self::Text(Cow::Borrowed(text))
    }

    /// The value as rules see it: the server takes text that looks like a number for one.
    pub(crate) fn coerced(self) -> Self {
        let Self::Text(text) = &self else { return self };
        let digits = text.strip_prefix('-').unwrap_or(text);
        if !digits.bytes().next().is_some_and(|first| first.is_ascii_digit()) {
            return self;
        }
        let number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        match digits.split_once('.') {
            None if number(digits) => text.parse().map_or(self, Self::Int),
            Some((whole, fraction)) if number(whole) && number(fraction) => {
                text.parse().map_or(self, Self::Float)
            }
            _ => self,
        }
    }
}

/// `str(value)` in Python.
impl Display for Trait<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool(true) => f.write_str("True"),
            Self::Bool(false) => f.write_str("False"),
            Self::Int(n) => write!(f, "{n}"),
            Self::Float(n) => python::write_float(*n, f),
            Self::Text(text) => f.write_str(text),
        }
    }
}

/// Nothing known.
impl Traits for () {
    fn get(&self, _: &str) -> Option<Trait<'_>> {
        None
    }
}

/// What came as JSON, such as a recorded request.
impl Traits for serde_json::Map<String, serde_json::Value> {
    fn get(&self, key: &str) -> Option<Trait<'_>> {
        use serde_json::Value;
        Some(match Self::get(self, key)? {
            Value::Null => return None,
            Value::Bool(b) => Trait::Bool(*b),
            Value::Number(n) => match n.as_i64() {
                Some(n) => Trait::Int(n.into()),
                None => n
                    .as_u64()
                    .map_or_else(|| Trait::Float(n.as_f64().unwrap_or(f64::NAN)), |n| Trait::Int(n.into())),
            },
            Value::String(text) => Trait::text(text),
            other => Trait::Text(Cow::Owned(other.to_string())),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_that_looks_like_a_number_is_one() {
        for (text, value) in [
            ("30", Trait::Int(30)),
            ("-007", Trait::Int(-7)),
            ("1.50", Trait::Float(1.5)),
            ("+1", Trait::text("+1")),
            ("1.", Trait::text("1.")),
            (".5", Trait::text(".5")),
            ("1e3", Trait::text("1e3")),
            ("1.2.3", Trait::text("1.2.3")),
            (" 1", Trait::text(" 1")),
            ("-", Trait::text("-")),
            ("", Trait::text("")),
        ] {
            assert_eq!(Trait::text(text).coerced(), value, "{text:?}");
        }
    }

    #[test]
    fn numbers_of_a_context() {
        assert_eq!(Trait::number(30.0), Trait::Int(30));
        assert_eq!(Trait::number(-31.5), Trait::Float(-31.5));
        assert_eq!(Trait::number(1e300), Trait::Float(1e300));
    }
}
