//! `sem_ver`: semantic versions compared (contract 7.4).

use std::cmp::Ordering;

use crate::rule::{Failed, Rule, Scope};
use crate::text::write_plain;
use crate::value::Value;
use crate::witness::Witness;

/// `sem_ver` against a literal version.
#[derive(Debug)]
pub(crate) struct SemVer {
    pub(crate) version: Rule,
    pub(crate) relation: Relation,
    pub(crate) target: Owned,
    /// The target once more, if it is [`plain`].
    pub(crate) plain: Option<[u64; 3]>,
}

/// How two versions are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Relation {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    SameMinor,
    SameMajor,
}

/// A parsed version; build metadata is checked and forgotten.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Version<'v> {
    numbers: [Number<'v>; 3],
    pre_release: &'v [u8],
}

/// A number of any length, without leading zeros.
#[derive(Clone, Copy, Debug)]
struct Number<'v> {
    /// `u64::MAX` for more digits than fit.
    value: u64,
    digits: &'v [u8],
}

/// A version that outlives its text.
#[derive(Debug)]
pub(crate) struct Owned {
    numbers: [(u64, Box<[u8]>); 3],
    pre_release: Box<[u8]>,
}

impl SemVer {
    #[inline(never)]
    pub(crate) fn run<'a, W: Witness>(
        &'a self,
        scope: &Scope<'a>,
        w: &mut W,
    ) -> Result<Option<bool>, Failed> {
        let version = self.version.operand(Some(0), scope, w)?;
        Ok(match version {
            Value::Str(text) => match (plain(text.as_bytes()), self.plain) {
                (Some(version), Some(target)) => Some(self.relation.holds_plainly(version, target)),
                _ => relate(Version::parse(text), self.relation, Some(self.target.version())),
            },
            Value::Num(_) => {
                let text = number(version, scope)?;
                relate(Version::parse(text), self.relation, Some(self.target.version()))
            }
            _ => None,
        })
    }
}

/// `sem_ver` over whatever comes out of the argument; anything but three fitting operands gives `null`.
#[inline(never)]
pub(crate) fn any<'a, W: Witness>(args: &'a Rule, scope: &Scope<'a>, w: &mut W) -> Result<Value<'a>, Failed> {
    let Value::List([a, Value::Str(relation), b]) = args.arguments(scope, w)? else { return Ok(Value::Null) };
    let Some(relation) = Relation::parse(relation) else { return Ok(Value::Null) };
    let text = |value: &Value<'a>| match value {
        Value::Str(text) => Ok(*text),
        Value::Num(_) => number(*value, scope),
        _ => Ok(""),
    };
    let (a, b) = (text(a)?, text(b)?);
    Ok(relate(Version::parse(a), relation, Version::parse(b)).map_or(Value::Null, Value::Bool))
}

/// A number as a version. What Go writes with an exponent is none, and that begins at a million.
fn number<'a>(value: Value<'a>, scope: &Scope<'a>) -> Result<&'a str, Failed> {
    match value {
        Value::Num(n) if n != 0.0 && (n.abs() < 1e-4 || n.abs() >= 1e6) => Ok(""),
        Value::Num(n) => {
            let mut text = bumpalo::collections::String::new_in(scope.bump);
            write_plain(n, &mut text).map_err(|_| Failed)?;
            Ok(text.into_bump_str())
        }
        _ => Ok(""),
    }
}

#[inline]
fn relate(a: Option<Version<'_>>, relation: Relation, b: Option<Version<'_>>) -> Option<bool> {
    Some(relation.holds(&a?, &b?))
}

impl Relation {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "=" => Self::Equal,
            "!=" => Self::NotEqual,
            "<" => Self::Less,
            "<=" => Self::LessOrEqual,
            ">" => Self::Greater,
            ">=" => Self::GreaterOrEqual,
            "~" => Self::SameMinor,
            "^" => Self::SameMajor,
            _ => return None,
        })
    }

    #[inline]
    fn holds_plainly(self, a: [u64; 3], b: [u64; 3]) -> bool {
        match self {
            Self::Equal => a == b,
            Self::NotEqual => a != b,
            Self::Less => a < b,
            Self::LessOrEqual => a <= b,
            Self::Greater => a > b,
            Self::GreaterOrEqual => a >= b,
            Self::SameMinor => a[..2] == b[..2],
            Self::SameMajor => a[0] == b[0],
        }
    }

    #[inline]
    fn holds(self, a: &Version<'_>, b: &Version<'_>) -> bool {
        match self {
            Self::Equal => a.order(b).is_eq(),
            Self::NotEqual => a.order(b).is_ne(),
            Self::Less => a.order(b).is_lt(),
            Self::LessOrEqual => a.order(b).is_le(),
            Self::Greater => a.order(b).is_gt(),
            Self::GreaterOrEqual => a.order(b).is_ge(),
            Self::SameMinor => a.leads_like(b, 2),
            Self::SameMajor => a.leads_like(b, 1),
        }
    }
}

