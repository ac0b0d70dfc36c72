use pbjson_types::value::Kind;
use pbjson_types::{ListValue, Struct, Value as Proto};
use prost::Message;

use super::*;

/// `google.protobuf.Struct` with its map spelt out. prost reads a map field whatever its wire type says; spelt out, it looks.
mod strict {
    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Struct {
        #[prost(message, repeated, tag = "1")]
        pub(super) fields: Vec<Entry>,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Entry {
        #[prost(string, tag = "1")]
        pub(super) key: String,
        #[prost(message, optional, tag = "2")]
        pub(super) value: Option<Value>,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Value {
        #[prost(oneof = "Kind", tags = "1, 2, 3, 4, 5, 6")]
        pub(super) kind: Option<Kind>,
    }

    #[derive(Clone, PartialEq, prost::Oneof)]
    pub(super) enum Kind {
        #[prost(int32, tag = "1")]
        Null(i32),
        #[prost(double, tag = "2")]
        Number(f64),
        #[prost(string, tag = "3")]
        String(String),
        #[prost(bool, tag = "4")]
        Bool(bool),
        #[prost(message, tag = "5")]
        Struct(Struct),
        #[prost(message, tag = "6")]
        List(List),
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct List {
        #[prost(message, repeated, tag = "1")]
        pub(super) values: Vec<Value>,
    }
}

/// What prost's decoding says the attributes are.
fn expected(value: strict::Value) -> serde_json::Value {
    match value.kind {
        None | Some(strict::Kind::Null(_)) => serde_json::Value::Null,
        Some(strict::Kind::Number(n)) if n.is_finite() => n.into(),
        Some(strict::Kind::Number(n)) if n.is_nan() => "NaN".into(),
        Some(strict::Kind::Number(n)) => if n > 0.0 { "Infinity" } else { "-Infinity" }.into(),
        Some(strict::Kind::String(s)) => s.into(),
        Some(strict::Kind::Bool(b)) => b.into(),
        Some(strict::Kind::Struct(s)) => object(s),
        Some(strict::Kind::List(l)) => l.values.into_iter().map(expected).collect(),
    }
}

fn object(read: strict::Struct) -> serde_json::Value {
    let fields = read.fields.into_iter().map(|entry| (entry.key, expected(entry.value.unwrap_or_default())));
    serde_json::Value::Object(fields.collect())
}

fn ours(bytes: &[u8]) -> Result<serde_json::Value, Unreadable> {
    let bump = Bump::new();
    scan(bytes, &bump).map(|attributes| Value::Map(attributes).to_json())
}

/// Both refuse, or both accept and read the same.
fn agree(bytes: &[u8]) {
    match (strict::Struct::decode(bytes), ours(bytes)) {
        (Ok(theirs), Ok(ours)) => assert_eq!(ours, object(theirs), "{bytes:02x?}"),
        (Err(_), Err(_)) => {}
        (Err(theirs), Ok(_)) if theirs.to_string().contains("recursion limit") => {}
        (theirs, ours) => panic!("prost: {theirs:?}\nours: {ours:?}\nbytes: {bytes:02x?}"),
    }
}

/// A small deterministic generator (xorshift64*).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) as usize % sides
    }

    fn value(&mut self, depth: usize) -> Proto {
        let kinds = if depth == 0 { 6 } else { 8 };
        let kind = match self.roll(kinds) {
            0 => return Proto { kind: None },
            1 => Kind::NullValue(self.roll(3) as i32),
            2 => Kind::BoolValue(self.roll(2) == 1),
            3 => Kind::NumberValue(
                [0.0, -0.5, 1e300, f64::NAN, f64::INFINITY, f64::NEG_INFINITY][self.roll(6)],
            ),
            4 | 5 => Kind::StringValue(["", "a", "zwölf", "☃"][self.roll(4)].to_owned()),
            6 => Kind::ListValue(ListValue {
                values: (0..self.roll(4)).map(|_| self.value(depth - 1)).collect(),
            }),
            _ => Kind::StructValue(self.object(depth - 1)),
        };
        Proto { kind: Some(kind) }
    }

    fn object(&mut self, depth: usize) -> Struct {
        let keys = ["", "a", "b", "targetingKey", "ключ"];
        let fields = (0..self.roll(5)).map(|_| (keys[self.roll(5)].to_owned(), self.value(depth))).collect();
        Struct { fields }
    }
}

#[test]
fn reads_what_prost_reads() {
    let mut dice = Dice(0x9E37_79B9_7F4A_7C15);
    for _ in 0..5_000 {
        agree(&dice.object(4).encode_to_vec());
    }
}

#[test]
fn damaged_bytes_are_accepted_or_refused_as_prost_does() {
    let mut dice = Dice(7);
    for _ in 0..40_000 {
        let mut bytes = dice.object(4).encode_to_vec();
        for _ in 0..=dice.roll(3) {
            let at = dice.roll(bytes.len() + 1);
            match dice.roll(4) {
                0 => bytes.truncate(at),
                1 => bytes.insert(at, dice.roll(256) as u8),
                2 if at < bytes.len() => bytes[at] = dice.roll(256) as u8,
                _ => bytes.extend(dice.object(2).encode_to_vec()),
            }
        }
        agree(&bytes);
    }
}

#[test]
fn short_noise_is_accepted_or_refused_as_prost_does() {
    let likely = [
        0x00, 0x01, 0x02, 0x04, 0x08, 0x09, 0x0a, 0x0b, 0x0c, 0x0d, 0x10, 0x12, 0x1a, 0x20, 0x2a, 0x32, 0x80,
        0xff,
    ];
    let mut dice = Dice(99);
    for _ in 0..200_000 {
        let length = dice.roll(14);
        let bytes: std::vec::Vec<u8> = (0..length).map(|_| likely[dice.roll(likely.len())]).collect();
        agree(&bytes);
    }
}

#[test]
fn unknown_fields_and_groups_are_stepped_over() {
    // Field 9 as each wire type, a group with a nested group among them.
    let noise = [
        0x48, 0x01, 0x49, 1, 2, 3, 4, 5, 6, 7, 8, 0x4a, 0x01, 0xff, 0x4b, 0x53, 0x54, 0x08, 0x01, 0x4c, 0x4d,
        1, 2, 3, 4,
    ];
    agree(&noise);
    assert_eq!(ours(&noise), Ok(serde_json::json!({})));
}

#[test]
fn nesting_is_bounded() {
    let nest = |levels: usize| {
        let mut value = Proto { kind: Some(Kind::BoolValue(true)) };
        for _ in 0..levels {
            value = Proto { kind: Some(Kind::ListValue(ListValue { values: vec![value] })) };
        }
        Struct { fields: [("a".to_owned(), value)].into() }.encode_to_vec()
    };
    assert!(ours(&nest(MAX_DEPTH)).is_ok());
    assert_eq!(ours(&nest(MAX_DEPTH + 1)), Err(Unreadable::too_deep()));
    assert_eq!(ours(&[0x4b].repeat(100_000)), Err(Unreadable::too_deep()));
}
