//! Messages in protobuf's JSON form. Requests go straight from JSON to their encoded form, without a tree in between.

use std::fmt;
use std::io;

use bytes::Bytes;
use prost::encoding::{WireType, encode_key, encode_varint};
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::ser::Formatter;

use super::method::Shape;

/// The fields of `google.protobuf.Struct`, its entries, `Value` and `ListValue`, as keys on the wire.
mod key {
    pub(super) const STRUCT_FIELDS: u8 = 0x0a;
    pub(super) const ENTRY_NAME: u8 = 0x0a;
    pub(super) const ENTRY_VALUE: u8 = 0x12;
    pub(super) const NULL: u8 = 0x08;
    pub(super) const NUMBER: u8 = 0x11;
    pub(super) const STRING: u8 = 0x1a;
    pub(super) const BOOL: u8 = 0x20;
    pub(super) const STRUCT: u8 = 0x2a;
    pub(super) const LIST: u8 = 0x32;
    pub(super) const LIST_VALUES: u8 = 0x0a;
}

/// The room for a length that is not known yet, written as a varint of this many bytes: up to 2^35.
const LENGTH: usize = 5;

/// Encodes a request that came as JSON. Names may be camelCase or snake_case, unknown fields are dropped, `null` is absent;
/// of a name that occurs twice within the context the last one counts.
///
/// # Errors
/// What is wrong with the text, and where.
pub(super) fn to_wire(shape: Shape, text: &[u8]) -> Result<Bytes, String> {
    if text.is_empty() {
        return Err("zero-length payload is not a valid JSON object".into());
    }
    let mut out = Vec::with_capacity(text.len() + 64);
    let mut reader = serde_json::Deserializer::from_slice(text);
    let read = reader.deserialize_map(Request { shape, out: &mut out }).and_then(|()| reader.end());
    read.map_err(|error| format!("proto: {error}"))?;
    Ok(out.into())
}

/// Writes an encoded answer as JSON.
///
/// # Errors
/// What is wrong with the answer.
pub(super) fn from_wire<Answer>(wire: &[u8]) -> Result<Vec<u8>, String>
where
    Answer: prost::Message + Default + serde::Serialize,
{
    let answer = Answer::decode(wire).map_err(|error| error.to_string())?;
    let mut out = Vec::with_capacity(wire.len() * 2 + 64);
    let mut writer = serde_json::Serializer::with_formatter(&mut out, PlainNumbers);
    answer.serialize(&mut writer).map_err(|error| error.to_string())?;
    Ok(out)
}

/// Compact JSON in which a whole number has no fraction: `10`, not `10.0`.
struct PlainNumbers;

impl Formatter for PlainNumbers {
    fn write_f64<W: ?Sized + io::Write>(&mut self, writer: &mut W, number: f64) -> io::Result<()> {
        if number.fract() == 0.0 && number.abs() < 1e21 {
            return write!(writer, "{number:.0}");
        }
        write!(writer, "{}", serde_json::Value::from(number))
    }
}

struct Request<'o> {
    shape: Shape,
    out: &'o mut Vec<u8>,
}

impl<'de> Visitor<'de> for Request<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let (mut has_key, mut has_context) = (false, false);
        while let Some(field) = map.next_key_seed(Name(self.shape))? {
            match field {
                Field::FlagKey => {
                    if std::mem::replace(&mut has_key, true) {
                        return Err(A::Error::duplicate_field("flagKey"));
                    }
                    if let Some(text) = map.next_value::<Option<String>>()? {
                        prost::encoding::string::encode(1, &text, self.out);
                    }
                }
                Field::Context(tag) => {
                    if std::mem::replace(&mut has_context, true) {
                        return Err(A::Error::duplicate_field("context"));
                    }
                    map.next_value_seed(Context { tag, out: self.out })?;
                }
                Field::Unknown => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(())
    }
}

enum Field {
    FlagKey,
    Context(u32),
    Unknown,
}

struct Name(Shape);

