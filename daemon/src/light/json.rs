//! JSON text to attributes, strings borrowed where they hold no escapes.

use std::fmt;

use bumpalo::collections::Vec;
use engine::{Bump, Value};
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use super::{Attributes, MAX_DEPTH, Unreadable};

/// Reads a JSON object; any other JSON value is the empty context (contract 4.2).
///
/// # Errors
/// The text is not JSON, a number is beyond a double, or values nest deeper than [`MAX_DEPTH`].
pub(super) fn parse<'a>(text: &'a str, bump: &'a Bump) -> Result<Attributes<'a>, Unreadable> {
    let mut json = serde_json::Deserializer::from_str(text);
    let value = Seed { bump, depth: MAX_DEPTH }.deserialize(&mut json);
    let value = value.and_then(|value| json.end().map(|()| value));
    match value.map_err(|error| Unreadable(error.to_string()))? {
        Value::Map(attributes) => Ok(attributes),
        _ => Ok(&[]),
    }
}

#[derive(Clone, Copy)]
struct Seed<'a> {
    bump: &'a Bump,
    depth: usize,
}

impl Seed<'_> {
    fn deeper<E: Error>(self) -> Result<Self, E> {
        let depth = self.depth.checked_sub(1).ok_or_else(|| E::custom(Unreadable::too_deep()))?;
        Ok(Self { depth, ..self })
    }
}

impl<'a> DeserializeSeed<'a> for Seed<'a> {
    type Value = Value<'a>;

    fn deserialize<D: Deserializer<'a>>(self, deserializer: D) -> Result<Value<'a>, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'a> Visitor<'a> for Seed<'a> {
    type Value = Value<'a>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value<'a>, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value<'a>, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value<'a>, E> {
        Ok(Value::Num(value as f64))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value<'a>, E> {
        Ok(Value::Num(value as f64))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value<'a>, E> {
        Ok(Value::Num(value))
    }

    fn visit_borrowed_str<E>(self, value: &'a str) -> Result<Value<'a>, E> {
        Ok(Value::Str(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value<'a>, E> {
        Ok(Value::Str(self.bump.alloc_str(value)))
    }

    fn visit_seq<A: SeqAccess<'a>>(self, mut seq: A) -> Result<Value<'a>, A::Error> {
        let seed = self.deeper()?;
        let mut items = Vec::new_in(self.bump);
        while let Some(item) = seq.next_element_seed(seed)? {
            items.push(item);
        }
        Ok(Value::List(items.into_bump_slice()))
    }

    fn visit_map<A: MapAccess<'a>>(self, mut map: A) -> Result<Value<'a>, A::Error> {
        let seed = self.deeper()?;
        let mut fields = Vec::new_in(self.bump);
        while let Some(key) = map.next_key_seed(Key(self.bump))? {
            fields.push((key, map.next_value_seed(seed)?));
        }
        Ok(Value::Map(fields.into_bump_slice()))
    }
}

/// A member's name.
struct Key<'a>(&'a Bump);

impl<'a> DeserializeSeed<'a> for Key<'a> {
    type Value = &'a str;

    fn deserialize<D: Deserializer<'a>>(self, deserializer: D) -> Result<&'a str, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'a> Visitor<'a> for Key<'a> {
    type Value = &'a str;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a member's name")
    }

    fn visit_borrowed_str<E>(self, value: &'a str) -> Result<&'a str, E> {
        Ok(value)
    }

    fn visit_str<E>(self, value: &str) -> Result<&'a str, E> {
        Ok(self.0.alloc_str(value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_serde_json_reads() {
        let text = r#"{"s":"plain","e":"a\n\u00fc\"","n":-1.5,"i":9007199254740993,"t":true,"z":null,
            "l":[1,[],{"deep":["x"]}],"o":{"k":{}},"s":"again","\u006b":1}"#;
        let bump = Bump::new();
        let read = Value::Map(parse(text, &bump).expect("readable")).to_json();
        assert_eq!(read["s"], "again");
        assert_eq!(read["e"], "a\nü\"");
        assert_eq!(read["n"], -1.5);
        assert_eq!(read["i"], 9_007_199_254_740_992.0);
        assert_eq!(read["t"], true);
        assert_eq!(read["z"], serde_json::Value::Null);
        assert_eq!(read["l"], serde_json::json!([1.0, [], {"deep": ["x"]}]));
        assert_eq!(read["o"], serde_json::json!({"k": {}}));
        assert_eq!(read["k"], 1.0);
    }

    #[test]
    fn what_is_no_object_is_the_empty_context() {
        let bump = Bump::new();
        for text in ["null", "\"x\"", "[1]", "7", "true", "{}"] {
            assert_eq!(parse(text, &bump), Ok(&[][..]), "{text}");
        }
    }

    #[test]
    fn broken_or_excessive_text_is_refused() {
        let bump = Bump::new();
        for text in ["", "{", "{\"a\":1e400}", "{\"a\":1}x", "{\"a\":\"\\ud800\"}"] {
            assert!(parse(text, &bump).is_err(), "{text}");
        }
        let nested = |depth: usize| format!("{{\"a\":{}{}}}", "[".repeat(depth), "]".repeat(depth));
        assert!(parse(&nested(MAX_DEPTH - 1), &bump).is_ok());
        let error = parse(&nested(MAX_DEPTH), &bump).expect_err("too deep");
        assert!(error.to_string().starts_with("the context nests deeper than 64 levels"), "{error}");
    }
}
