//! The request body: as lenient as flagd's, which reads the first JSON value and takes from it only `context` (contract 4.2).

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

/// A body that is neither empty nor begins with a JSON object or `null`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotARequest;

/// The JSON text of a body's `context`, unread; `None` when the body has none. What follows the first value is ignored.
///
/// # Errors
/// The text does not begin with a JSON object or `null`. Blank text is a body without context.
pub fn context(text: &str) -> Result<Option<&str>, NotARequest> {
    let text = text.trim_start_matches([' ', '\t', '\r', '\n']);
    if text.is_empty() {
        return Ok(None);
    }
    let mut json = serde_json::Deserializer::from_str(text);
    json.deserialize_any(Body).map_err(|_| NotARequest)
}

struct Body;

impl<'t> Visitor<'t> for Body {
    type Value = Option<&'t str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object or null")
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_map<A: MapAccess<'t>>(self, mut members: A) -> Result<Self::Value, A::Error> {
        let mut context = None;
        while let Some(is_context) = members.next_key_seed(IsContext)? {
            if is_context {
                context = Some(members.next_value::<&RawValue>()?.get());
            } else {
                members.next_value::<IgnoredAny>()?;
            }
        }
        Ok(context)
    }
}

/// Whether a member is the context. Go matches names without regard to case.
struct IsContext;

impl<'t> DeserializeSeed<'t> for IsContext {
    type Value = bool;

    fn deserialize<D: Deserializer<'t>>(self, name: D) -> Result<bool, D::Error> {
        name.deserialize_str(self)
    }
}

impl Visitor<'_> for IsContext {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a member's name")
    }

    fn visit_str<E>(self, name: &str) -> Result<bool, E> {
        Ok(name.eq_ignore_ascii_case("context"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odd_bodies() {
        for (text, read) in [
            ("", Ok(None)),
            (" \r\n\t", Ok(None)),
            ("{}", Ok(None)),
            ("null", Ok(None)),
            (r#"{"other":[1,{"a":2}]}"#, Ok(None)),
            (r#"{"context":null}"#, Ok(Some("null"))),
            (r#"{"context":"str"}"#, Ok(Some("\"str\""))),
            (r#"{"context":[1]}"#, Ok(Some("[1]"))),
            (r#" {"context": {"a" : 1} } trailing garbage"#, Ok(Some(r#"{"a" : 1}"#))),
            (r#"{"context":{"a":1},"context":{"b":2}}"#, Ok(Some(r#"{"b":2}"#))),
            (r#"{"CONTEXT":{},"x":1e400}"#, Ok(Some("{}"))),
            ("[1]", Err(NotARequest)),
            ("\"x\"", Err(NotARequest)),
            ("7", Err(NotARequest)),
            ("true", Err(NotARequest)),
            ("{bad", Err(NotARequest)),
            ("{", Err(NotARequest)),
            (r#"{"context":{"a":1}"#, Err(NotARequest)),
            (r#"{"context":{"a":NaN}}"#, Err(NotARequest)),
        ] {
            assert_eq!(context(text), read, "{text}");
        }
    }

    #[test]
    fn nesting_costs_no_stack() {
        let deep = format!(r#"{{"context":{}{}}}"#, "[".repeat(400_000), "]".repeat(400_000));
        assert!(context(&deep).is_ok());
        assert_eq!(context(&"[".repeat(400_000)), Err(NotARequest));
    }
}
