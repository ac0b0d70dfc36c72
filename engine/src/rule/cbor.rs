//! Deterministic CBOR (RFC 8949 section 4.2.1): what `fractional` v3 hashes.

use bumpalo::Bump;
use bumpalo::collections::Vec as BumpVec;

use crate::rule::Failed;
use crate::value::Value;

/// How deep a value may be nested to be encoded.
const DEPTH: usize = 256;

/// Appends the encoding of `value`.
pub(crate) fn encode<'b>(value: Value<'_>, bump: &'b Bump, out: &mut BumpVec<'b, u8>) -> Result<(), Failed> {
    nested(value, bump, out, DEPTH)
}

fn nested<'b>(
    value: Value<'_>,
    bump: &'b Bump,
    out: &mut BumpVec<'b, u8>,
    depth: usize,
) -> Result<(), Failed> {
    let depth = depth.checked_sub(1).ok_or(Failed)?;
    match value {
        Value::Null => out.push(0xf6),
        Value::Bool(b) => out.push(if b { 0xf5 } else { 0xf4 }),
        Value::Num(n) => number(n, out),
        Value::Str(s) => text(s, out),
        Value::List(items) => {
            head(4, items.len() as u64, out);
            for item in items {
                nested(*item, bump, out, depth)?;
            }
        }
        Value::Map(fields) => {
            // Sorted by the encoded key; of equal keys the last one counts.
            let mut entries: BumpVec<'_, (BumpVec<'_, u8>, Value<'_>)> = BumpVec::new_in(bump);
            for (at, (key, value)) in fields.iter().enumerate() {
                if fields[at + 1..].iter().all(|(later, _)| later != key) {
                    let mut encoded = BumpVec::new_in(bump);
                    text(key, &mut encoded);
                    entries.push((encoded, *value));
                }
            }
            entries.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
            head(5, entries.len() as u64, out);
            for (key, value) in entries {
                out.extend_from_slice_copy(&key);
                nested(value, bump, out, depth)?;
            }
        }
    }
    Ok(())
}

/// Appends a text string.
pub(crate) fn text(text: &str, out: &mut BumpVec<'_, u8>) {
    head(3, text.len() as u64, out);
    out.extend_from_slice_copy(text.as_bytes());
}

/// Appends the head of an array of `len` elements.
pub(crate) fn array(len: usize, out: &mut BumpVec<'_, u8>) {
    head(4, len as u64, out);
}

fn head(major: u8, argument: u64, out: &mut BumpVec<'_, u8>) {
    let major = major << 5;
    let bytes = argument.to_be_bytes();
    let (info, width) = match argument {
        0..=23 => (argument as u8, 0),
        24..=0xff => (24, 1),
        0x100..=0xffff => (25, 2),
        0x1_0000..=0xffff_ffff => (26, 4),
        _ => (27, 8),
    };
    out.push(major | info);
    out.extend_from_slice_copy(&bytes[8 - width..]);
}

/// Whole numbers as integers, others in the shortest float that holds them.
fn number(n: f64, out: &mut BumpVec<'_, u8>) {
    const TWO_63: f64 = 9_223_372_036_854_775_808.0;
    if n.fract() == 0.0 && (-TWO_63..2.0 * TWO_63).contains(&n) {
        if n < 0.0 {
            return head(1, (-1 - (n as i64)) as u64, out);
        }
        return head(0, n as u64, out);
    }
    let single = n as f32;
    if n.is_nan() {
        out.extend_from_slice_copy(&[0xf9, 0x7e, 0x00]);
    } else if f64::from(single) != n {
        out.push(0xfb);
        out.extend_from_slice_copy(&n.to_be_bytes());
    } else if let Some(half) = half(single) {
        out.push(0xf9);
        out.extend_from_slice_copy(&half.to_be_bytes());
    } else {
        out.push(0xfa);
        out.extend_from_slice_copy(&single.to_be_bytes());
    }
}

/// `n` as a half-precision float, if it is one.
fn half(n: f32) -> Option<u16> {
    let bits = n.to_bits();
    let sign = (bits >> 16) as u16 & 0x8000;
    let mantissa = bits & 0x7f_ffff;
    let exponent = (bits >> 23 & 0xff) as i32 - 127;
    match exponent {
        128 if mantissa == 0 => Some(sign | 0x7c00),
        -14..=15 if mantissa & 0x1fff == 0 => {
            Some(sign | ((exponent + 15) as u16) << 10 | (mantissa >> 13) as u16)
        }
        -24..=-15 => {
            // Subnormal: the leading one is written out, and nothing may be shifted away.
            let written = mantissa | 0x80_0000;
            let shift = (-exponent - 1) as u32;
            (written & ((1 << shift) - 1) == 0).then(|| sign | (written >> shift) as u16)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(json: &serde_json::Value) -> String {
        let bump = Bump::new();
        let mut out = BumpVec::new_in(&bump);
        encode(Value::from_json(json, &bump), &bump, &mut out).expect("shallow");
        out.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// RFC 8949, appendix A, as far as JSON goes.
    #[test]
    fn the_rfcs_examples() {
        for (json, encoded) in [
            ("0", "00"),
            ("1", "01"),
            ("23", "17"),
            ("24", "1818"),
            ("100", "1864"),
            ("1000", "1903e8"),
            ("1000000", "1a000f4240"),
            ("1000000000000", "1b000000e8d4a51000"),
            ("-1", "20"),
            ("-10", "29"),
            ("-100", "3863"),
            ("-1000", "3903e7"),
            ("-9223372036854775808", "3b7fffffffffffffff"),
            ("-0.0", "00"),
            ("1.0", "01"),
            ("1.1", "fb3ff199999999999a"),
            ("1.5", "f93e00"),
            ("100000.5", "fa47c35040"),
            ("3.4028234663852886e+38", "fa7f7fffff"),
            ("1.0e+300", "fb7e37e43c8800759c"),
            ("5.960464477539063e-8", "f90001"),
            ("0.00006103515625", "f90400"),
            ("-4.1", "fbc010666666666666"),
            ("false", "f4"),
            ("true", "f5"),
            ("null", "f6"),
            ("\"\"", "60"),
            ("\"IETF\"", "6449455446"),
            ("\"ü\"", "62c3bc"),
            ("[]", "80"),
            ("[1,[2,3],[4,5]]", "8301820203820405"),
            ("{}", "a0"),
            ("{\"b\":[2,3],\"a\":1}", "a26161016162820203"),
            ("{\"aa\":1,\"b\":2}", "a261620262616101"),
        ] {
            assert_eq!(hex(&serde_json::from_str(json).expect("JSON")), encoded, "{json}");
        }
    }
}