impl<'de> DeserializeSeed<'de> for Name {
    type Value = Field;

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<Field, D::Error> {
        reader.deserialize_str(self)
    }
}

impl Visitor<'_> for Name {
    type Value = Field;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<Field, E> {
        Ok(match (self.0, name) {
            (Shape::Flag, "flagKey" | "flag_key") => Field::FlagKey,
            (Shape::Flag, "context") => Field::Context(2),
            (Shape::Context, "context") => Field::Context(1),
            _ => Field::Unknown,
        })
    }
}

/// The request's context: an object, or `null` for none.
struct Context<'o> {
    tag: u32,
    out: &'o mut Vec<u8>,
}

impl<'de> DeserializeSeed<'de> for Context<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<(), D::Error> {
        reader.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Context<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<(), A::Error> {
        encode_key(self.tag, WireType::LengthDelimited, self.out);
        measured(self.out, |out| fields(map, out))
    }
}

/// Writes the fields of a Struct.
fn fields<'de, A: MapAccess<'de>>(mut map: A, out: &mut Vec<u8>) -> Result<(), A::Error> {
    while let Some(name) = map.next_key::<String>()? {
        out.push(key::STRUCT_FIELDS);
        measured(out, |out| {
            out.push(key::ENTRY_NAME);
            encode_varint(name.len() as u64, out);
            out.extend_from_slice(name.as_bytes());
            map.next_value_seed(Value { key: key::ENTRY_VALUE, out })
        })?;
    }
    Ok(())
}

/// Writes something whose length is known only afterwards. The length goes in front in a fixed room, so that nothing has to be
/// moved: deep nesting costs no more than flat.
fn measured<T, E>(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>) -> Result<T, E>) -> Result<T, E> {
    let begin = out.len() + LENGTH;
    out.extend_from_slice(&[0; LENGTH]);
    let written = write(out)?;
    let mut length = out.len() - begin;
    for (at, byte) in out[begin - LENGTH..begin].iter_mut().enumerate() {
        let more = if at + 1 < LENGTH { 0x80 } else { 0 };
        *byte = (length % 128) as u8 | more;
        length /= 128;
    }
    Ok(written)
}

/// One JSON value as a field that holds a `google.protobuf.Value`.
struct Value<'o> {
    key: u8,
    out: &'o mut Vec<u8>,
}

impl Value<'_> {
    fn small(self, content: &[u8]) {
        self.out.push(self.key);
        encode_varint(content.len() as u64, self.out);
        self.out.extend_from_slice(content);
    }

    fn number(self, number: f64) {
        let mut content = [key::NUMBER; 9];
        content[1..].copy_from_slice(&number.to_le_bytes());
        self.small(&content);
    }

    fn nested<E>(self, kind: u8, write: impl FnOnce(&mut Vec<u8>) -> Result<(), E>) -> Result<(), E> {
        self.out.push(self.key);
        measured(self.out, |out| {
            out.push(kind);
            measured(out, write)
        })
    }
}

impl<'de> DeserializeSeed<'de> for Value<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<(), D::Error> {
        reader.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Value<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        self.small(&[key::NULL, 0]);
        Ok(())
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<(), E> {
        self.small(&[key::BOOL, u8::from(value)]);
        Ok(())
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<(), E> {
        self.number(value as f64);
        Ok(())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<(), E> {
        self.number(value as f64);
        Ok(())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<(), E> {
        self.number(value);
        Ok(())
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        self.out.push(self.key);
        let length = text.len() as u64;
        encode_varint(1 + prost::encoding::encoded_len_varint(length) as u64 + length, self.out);
        self.out.push(key::STRING);
        encode_varint(length, self.out);
        self.out.extend_from_slice(text.as_bytes());
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        self.nested(key::LIST, |out| {
            while list.next_element_seed(Value { key: key::LIST_VALUES, out })?.is_some() {}
            Ok(())
        })
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<(), A::Error> {
        self.nested(key::STRUCT, |out| fields(map, out))
    }
}
