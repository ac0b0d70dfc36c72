//! Encoded `google.protobuf.Struct` to attributes: one pass, strings borrowed, nothing decoded twice.
//!
//! Accepts and refuses what prost does, nesting apart: prost stops at 33 levels, this at [`MAX_DEPTH`].

use bumpalo::collections::Vec;
use engine::{Bump, Value};

use super::{Attributes, MAX_DEPTH, Unreadable};

/// Reads an encoded Struct. A later duplicate of a key counts; NaN and the infinities become text (contract 3.8).
///
/// # Errors
/// The bytes are no Struct, some text in them is not UTF-8, or values nest deeper than [`MAX_DEPTH`].
pub fn scan<'a>(bytes: &'a [u8], bump: &'a Bump) -> Result<Attributes<'a>, Unreadable> {
    fields(bytes, &[], MAX_DEPTH, bump).map_err(Flaw::told)
}

/// What is wrong with the bytes. A word that costs nothing as long as nothing is.
#[derive(Clone, Copy, Debug)]
enum Flaw {
    Truncated,
    Varint,
    Length,
    Key,
    FieldZero,
    WireType,
    GroupEnd,
    Text,
    TooDeep,
}

impl Flaw {
    #[cold]
    fn told(self) -> Unreadable {
        let what = match self {
            Self::Truncated => "truncated",
            Self::Varint => "varint",
            Self::Length => "length",
            Self::Key => "field key",
            Self::FieldZero => "field number 0",
            Self::WireType => "wire type",
            Self::GroupEnd => "group end",
            Self::Text => "text that is not UTF-8",
            Self::TooDeep => return Unreadable::too_deep(),
        };
        Unreadable(format!("the context is not a google.protobuf.Struct: {what}"))
    }
}

/// The fields of a Struct, after those of `earlier` (a message field sent twice is one message, merged).
fn fields<'a>(
    bytes: &'a [u8],
    earlier: &[(&'a str, Value<'a>)],
    depth: usize,
    bump: &'a Bump,
) -> Result<Attributes<'a>, Flaw> {
    let mut fields = Vec::with_capacity_in(earlier.len() + count(bytes)?, bump);
    fields.extend_from_slice(earlier);
    let mut reader = Reader(bytes);
    while let Some((tag, field)) = reader.next()? {
        if tag == 1 {
            let bytes = field.message()?;
            fields.push(match usual(bytes) {
                Some(entry) => entry,
                None => entry(bytes, depth, bump)?,
            });
        }
    }
    Ok(fields.into_bump_slice())
}

/// The items of a ListValue, after those of `earlier`.
fn items<'a>(
    bytes: &'a [u8],
    earlier: &[Value<'a>],
    depth: usize,
    bump: &'a Bump,
) -> Result<&'a [Value<'a>], Flaw> {
    let mut items = Vec::with_capacity_in(earlier.len() + count(bytes)?, bump);
    items.extend_from_slice(earlier);
    let mut reader = Reader(bytes);
    while let Some((tag, field)) = reader.next()? {
        if tag == 1 {
            items.push(value(field.message()?, Value::Null, depth, bump)?);
        }
    }
    Ok(items.into_bump_slice())
}

/// A member of `Struct.fields` as nearly all are: a short key, then a short text, a number or a boolean. `None` is any other
/// one, a damaged one too.
#[inline(always)]
fn usual(bytes: &[u8]) -> Option<(&str, Value<'_>)> {
    let [0x0a, length @ ..0x80, rest @ ..] = bytes else { return None };
    let (key, value) = rest.split_at_checked((*length).into())?;
    match value {
        [0x12, outer @ ..0x80, 0x1a, inner @ ..0x80, text @ ..]
            if usize::from(*inner) == text.len() && usize::from(*outer) == text.len() + 2 =>
        {
            // What stands around key and text is ASCII, so that all of it is UTF-8 exactly if both are.
            let all = std::str::from_utf8(bytes).ok()?;
            Some((all.get(2..2 + key.len())?, Value::Str(all.get(all.len() - text.len()..)?)))
        }
        [0x12, 9, 0x11, double @ ..] => {
            let double = f64::from_le_bytes(double.try_into().ok()?);
            Some((std::str::from_utf8(key).ok()?, number(double)))
        }
        [0x12, 2, 0x20, boolean @ ..0x80] => {
            Some((std::str::from_utf8(key).ok()?, Value::Bool(*boolean != 0)))
        }
        _ => None,
    }
}

/// A member of `Struct.fields`: key 1, value 2.
fn entry<'a>(bytes: &'a [u8], depth: usize, bump: &'a Bump) -> Result<(&'a str, Value<'a>), Flaw> {
    let mut entry = ("", Value::Null);
    let mut reader = Reader(bytes);
    while let Some((tag, field)) = reader.next()? {
        match tag {
            1 => entry.0 = field.text()?,
            2 => entry.1 = value(field.message()?, entry.1, depth, bump)?,
            _ => {}
        }
    }
    Ok(entry)
}

