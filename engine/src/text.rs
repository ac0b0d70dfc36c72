//! JSON text as Go's `encoding/json` writes it: keys sorted, `<`, `>` and `&` escaped, numbers as the doubles they are.

use std::fmt::{self, Write};

use bumpalo::Bump;
use bumpalo::collections::Vec as BumpVec;

use crate::value::Value;

/// How deep a value may be nested to be written.
const DEPTH: usize = 256;

/// Appends `value` as JSON text (contract 3.8, 7.1 step 6).
pub fn write_json(value: &serde_json::Value, out: &mut String) {
    match value {
        serde_json::Value::Null => out.push_str("null"),
        serde_json::Value::Bool(b) => out.push_str(if *b { "true" } else { "false" }),
        serde_json::Value::Number(n) => {
            // Neither writing to a string nor a number read from JSON can fail.
            let _ = write_number(n.as_f64().unwrap_or_default(), out);
        }
        serde_json::Value::String(s) => {
            let _ = write_string(s, out);
        }
        serde_json::Value::Array(items) => {
            out.push('[');
            for (i, item) in items.iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                write_json(item, out);
            }
            out.push(']');
        }
        serde_json::Value::Object(fields) => {
            out.push('{');
            for (i, (key, value)) in by_key(fields.iter()).enumerate() {
                if i > 0 {
                    out.push(',');
                }
                let _ = write_string(key, out);
                out.push(':');
                write_json(value, out);
            }
            out.push('}');
        }
    }
}

/// The fields of an object in the order of their keys. Those of a rule are mostly one, which needs no sorting.
pub(crate) fn by_key<K: Ord, V>(mut fields: impl Iterator<Item = (K, V)>) -> impl Iterator<Item = (K, V)> {
    let (first, second) = (fields.next(), fields.next());
    let mut more = Vec::new();
    if second.is_some() {
        more.extend(first.into_iter().chain(second).chain(fields));
        more.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        return None.into_iter().chain(more);
    }
    first.into_iter().chain(more)
}

/// Writes a value of a running rule, with scratch space from `bump`. Fails for NaN, infinities and absurd nesting.
pub(crate) fn write_value(value: Value<'_>, bump: &Bump, out: &mut impl Write) -> fmt::Result {
    write_nested(value, bump, out, DEPTH)
}

fn write_nested(value: Value<'_>, bump: &Bump, out: &mut impl Write, depth: usize) -> fmt::Result {
    let depth = depth.checked_sub(1).ok_or(fmt::Error)?;
    match value {
        Value::Null => out.write_str("null"),
        Value::Bool(b) => out.write_str(if b { "true" } else { "false" }),
        Value::Num(n) => write_number(n, out),
        Value::Str(s) => write_string(s, out),
        Value::List(items) => {
            out.write_char('[')?;
            for (i, item) in items.iter().enumerate() {
                if i > 0 {
                    out.write_char(',')?;
                }
                write_nested(*item, bump, out, depth)?;
            }
            out.write_char(']')
        }
        Value::Map(fields) => {
            out.write_char('{')?;
            for (i, (key, value)) in sorted(fields, bump).into_iter().enumerate() {
                if i > 0 {
                    out.write_char(',')?;
                }
                write_string(key, out)?;
                out.write_char(':')?;
                write_nested(value, bump, out, depth)?;
            }
            out.write_char('}')
        }
    }
}

/// The fields by key, of several with one key only the last.
fn sorted<'b, 'v>(fields: &[(&'v str, Value<'v>)], bump: &'b Bump) -> BumpVec<'b, (&'v str, Value<'v>)> {
    let mut order = BumpVec::from_iter_in(0..fields.len(), bump);
    order.sort_unstable_by_key(|&at| (fields[at].0, at));
    let mut out: BumpVec<'b, (&'v str, Value<'v>)> = BumpVec::with_capacity_in(fields.len(), bump);
    for at in order {
        match out.last_mut() {
            Some(last) if last.0 == fields[at].0 => *last = fields[at],
            _ => out.push(fields[at]),
        }
    }
    out
}

/// Writes `n` as `encoding/json` does: shortest digits, an exponent below 1e-6 and from 1e21 on.
pub(crate) fn write_number(n: f64, out: &mut impl Write) -> fmt::Result {
    if !n.is_finite() {
        return Err(fmt::Error);
    }
    let size = n.abs();
    if size != 0.0 && size < 1e-6 {
        write!(out, "{n:e}")
    } else if size >= 1e21 {
        write!(Signed(out), "{n:e}")
    } else {
        write!(out, "{n}")
    }
}

/// Gives a positive exponent its sign.
struct Signed<'w, W>(&'w mut W);

