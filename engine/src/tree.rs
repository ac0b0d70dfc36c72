//! Strict JSON into a tree, keeping note of what a tree would forget: keys that were written twice.

use std::fmt::Write;

use serde::de::{DeserializeSeed, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// A parsed value, every number a double.
#[derive(Debug)]
pub(crate) struct Tree {
    pub(crate) value: Value,
    /// JSON pointers of members that were written more than once. The last one counts.
    pub(crate) duplicates: Vec<String>,
}

impl Tree {
    /// Reads `text`, nested up to 128 deep.
    pub(crate) fn parse(text: &str) -> Result<Self, serde_json::Error> {
        let (mut path, mut duplicates) = (String::new(), Vec::new());
        let mut input = serde_json::Deserializer::from_str(text);
        let value = Node { path: &mut path, duplicates: &mut duplicates }.deserialize(&mut input)?;
        input.end()?;
        Ok(Self { value, duplicates })
    }
}

/// Appends a segment to a JSON pointer (RFC 6901).
pub(crate) fn push_segment(path: &mut String, segment: &str) {
    path.push('/');
    for char in segment.chars() {
        match char {
            '~' => path.push_str("~0"),
            '/' => path.push_str("~1"),
            _ => path.push(char),
        }
    }
}

/// Appends the number of an item to a JSON pointer.
pub(crate) fn push_index(path: &mut String, at: usize) {
    // Writing to a `String` cannot fail.
    let _ = write!(path, "/{at}");
}

struct Node<'n> {
    path: &'n mut String,
    duplicates: &'n mut Vec<String>,
}

impl Node<'_> {
    /// Remembers the current path, within bounds: a hostile document could otherwise make the notes outgrow it.
    fn note_duplicate(&mut self) {
        let known = self.duplicates.last() == Some(self.path);
        if !known && self.duplicates.len() < 32 && self.path.len() <= 1024 {
            self.duplicates.push(self.path.clone());
        }
    }
}

impl<'de> DeserializeSeed<'de> for Node<'_> {
    type Value = Value;

    fn deserialize<D: serde::Deserializer<'de>>(self, input: D) -> Result<Value, D::Error> {
        input.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Node<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        self.visit_f64(value as f64)
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        self.visit_f64(value as f64)
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("number out of range"))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E: Error>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut input: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        let depth = self.path.len();
        loop {
            push_index(self.path, items.len());
            let node = Node { path: self.path, duplicates: self.duplicates };
            let item = input.next_element_seed(node)?;
            self.path.truncate(depth);
            match item {
                Some(item) => items.push(item),
                None => return Ok(Value::Array(items)),
            }
        }
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut input: A) -> Result<Value, A::Error> {
        let mut fields = Map::new();
        let depth = self.path.len();
        while let Some(key) = input.next_key::<String>()? {
            push_segment(self.path, &key);
            if fields.contains_key(&key) {
                self.note_duplicate();
            }
            let value = input.next_value_seed(Node { path: self.path, duplicates: self.duplicates })?;
            self.path.truncate(depth);
            fields.insert(key, value);
        }
        Ok(Value::Object(fields))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_duplicate_counts_and_is_reported() {
        let tree = Tree::parse(r#"{"a/b": 1, "list": [{"x": 1, "x": 2}], "a/b": 3, "a/b": 4}"#).unwrap();
        assert_eq!(tree.value["a/b"], 4.0);
        assert_eq!(tree.value["list"][0]["x"], 2.0);
        assert_eq!(tree.duplicates, ["/list/0/x", "/a~1b"]);
    }

    #[test]
    fn numbers_are_doubles() {
        let tree = Tree::parse("[9007199254740993, 1, 0.1, 12345678901234567890123]").unwrap();
        let numbers: Vec<f64> = tree.value.as_array().unwrap().iter().filter_map(Value::as_f64).collect();
        assert_eq!(numbers, [9007199254740992.0, 1.0, 0.1, 1.2345678901234568e22]);
        assert!(Tree::parse("1e400").is_err());
    }

    #[test]
    fn depth_is_bounded() {
        let deep = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(Tree::parse(&deep(127)).is_ok());
        assert!(Tree::parse(&deep(128)).is_err());
        assert!(Tree::parse(&deep(1_000_000)).is_err());
    }
}