/// A Value, merged over `earlier`. Of several kinds the last counts; none is null.
fn value<'a>(bytes: &'a [u8], earlier: Value<'a>, depth: usize, bump: &'a Bump) -> Result<Value<'a>, Flaw> {
    let mut value = earlier;
    let mut reader = Reader(bytes);
    while let Some((tag, field)) = reader.next()? {
        let deeper = || depth.checked_sub(1).ok_or(Flaw::TooDeep);
        value = match tag {
            1 => field.varint().map(|_| Value::Null)?,
            2 => number(field.double()?),
            3 => Value::Str(field.text()?),
            4 => Value::Bool(field.varint()? != 0),
            5 => {
                let earlier = if let Value::Map(earlier) = value { earlier } else { &[] };
                Value::Map(fields(field.message()?, earlier, deeper()?, bump)?)
            }
            6 => {
                let earlier = if let Value::List(earlier) = value { earlier } else { &[] };
                Value::List(items(field.message()?, earlier, deeper()?, bump)?)
            }
            _ => value,
        };
    }
    Ok(value)
}

fn number<'a>(number: f64) -> Value<'a> {
    if number.is_finite() {
        Value::Num(number)
    } else if number.is_nan() {
        Value::Str("NaN")
    } else if number > 0.0 {
        Value::Str("Infinity")
    } else {
        Value::Str("-Infinity")
    }
}

/// How often field 1 comes, so that its values get their space at once.
fn count(bytes: &[u8]) -> Result<usize, Flaw> {
    let mut count = 0;
    let mut reader = Reader(bytes);
    while let Some((tag, _)) = reader.next()? {
        count += usize::from(tag == 1);
    }
    Ok(count)
}

/// A field of a message, by wire type.
#[derive(Clone, Copy)]
enum Field<'a> {
    Varint(u64),
    Fixed64([u8; 8]),
    Delimited(&'a [u8]),
    /// 32 bits or a group: nothing that a Struct has.
    Other,
}

impl<'a> Field<'a> {
    fn message(self) -> Result<&'a [u8], Flaw> {
        if let Self::Delimited(bytes) = self { Ok(bytes) } else { Err(Flaw::WireType) }
    }

    fn text(self) -> Result<&'a str, Flaw> {
        std::str::from_utf8(self.message()?).map_err(|_| Flaw::Text)
    }

    fn varint(self) -> Result<u64, Flaw> {
        if let Self::Varint(number) = self { Ok(number) } else { Err(Flaw::WireType) }
    }

    fn double(self) -> Result<f64, Flaw> {
        if let Self::Fixed64(bytes) = self { Ok(f64::from_le_bytes(bytes)) } else { Err(Flaw::WireType) }
    }
}

/// The fields of one message, front to back.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// The next field and its number; groups are stepped over whole.
    #[inline(always)]
    fn next(&mut self) -> Result<Option<(u32, Field<'a>)>, Flaw> {
        if self.0.is_empty() {
            return Ok(None);
        }
        let (tag, wire) = self.key()?;
        let field = match wire {
            3 => {
                self.group(tag, MAX_DEPTH)?;
                Field::Other
            }
            _ => self.field(wire)?,
        };
        Ok(Some((tag, field)))
    }

    #[inline(always)]
    fn key(&mut self) -> Result<(u32, u32), Flaw> {
        let key = u32::try_from(self.varint()?).map_err(|_| Flaw::Key)?;
        if key >> 3 == 0 { Err(Flaw::FieldZero) } else { Ok((key >> 3, key & 7)) }
    }

    #[inline(always)]
    fn field(&mut self, wire: u32) -> Result<Field<'a>, Flaw> {
        Ok(match wire {
            0 => Field::Varint(self.varint()?),
            1 => Field::Fixed64(self.array()?),
            2 => {
                let length = usize::try_from(self.varint()?).map_err(|_| Flaw::Length)?;
                Field::Delimited(self.take(length)?)
            }
            5 => self.array::<4>().map(|_| Field::Other)?,
            _ => return Err(Flaw::WireType),
        })
    }

    /// The rest of the group `tag`, to its end mark.
    fn group(&mut self, tag: u32, depth: usize) -> Result<(), Flaw> {
        let deeper = depth.checked_sub(1).ok_or(Flaw::TooDeep)?;
        loop {
            match self.key()? {
                (end, 4) if end == tag => return Ok(()),
                (_, 4) => return Err(Flaw::GroupEnd),
                (inner, 3) => self.group(inner, deeper)?,
                (_, wire) => {
                    self.field(wire)?;
                }
            }
        }
    }

    /// Keys and lengths are mostly of one byte.
    #[inline(always)]
    fn varint(&mut self) -> Result<u64, Flaw> {
        match self.0 {
            [byte @ ..0x80, rest @ ..] => {
                self.0 = rest;
                Ok((*byte).into())
            }
            _ => self.long_varint(),
        }
    }

    #[inline(never)]
    fn long_varint(&mut self) -> Result<u64, Flaw> {
        let mut number = 0;
        for (at, byte) in self.0.iter().take(10).enumerate() {
            number |= u64::from(byte & 0x7f) << (7 * at);
            if byte & 0x80 == 0 {
                if at == 9 && *byte > 1 {
                    break;
                }
                self.0 = &self.0[at + 1..];
                return Ok(number);
            }
        }
        Err(Flaw::Varint)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Flaw> {
        let (array, rest) = self.0.split_first_chunk().ok_or(Flaw::Truncated)?;
        self.0 = rest;
        Ok(*array)
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], Flaw> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or(Flaw::Truncated)?;
        self.0 = rest;
        Ok(taken)
    }
}

#[cfg(test)]
#[path = "structure_tests.rs"]
mod tests;