impl<W: Write> Write for Signed<'_, W> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        match text.split_once('e') {
            Some((before, after)) => {
                self.0.write_str(before)?;
                self.0.write_str("e+")?;
                self.0.write_str(after)
            }
            None => self.0.write_str(text),
        }
    }
}

/// Writes `n` in plain decimal digits whatever its size, as Go's `FormatFloat(n, 'f', -1, 64)` does.
pub(crate) fn write_plain(n: f64, out: &mut impl Write) -> fmt::Result {
    if n.is_infinite() { out.write_str(if n > 0.0 { "+Inf" } else { "-Inf" }) } else { write!(out, "{n}") }
}

pub(crate) fn write_string(text: &str, out: &mut impl Write) -> fmt::Result {
    out.write_char('"')?;
    let mut written = 0;
    for (at, c) in text.char_indices() {
        let short = match c {
            '"' => "\\\"",
            '\\' => "\\\\",
            '\u{8}' => "\\b",
            '\u{c}' => "\\f",
            '\n' => "\\n",
            '\r' => "\\r",
            '\t' => "\\t",
            '\0'..='\u{1f}' | '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => "",
            _ => continue,
        };
        out.write_str(&text[written..at])?;
        written = at + c.len_utf8();
        if short.is_empty() {
            write!(out, "\\u{:04x}", u32::from(c))?;
        } else {
            out.write_str(short)?;
        }
    }
    out.write_str(&text[written..])?;
    out.write_char('"')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(n: f64) -> String {
        let mut out = String::new();
        write_number(n, &mut out).map_or_else(|_| "failed".to_owned(), |()| out)
    }

    #[test]
    fn numbers_as_go_writes_them() {
        for (n, text) in [
            (0.0, "0"),
            (-0.0, "-0"),
            (1.0, "1"),
            (1.5, "1.5"),
            (-2.25, "-2.25"),
            (1e20, "100000000000000000000"),
            (1e21, "1e+21"),
            (-1.5e300, "-1.5e+300"),
            (1e-6, "0.000001"),
            (1e-7, "1e-7"),
            (1.25e-10, "1.25e-10"),
            (5e-324, "5e-324"),
            (0.1 + 0.2, "0.30000000000000004"),
            (9007199254740993.0, "9007199254740992"),
            (f64::NAN, "failed"),
            (f64::INFINITY, "failed"),
        ] {
            assert_eq!(number(n), text);
        }
    }

    #[test]
    fn plain_numbers_have_no_exponent() {
        for (n, text) in [
            (1e21, "1000000000000000000000"),
            (1e-7, "0.0000001"),
            (f64::INFINITY, "+Inf"),
            (f64::NEG_INFINITY, "-Inf"),
            (f64::NAN, "NaN"),
        ] {
            let mut out = String::new();
            write_plain(n, &mut out).expect("a string takes everything");
            assert_eq!(out, text);
        }
    }

    #[test]
    fn json_is_sorted_and_escaped() {
        let json = serde_json::json!({"b": [1.0, 2e21, "<&>"], "a": "\u{1}\u{8}\n\"\\\u{2028}é", "c": {}});
        let text = r#"{"a":"\u0001\b\n\"\\\u2028é","b":[1,2e+21,"\u003c\u0026\u003e"],"c":{}}"#;
        let mut out = String::new();
        write_json(&json, &mut out);
        assert_eq!(out, text);
        let bump = Bump::new();
        let mut out = String::new();
        write_value(Value::from_json(&json, &bump), &bump, &mut out).expect("all numbers are finite");
        assert_eq!(out, text);
    }

    #[test]
    fn the_last_of_equal_keys_counts() {
        let bump = Bump::new();
        let fields = [("b", Value::Null), ("a", Value::Num(1.0)), ("a", Value::Num(2.0))];
        let mut out = String::new();
        write_value(Value::Map(&fields), &bump, &mut out).expect("all numbers are finite");
        assert_eq!(out, r#"{"a":2,"b":null}"#);
    }
}