/// The numbers of a version that is nothing but one to three numbers of at most nine digits: most are.
#[inline]
pub(crate) fn plain(text: &[u8]) -> Option<[u64; 3]> {
    let mut numbers = [0; 3];
    let mut rest = text;
    for number in &mut numbers {
        let mut length = 0;
        while let Some(digit) =
            rest.get(length).map(|byte| byte.wrapping_sub(b'0')).filter(|digit| *digit < 10)
        {
            *number = *number * 10 + u64::from(digit);
            length += 1;
            if length > 9 {
                return None;
            }
        }
        if length == 0 || length > 1 && rest[0] == b'0' {
            return None;
        }
        match rest.get(length) {
            None => return Some(numbers),
            Some(b'.') => rest = &rest[length + 1..],
            Some(_) => return None,
        }
    }
    // A third dot.
    None
}

impl<'v> Version<'v> {
    /// Reads `1`, `1.2` or `1.2.3-pre.1+build`, with one leading `v` or `V`.
    #[inline]
    pub(crate) fn parse(text: &'v str) -> Option<Self> {
        let text = text.as_bytes();
        let mut rest = if let [b'v' | b'V', rest @ ..] = text { rest } else { text };
        let mut version = Self { numbers: [Number { value: 0, digits: b"0" }; 3], pre_release: b"" };
        version.numbers[0] = Number::take(&mut rest)?;
        for number in &mut version.numbers[1..] {
            rest = match rest {
                [] => return Some(version),
                [b'.', rest @ ..] => rest,
                _ => return None,
            };
            *number = Number::take(&mut rest)?;
        }
        if let [b'-', after @ ..] = rest {
            let end = after.iter().position(|byte| *byte == b'+').unwrap_or(after.len());
            (version.pre_release, rest) = after.split_at(end);
            if !identifiers(version.pre_release, true) {
                return None;
            }
        }
        match rest {
            [] => Some(version),
            [b'+', build @ ..] => identifiers(build, false).then_some(version),
            _ => None,
        }
    }

    /// Precedence as semver 2.0 section 11 has it.
    #[inline]
    fn order(&self, other: &Self) -> Ordering {
        let numbers = self.numbers.iter().zip(&other.numbers).map(|(a, b)| a.order(b));
        let order = numbers.fold(Ordering::Equal, Ordering::then);
        order.then_with(|| match (self.pre_release, other.pre_release) {
            ([], []) => Ordering::Equal,
            ([], _) => Ordering::Greater,
            (_, []) => Ordering::Less,
            (a, b) => pre_releases(a, b),
        })
    }

    /// Whether the first `count` numbers are the same.
    fn leads_like(&self, other: &Self, count: usize) -> bool {
        self.numbers.iter().zip(&other.numbers).take(count).all(|(a, b)| a.order(b).is_eq())
    }
}

impl<'v> Number<'v> {
    /// Takes a number without leading zeros off the front of `rest`.
    #[inline]
    fn take(rest: &mut &'v [u8]) -> Option<Self> {
        let (mut value, mut len) = (0u64, 0);
        while let Some(byte) = rest.get(len).filter(|byte| byte.is_ascii_digit()) {
            value = value.wrapping_mul(10).wrapping_add(u64::from(byte - b'0'));
            len += 1;
        }
        let (digits, after) = rest.split_at(len);
        *rest = after;
        match digits {
            [] | [b'0', _, ..] => None,
            _ => Some(Self { value: if len < 20 { value } else { u64::MAX }, digits }),
        }
    }

    #[inline]
    fn order(&self, other: &Self) -> Ordering {
        if self.value != u64::MAX && other.value != u64::MAX {
            self.value.cmp(&other.value)
        } else {
            numeric(self.digits, other.digits)
        }
    }
}

impl Owned {
    pub(crate) fn new(version: &Version<'_>) -> Self {
        Self {
            numbers: version.numbers.map(|number| (number.value, number.digits.into())),
            pre_release: version.pre_release.into(),
        }
    }

