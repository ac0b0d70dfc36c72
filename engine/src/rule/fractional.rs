//! `fractional`: a share of the users for each variant.

use bumpalo::collections::{String as BumpString, Vec as BumpVec};

use crate::hash::murmur3;
use crate::rule::{Failed, Literal, Rule, Scope, cbor};
use crate::value::Value;
use crate::witness::{Bucket, Witness};

/// What `fractional` hashes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Bucketing {
    /// The bucketing key's UTF-8 bytes: what flagd 0.16.1 does (contract 7.3).
    #[default]
    V2,
    /// The bucketing value in deterministic CBOR (RFC 8949 section 4.2.1).
    V3,
}

/// The operator. All its failures give `null`; only an argument can fail it.
#[derive(Debug)]
pub(crate) struct Fractional {
    pub(crate) bucketing: Bucketing,
    pub(crate) form: Form,
}

/// How much of the operator's arguments was known at load.
#[derive(Debug)]
pub(crate) enum Form {
    /// The shares: `None` if they can never decide. Without a key the flag's and the user's are taken.
    Prepared { key: Option<Rule>, table: Option<Table> },
    /// Nothing.
    Computed(Rule),
}

/// Shares known at load.
#[derive(Debug)]
pub(crate) struct Table {
    /// Where each share ends, and its variant.
    shares: Box<[(u64, Literal)]>,
    total: u64,
}

/// The largest weight and the largest sum of weights.
const MOST: u64 = i32::MAX as u64;

impl Fractional {
    pub(crate) fn children(&self) -> std::option::IntoIter<&Rule> {
        match &self.form {
            Form::Prepared { key, .. } => key.as_ref(),
            Form::Computed(args) => Some(args),
        }
        .into_iter()
    }

    #[inline(never)]
    pub(crate) fn run<'a, W: Witness>(&'a self, scope: &Scope<'a>, w: &mut W) -> Result<Value<'a>, Failed> {
        match &self.form {
            Form::Prepared { key, table } => {
                let key = match key {
                    Some(rule) => Some(rule.run(Some(0), scope, w)?),
                    None => None,
                };
                Ok(table.as_ref().and_then(|table| self.look_up(key, table, scope, w)).unwrap_or(Value::Null))
            }
            Form::Computed(args) => match args.arguments(scope, w)? {
                Value::List([first, rest @ ..]) => {
                    Ok(self.work_out(*first, rest, scope, w).unwrap_or(Value::Null))
                }
                _ => Ok(Value::Null),
            },
        }
    }

