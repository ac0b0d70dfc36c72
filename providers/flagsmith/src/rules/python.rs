//! Text and numbers as Python reads and writes them. The server is written in it, and its rules lean on what `int`,
//! `float` and `str` do.

use std::fmt;

/// `int(text)`: space around it, a sign, and single underscores between digits are allowed; a point is not. What does not
/// fit is as large as can be.
pub(crate) fn int(text: &str) -> Option<i128> {
    let text = text.trim();
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if !separated(digits) || !digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'_') {
        return None;
    }
    let magnitude = digits
        .bytes()
        .filter(u8::is_ascii_digit)
        .fold(0i128, |sum, digit| sum.saturating_mul(10).saturating_add(i128::from(digit - b'0')));
    Some(if text.starts_with('-') { -magnitude } else { magnitude })
}

/// `float(text)`: like [`int`], and with a fraction, an exponent, `inf` and `nan`.
pub(crate) fn float(text: &str) -> Option<f64> {
    let text = text.trim();
    if !text.contains('_') {
        return text.parse().ok();
    }
    let whole = text.strip_prefix(['+', '-']).unwrap_or(text);
    let groups = whole.split(['.', 'e', 'E', '+', '-']);
    let sound = groups.filter(|group| !group.is_empty()).all(separated);
    sound.then(|| text.replace('_', "").parse().ok()).flatten()
}

/// Whether underscores stand only between digits.
fn separated(digits: &str) -> bool {
    !digits.is_empty() && !digits.starts_with('_') && !digits.ends_with('_') && !digits.contains("__")
}

/// `str(n)` of a float: the shortest digits that read back as `n`, with an exponent of two digits at least.
pub(crate) fn write_float(n: f64, f: &mut impl fmt::Write) -> fmt::Result {
    let size = n.abs();
    if n.is_nan() {
        f.write_str("nan")
    } else if n.is_infinite() {
        f.write_str(if n > 0.0 { "inf" } else { "-inf" })
    } else if size != 0.0 && !(1e-4..1e16).contains(&size) {
        let text = format!("{n:e}");
        let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let (sign, exponent) = exponent.strip_prefix('-').map_or(('+', exponent), |rest| ('-', rest));
        write!(f, "{digits}e{sign}{exponent:0>2}")
    } else {
        write!(f, "{n:?}")
    }
}

/// `a % b`: the result has the sign of `b`. `None` where Python raises an error.
pub(crate) fn modulo(a: f64, b: f64) -> Option<f64> {
    if b == 0.0 {
        return None;
    }
    let rest = a % b;
    Some(if rest != 0.0 && (rest < 0.0) != (b < 0.0) { rest + b } else { rest })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers() {
        for (text, n) in [
            ("30", Some(30)),
            (" -4\n", Some(-4)),
            ("+007", Some(7)),
            ("1_000", Some(1000)),
            ("30.0", None),
            ("1__0", None),
            ("_1", None),
            ("", None),
            ("-", None),
            ("1e3", None),
            ("0x10", None),
        ] {
            assert_eq!(int(text), n, "{text:?}");
        }
        assert_eq!(int(&"9".repeat(60)), Some(i128::MAX));
    }

    #[test]
    fn floats() {
        for (text, n) in [
            ("30", Some(30.0)),
            (" 1.5 ", Some(1.5)),
            (".5", Some(0.5)),
            ("1_0.2_5e1_0", Some(10.25e10)),
            ("-inf", Some(f64::NEG_INFINITY)),
            ("1_.5", None),
            ("_1", None),
            ("1.5x", None),
            ("", None),
        ] {
            assert_eq!(float(text), n, "{text:?}");
        }
    }

    #[test]
    fn floats_as_text() {
        for (n, text) in [
            (30.0, "30.0"),
            (31.5, "31.5"),
            (-0.0, "-0.0"),
            (1e16, "1e+16"),
            (1.5e-5, "1.5e-05"),
            (0.0001, "0.0001"),
            (1e15, "1000000000000000.0"),
            (1.25e120, "1.25e+120"),
            (f64::NAN, "nan"),
        ] {
            let mut out = String::new();
            write_float(n, &mut out).expect("strings take everything");
            assert_eq!(out, text);
        }
    }

    #[test]
    fn modulo_is_floored() {
        assert_eq!(modulo(-4.0, 3.0), Some(2.0));
        assert_eq!(modulo(4.0, -3.0), Some(-2.0));
        assert_eq!(modulo(9.0, 3.0), Some(0.0));
        assert_eq!(modulo(1.0, 0.0), None);
    }
}