    #[inline]
    fn version(&self) -> Version<'_> {
        Version {
            numbers: self.numbers.each_ref().map(|(value, digits)| Number { value: *value, digits }),
            pre_release: &self.pre_release,
        }
    }
}

/// Whether `text` is identifiers joined by dots, numeric ones without leading zeros if `strict`.
fn identifiers(text: &[u8], strict: bool) -> bool {
    text.split(|byte| *byte == b'.').all(|identifier| {
        let zero_led = identifier.len() > 1 && identifier[0] == b'0' && all_digits(identifier);
        !identifier.is_empty()
            && identifier.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-')
            && !(strict && zero_led)
    })
}

fn all_digits(text: &[u8]) -> bool {
    text.iter().all(u8::is_ascii_digit)
}

/// Orders numbers of any length written without leading zeros.
fn numeric(a: &[u8], b: &[u8]) -> Ordering {
    a.len().cmp(&b.len()).then_with(|| a.cmp(b))
}

fn pre_releases(a: &[u8], b: &[u8]) -> Ordering {
    let (mut left, mut right) = (a.split(|byte| *byte == b'.'), b.split(|byte| *byte == b'.'));
    loop {
        let order = match (left.next(), right.next()) {
            (None, None) => return Ordering::Equal,
            (None, Some(_)) => Ordering::Less,
            (Some(_), None) => Ordering::Greater,
            (Some(a), Some(b)) => match (all_digits(a), all_digits(b)) {
                (true, true) => numeric(a, b),
                (true, false) => Ordering::Less,
                (false, true) => Ordering::Greater,
                (false, false) => a.cmp(b),
            },
        };
        if order.is_ne() {
            return order;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_versions_compare_as_all_do() {
        let texts = [
            "0",
            "1",
            "1.2",
            "1.2.0",
            "1.2.3",
            "1.10.3",
            "2.0.0",
            "01",
            "1.",
            "1.02",
            "1.2.3.4",
            "v1",
            "",
            "999999999.1",
            "1000000000",
            "1.0-a",
            "1..2",
            ".1",
            "18446744073709551616",
        ];
        for a in texts {
            for b in texts {
                let Some((x, y)) = plain(a.as_bytes()).zip(plain(b.as_bytes())) else { continue };
                let (a, b) = (Version::parse(a).expect("a version"), Version::parse(b).expect("a version"));
                for relation in ["=", "!=", "<", "<=", ">", ">=", "~", "^"] {
                    let relation = Relation::parse(relation).expect("a relation");
                    assert_eq!(
                        relation.holds_plainly(x, y),
                        relation.holds(&a, &b),
                        "{x:?} {relation:?} {y:?}"
                    );
                }
            }
        }
        let refused = texts.iter().filter(|text| plain(text.as_bytes()).is_none()).count();
        assert_eq!(refused, 11);
    }

    /// The example of semver.org section 11, each less than the next.
    #[test]
    fn precedence() {
        let ordered = [
            "0.9.9",
            "1.0.0-1",
            "1.0.0-alpha",
            "1.0.0-alpha.1",
            "1.0.0-alpha.beta",
            "1.0.0-beta",
            "1.0.0-beta.2",
            "1.0.0-beta.11",
            "1.0.0-rc.1",
            "1.0.0",
            "1.9.0",
            "1.10",
            "99999999999999999999998",
            "99999999999999999999999",
        ];
        for (i, a) in ordered.iter().enumerate() {
            for (j, b) in ordered.iter().enumerate() {
                let (a, b) = (Version::parse(a).expect("a version"), Version::parse(b).expect("a version"));
                assert_eq!(a.order(&b), i.cmp(&j), "{a:?} {b:?}");
            }
        }
    }

    #[test]
    fn what_is_no_version() {
        for text in [
            "",
            "v",
            "vv1",
            "Vv1",
            "1.",
            "1.0.",
            "1.0.0.0",
            "01",
            "1.0.0-",
            "1.0.0-01",
            "1.0.0-a..b",
            "1.0.0+",
            "1.0-rc1",
            "1-rc1",
            " 1",
            "1.0.0 ",
            "1.0+build",
            "1.0.0-é",
            "-1",
            "1.0.0-a+",
            "1.0.0+a+b",
        ] {
            assert!(Version::parse(text).is_none(), "{text:?}");
        }
        for text in ["v1", "V1.2", "1.0.0+01", "1.0.0-0a.-", "0.0.0", "1.0.0-a+b.c"] {
            assert!(Version::parse(text).is_some(), "{text:?}");
        }
    }
}
