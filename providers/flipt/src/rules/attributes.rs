//! What is known about an entity. Flipt compares text; an attribute of another type has the text it would be sent as.

use std::borrow::Cow;

/// Where attributes come from.
pub trait Attributes {
    /// The attribute `property`; `None` if there is none, and for `null`.
    fn get(&self, property: &str) -> Option<Attribute<'_>>;
}

/// The value of an attribute.
#[derive(Clone, Debug, PartialEq)]
pub enum Attribute<'a> {
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// Any number: the shortest text that reads back as it, and no point if it is whole.
    Number(f64),
    /// Text; what is structured as its compact JSON.
    Text(Cow<'a, str>),
}

impl<'a> Attribute<'a> {
    /// Borrowed text.
    pub fn text(text: &'a str) -> Self {
        Self::Text(Cow::Borrowed(text))
    }

    /// The text that the server would see.
    pub fn into_text(self) -> Cow<'a, str> {
        match self {
            Self::Bool(true) => "true".into(),
            Self::Bool(false) => "false".into(),
            Self::Int(n) => n.to_string().into(),
            Self::Number(n) => n.to_string().into(),
            Self::Text(text) => text,
        }
    }
}

/// Nothing known.
impl Attributes for () {
    fn get(&self, _: &str) -> Option<Attribute<'_>> {
        None
    }
}

/// What came as JSON.
impl Attributes for serde_json::Map<String, serde_json::Value> {
    fn get(&self, property: &str) -> Option<Attribute<'_>> {
        use serde_json::Value;
        Some(match Self::get(self, property)? {
            Value::Null => return None,
            Value::Bool(b) => Attribute::Bool(*b),
            Value::Number(n) => {
                n.as_i64().map_or_else(|| Attribute::Number(n.as_f64().unwrap_or(f64::NAN)), Attribute::Int)
            }
            Value::String(text) => Attribute::text(text),
            other => Attribute::Text(other.to_string().into()),
        })
    }
}
