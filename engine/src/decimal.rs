//! Numbers in text, read as Go's `strconv.ParseFloat` reads them (contract 7.2, `==`).

/// Why a text is not a number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Unreadable {
    /// It does not look like one.
    Syntax,
    /// It is too large; the infinity it stands for.
    Range(f64),
}

/// The number that Go's `strconv.ParseFloat` makes of `text`; `None` where it makes an error of it.
pub fn parse_float(text: &str) -> Option<f64> {
    parse(text).ok()
}

/// Reads decimal and hexadecimal floating-point literals, `inf`, `infinity` and `nan`; nothing is trimmed.
pub(crate) fn parse(text: &str) -> Result<f64, Unreadable> {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let Some(&first) = unsigned.as_bytes().first() else { return Err(Unreadable::Syntax) };
    if !first.is_ascii_digit() && first != b'.' {
        return special(text, unsigned);
    }
    let n = if text.contains('_') {
        if !separators_stand_between_digits(unsigned) {
            return Err(Unreadable::Syntax);
        }
        // Rare enough to be worth neither a scratch arena nor a second parser: at most the digits an f64 can tell apart.
        let mut digits = [0u8; 1100];
        let mut len = 0;
        for byte in text.bytes().filter(|byte| *byte != b'_') {
            *digits.get_mut(len).ok_or(Unreadable::Syntax)? = byte;
            len += 1;
        }
        read(std::str::from_utf8(&digits[..len]).map_err(|_| Unreadable::Syntax)?)?
    } else {
        read(text)?
    };
    if n.is_infinite() { Err(Unreadable::Range(n)) } else { Ok(n) }
}

fn special(text: &str, unsigned: &str) -> Result<f64, Unreadable> {
    let infinite = unsigned.eq_ignore_ascii_case("inf") || unsigned.eq_ignore_ascii_case("infinity");
    if infinite {
        Ok(if text.starts_with('-') { f64::NEG_INFINITY } else { f64::INFINITY })
    } else if text.eq_ignore_ascii_case("nan") {
        Ok(f64::NAN)
    } else {
        Err(Unreadable::Syntax)
    }
}

fn read(text: &str) -> Result<f64, Unreadable> {
    let (negative, unsigned) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    match unsigned.strip_prefix("0x").or_else(|| unsigned.strip_prefix("0X")) {
        Some(hex) => hexadecimal(hex).map(|n| if negative { -n } else { n }).ok_or(Unreadable::Syntax),
        None => text.parse().map_err(|_| Unreadable::Syntax),
    }
}

/// Reads `<digits>[.<digits>]p<exponent>`, the mantissa rounded once.
fn hexadecimal(text: &str) -> Option<f64> {
    let (mantissa, exponent) = text.split_once(['p', 'P'])?;
    let digits = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let limit = if exponent.starts_with('-') { -100_000 } else { 100_000 };
    let mut scale: i32 = exponent.parse().unwrap_or(limit).clamp(-100_000, 100_000);
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let mut bits: u64 = 0;
    for (at, byte) in whole.bytes().chain(fraction.bytes()).enumerate() {
        let digit = u64::from(char::from(byte).to_digit(16)?);
        let step = if at < whole.len() { 0 } else { -4 };
        if bits >> 58 == 0 {
            bits = bits << 4 | digit;
            scale = scale.saturating_add(step);
        } else {
            // Beyond what a double holds: keep only that something was there.
            bits |= u64::from(digit != 0);
            scale = scale.saturating_add(step + 4);
        }
    }
    Some(scaled(bits as f64, scale))
}

fn scaled(mut n: f64, mut scale: i32) -> f64 {
    while scale != 0 && n != 0.0 && n.is_finite() {
        let step = scale.clamp(-1000, 1000);
        n *= 2f64.powi(step);
        scale -= step;
    }
    n
}

fn separators_stand_between_digits(unsigned: &str) -> bool {
    let bytes = unsigned.as_bytes();
    let prefixed =
        bytes.len() >= 2 && bytes[0] == b'0' && matches!(bytes[1], b'b' | b'B' | b'o' | b'O' | b'x' | b'X');
    let hex = prefixed && matches!(bytes[1], b'x' | b'X');
    // The base prefix counts as a digit.
    let mut digit_before = prefixed;
    let mut separator_before = false;
    for byte in &bytes[if prefixed { 2 } else { 0 }..] {
        let digit = byte.is_ascii_digit() || hex && byte.is_ascii_hexdigit();
        if *byte == b'_' && !digit_before || separator_before && !digit {
            return false;
        }
        digit_before = digit;
        separator_before = *byte == b'_';
    }
    !separator_before
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_go_reads() {
        for (text, n) in [
            ("1", 1.0),
            ("+1.", 1.0),
            (".5", 0.5),
            ("-1e3", -1000.0),
            ("1_000", 1000.0),
            ("1e1_0", 1e10),
            ("0x1p4", 16.0),
            ("0x_1.8P1", 3.0),
            ("-0x10p-4", -1.0),
            ("Inf", f64::INFINITY),
            ("-infinity", f64::NEG_INFINITY),
            ("1e-400", 0.0),
            ("5e-324", 5e-324),
            ("9007199254740993", 9007199254740992.0),
        ] {
            assert_eq!(parse(text), Ok(n), "{text}");
        }
        assert!(parse("nan").expect("a number of sorts").is_nan());
    }

    #[test]
    fn refuses_what_go_refuses() {
        for text in [
            "", " 1", "1 ", "0x10", "_1", "1_", "1__0", "1_.5", "1e", "1e_1", ".", "e5", "+nan", "infi",
            "abc", "１", "--1", "0b1", "0x.p1", "0xgp1",
        ] {
            assert_eq!(parse(text), Err(Unreadable::Syntax), "{text}");
        }
        assert_eq!(parse("1e999"), Err(Unreadable::Range(f64::INFINITY)));
        assert_eq!(parse("-0x1p99999"), Err(Unreadable::Range(f64::NEG_INFINITY)));
    }
}