    #[inline]
    fn look_up<'a, W: Witness>(
        &self,
        key: Option<Value<'a>>,
        table: &'a Table,
        scope: &Scope<'a>,
        w: &mut W,
    ) -> Option<Value<'a>> {
        let hashed = self.hashed(key, scope)?;
        // A key that is an array was meant as a share, and goes before the others.
        let (first, size) = match key {
            Some(Value::List(share)) => weighed(share)?,
            _ => (Value::Null, 0),
        };
        let bucket = bucket(hashed, size + table.total, w)?;
        if bucket < size {
            return Some(first);
        }
        let share = table.shares.iter().find(|(end, _)| bucket - size < *end)?;
        Some(share.1.value(scope))
    }

    fn work_out<'a, W: Witness>(
        &self,
        first: Value<'a>,
        rest: &'a [Value<'a>],
        scope: &Scope<'a>,
        w: &mut W,
    ) -> Option<Value<'a>> {
        let hashed = self.hashed(Some(first), scope)?;
        let leading = if let Value::List(share) = first { Some(weighed(share)?) } else { None };
        let mut shares = BumpVec::with_capacity_in(rest.len() + 1, scope.bump);
        shares.extend(leading);
        for share in rest {
            let Value::List(share) = share else { return None };
            shares.push(weighed(share)?);
        }
        let bucket = bucket(hashed, shares.iter().map(|(_, weight)| weight).sum(), w)?;
        let mut end = 0;
        shares.into_iter().find_map(|(variant, weight)| {
            end += weight;
            (bucket < end).then_some(variant)
        })
    }

    /// The bytes to hash for the first argument, if there was one. An array there is a share, and leaves the key open.
    #[inline]
    fn hashed<'a>(&self, first: Option<Value<'a>>, scope: &Scope<'a>) -> Option<Key<'a>> {
        if !scope.data.is_object() {
            return None;
        }
        match (self.bucketing, first) {
            (_, None | Some(Value::List(_))) | (Bucketing::V2, Some(Value::Null)) => self.shorthand(scope),
            (Bucketing::V2, Some(Value::Str(text))) => Some(Key::Text(text)),
            (Bucketing::V2, Some(_)) | (Bucketing::V3, Some(Value::Null)) => None,
            (Bucketing::V3, Some(value)) => {
                let mut bytes = BumpVec::new_in(scope.bump);
                cbor::encode(value, scope.bump, &mut bytes).ok()?;
                Some(Key::Bytes(bytes.into_bump_slice()))
            }
        }
    }

    /// The flag's key and the user's targeting key.
    #[inline]
    fn shorthand<'a>(&self, scope: &Scope<'a>) -> Option<Key<'a>> {
        let flag = scope.known_flag_key();
        let Value::Str(user) = scope.get("targetingKey") else { return None };
        if user.is_empty() {
            return None;
        }
        Some(match self.bucketing {
            Bucketing::V2 => {
                let mut text = BumpString::with_capacity_in(flag.len() + user.len(), scope.bump);
                text.push_str(flag);
                text.push_str(user);
                Key::Text(text.into_bump_str())
            }
            Bucketing::V3 => {
                let mut bytes = BumpVec::with_capacity_in(flag.len() + user.len() + 16, scope.bump);
                cbor::array(2, &mut bytes);
                cbor::text(flag, &mut bytes);
                cbor::text(user, &mut bytes);
                Key::Bytes(bytes.into_bump_slice())
            }
        })
    }
}

/// What is hashed.
#[derive(Clone, Copy)]
enum Key<'a> {
    Text(&'a str),
    Bytes(&'a [u8]),
}

/// The bucket of `0..total` that the key falls into.
#[inline]
fn bucket<W: Witness>(key: Key<'_>, total: u64, w: &mut W) -> Option<u64> {
    if total == 0 || total > MOST {
        return None;
    }
    let hash = murmur3(match key {
        Key::Text(text) => text.as_bytes(),
        Key::Bytes(bytes) => bytes,
    });
    let bucket = (u64::from(hash) * total) >> 32;
    if W::WATCHES {
        let hex;
        let key = match key {
            Key::Text(text) => text,
            Key::Bytes(bytes) => {
                hex = bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
                &hex
            }
        };
        w.bucket(Bucket { key, hash, bucket, total });
    }
    Some(bucket)
}

/// A share's variant and weight, if it is one.
fn weighed<'a>(share: &[Value<'a>]) -> Option<(Value<'a>, u64)> {
    let (variant, rest) = share.split_first()?;
    if matches!(variant, Value::List(_) | Value::Map(_)) {
        return None;
    }
    let weight = match rest.first() {
        None | Some(Value::Null) => 1,
        Some(Value::Num(n)) => weight(*n)?,
        Some(_) => return None,
    };
    Some((*variant, weight))
}

/// A weight has to be whole; a negative one counts as 0.
fn weight(n: f64) -> Option<u64> {
    let whole = n.fract() == 0.0 && n >= -9_223_372_036_854_775_808.0;
    (whole && n <= MOST as f64).then_some(n.max(0.0) as u64)
}

impl Table {
    /// The table of literal shares; `None` if they can never decide.
    pub(crate) fn new(shares: Vec<(Literal, Option<f64>)>) -> Option<Self> {
        let mut end = 0;
        let mut ends = Vec::with_capacity(shares.len());
        for (variant, size) in shares {
            end += size.map_or(Some(1), weight)?;
            ends.push((end, variant));
        }
        (1..=MOST).contains(&end).then(|| Self { shares: ends.into(), total: end })
    }
}
