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
    fields(bytes, &[], MAX_DEPTH, bump)
}

/// The fields of a Struct, after those of `earlier` (a message field sent twice is one message, merged).
fn fields<'a>(
    bytes: &'a [u8],
    earlier: &[(&'a str, Value<'a>)],
    depth: usize,
    bump: &'a Bump,
) -> Result<Attributes<'a>, Unreadable> {
    let mut fields = Vec::with_capacity_in(earlier.len() + count(bytes)?, bump);
    fields.extend_from_slice(earlier);
    let mut reader = Reader(bytes);
    while let Some((tag, field)) = reader.next()? {
        if tag == 1 {
            fields.push(entry(field.message()?, depth, bump)?);
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
) -> Result<&'a [Value<'a>], Unreadable> {
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

/// A member of `Struct.fields`: key 1, value 2.
fn entry<'a>(bytes: &'a [u8], depth: usize, bump: &'a Bump) -> Result<(&'a str, Value<'a>), Unreadable> {
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
fn value<'a>(
    bytes: &'a [u8],
    earlier: Value<'a>,
    depth: usize,
    bump: &'a Bump,
) -> Result<Value<'a>, Unreadable> {
    let mut value = earlier;
    let mut reader = Reader(bytes);
    while let Some((tag, field)) = reader.next()? {
        let deeper = || depth.checked_sub(1).ok_or_else(Unreadable::too_deep);
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
fn count(bytes: &[u8]) -> Result<usize, Unreadable> {
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
    fn message(self) -> Result<&'a [u8], Unreadable> {
        if let Self::Delimited(bytes) = self { Ok(bytes) } else { Err(malformed("wire type")) }
    }

    fn text(self) -> Result<&'a str, Unreadable> {
        std::str::from_utf8(self.message()?).map_err(|_| malformed("text that is not UTF-8"))
    }

    fn varint(self) -> Result<u64, Unreadable> {
        if let Self::Varint(number) = self { Ok(number) } else { Err(malformed("wire type")) }
    }

    fn double(self) -> Result<f64, Unreadable> {
        if let Self::Fixed64(bytes) = self {
            Ok(f64::from_le_bytes(bytes))
        } else {
            Err(malformed("wire type"))
        }
    }
}

#[cold]
fn malformed(what: &str) -> Unreadable {
    Unreadable(format!("the context is not a google.protobuf.Struct: {what}"))
}

/// The fields of one message, front to back.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// The next field and its number; groups are stepped over whole.
    #[inline]
    fn next(&mut self) -> Result<Option<(u32, Field<'a>)>, Unreadable> {
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

    #[inline]
    fn key(&mut self) -> Result<(u32, u32), Unreadable> {
        let key = u32::try_from(self.varint()?).map_err(|_| malformed("field key"))?;
        if key >> 3 == 0 { Err(malformed("field number 0")) } else { Ok((key >> 3, key & 7)) }
    }

    #[inline]
    fn field(&mut self, wire: u32) -> Result<Field<'a>, Unreadable> {
        Ok(match wire {
            0 => Field::Varint(self.varint()?),
            1 => Field::Fixed64(self.array()?),
            2 => {
                let length = usize::try_from(self.varint()?).map_err(|_| malformed("length"))?;
                Field::Delimited(self.take(length)?)
            }
            5 => self.array::<4>().map(|_| Field::Other)?,
            _ => return Err(malformed("wire type")),
        })
    }

    /// The rest of the group `tag`, to its end mark.
    fn group(&mut self, tag: u32, depth: usize) -> Result<(), Unreadable> {
        let deeper = depth.checked_sub(1).ok_or_else(Unreadable::too_deep)?;
        loop {
            match self.key()? {
                (end, 4) if end == tag => return Ok(()),
                (_, 4) => return Err(malformed("group end")),
                (inner, 3) => self.group(inner, deeper)?,
                (_, wire) => {
                    self.field(wire)?;
                }
            }
        }
    }

    /// Keys and lengths are mostly of one byte.
    #[inline]
    fn varint(&mut self) -> Result<u64, Unreadable> {
        match self.0 {
            [byte @ ..0x80, rest @ ..] => {
                self.0 = rest;
                Ok((*byte).into())
            }
            _ => self.long_varint(),
        }
    }

    #[inline(never)]
    fn long_varint(&mut self) -> Result<u64, Unreadable> {
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
        Err(malformed("varint"))
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Unreadable> {
        let (array, rest) = self.0.split_first_chunk().ok_or_else(|| malformed("truncated"))?;
        self.0 = rest;
        Ok(*array)
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], Unreadable> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or_else(|| malformed("truncated"))?;
        self.0 = rest;
        Ok(taken)
    }
}

#[cfg(test)]
#[path = "structure_tests.rs"]
mod tests;
