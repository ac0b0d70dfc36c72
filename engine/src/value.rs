//! Values as rules see them: borrowed, copyable, and with one kind of number.

use bumpalo::Bump;

/// A JSON value borrowed from a request, a compiled rule or an evaluation's arena.
///
/// All numbers are IEEE doubles, as they are in flagd (contract: every variant and context number passes through one).
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
    pub fn get(&self, key: &str) -> Option<Value<'a>> {
        match self {
            Self::Map(fields) => fields.iter().rev().find(|(name, _)| *name == key).map(|(_, value)| *value),
            _ => None,
        }
    }
}

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
}

impl<'a> Value<'a> {
    /// The variant that a rule's outcome names, `None` for `null` (contract 7.1 step 6).
    pub(crate) fn variant_name(self, _bump: &'a Bump) -> Result<Option<&'a str>, crate::rule::Failed> {
        match self {
            Self::Null => Ok(None),
            Self::Str(name) => Ok(Some(name)),
            _ => Err(crate::rule::Failed),
        }
    }
}
