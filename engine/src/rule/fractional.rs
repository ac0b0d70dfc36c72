//! `fractional`: a share of the users for each variant.

use bumpalo::collections::Vec as BumpVec;

use crate::hash::Murmur3;
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
            Form::Prepared { key: Some(rule), table } => {
                if let (false, Bucketing::V2, Some(table)) = (W::WATCHES, self.bucketing, table)
                    && let Some(hash) = joined(rule, scope)
                {
                    return Ok(table.look_up((Value::Null, 0), Some(bucket_of(hash, table.total)), scope));
                }
                let key = rule.run(Some(0), scope, w)?;
                let Some(table) = table else { return Ok(Value::Null) };
                // A key that is an array was meant as a share, and goes before the others.
                let (first, size) = match key {
                    Value::List(share) => match weighed(share) {
                        Some(first) => first,
                        None => return Ok(Value::Null),
                    },
                    _ => (Value::Null, 0),
                };
                Ok(table.look_up(
                    (first, size),
                    self.bucket(self.hashed(key, scope), size + table.total, w),
                    scope,
                ))
            }
            Form::Prepared { key: None, table } => {
                let Some(table) = table else { return Ok(Value::Null) };
                let bucket = self.bucket(self.shorthand(scope), table.total, w);
                Ok(table.look_up((Value::Null, 0), bucket, scope))
            }
            Form::Computed(args) => match args.arguments(scope, w)? {
                Value::List([first, rest @ ..]) => {
                    Ok(self.work_out(*first, rest, scope, w).unwrap_or(Value::Null))
                }
                _ => Ok(Value::Null),
            },
        }
    }

    fn work_out<'a, W: Witness>(
        &self,
        first: Value<'a>,
        rest: &'a [Value<'a>],
        scope: &Scope<'a>,
        w: &mut W,
    ) -> Option<Value<'a>> {
        let leading = if let Value::List(share) = first { Some(weighed(share)?) } else { None };
        let mut shares = BumpVec::with_capacity_in(rest.len() + 1, scope.bump);
        shares.extend(leading);
        for share in rest {
            let Value::List(share) = share else { return None };
            shares.push(weighed(share)?);
        }
        let total = shares.iter().map(|(_, weight)| weight).sum();
        let bucket = self.bucket(self.hashed(first, scope), total, w)?;
        let mut end = 0;
        shares.into_iter().find_map(|(variant, weight)| {
            end += weight;
            (bucket < end).then_some(variant)
        })
    }

    /// What to hash for the first argument. An array there is a share, and leaves the key open.
    #[inline]
    fn hashed<'a>(&self, first: Value<'a>, scope: &Scope<'a>) -> Option<Hashed<'a>> {
        match (self.bucketing, first) {
            (Bucketing::V2, Value::Str(text)) => scope.data.is_object().then_some([text.as_bytes(), &[]]),
            (_, Value::List(_)) | (Bucketing::V2, Value::Null) => self.shorthand(scope),
            (Bucketing::V2, _) | (Bucketing::V3, Value::Null) => None,
            (Bucketing::V3, value) => {
                let mut bytes = BumpVec::new_in(scope.bump);
                cbor::encode(value, scope.bump, &mut bytes).ok()?;
                scope.data.is_object().then_some([bytes.into_bump_slice(), &[]])
            }
        }
    }

    /// The flag's key and the user's targeting key, to be hashed; `None` if there is no user.
    fn shorthand<'a>(&self, scope: &Scope<'a>) -> Option<Hashed<'a>> {
        if !scope.data.is_object() {
            return None;
        }
        let flag = scope.known_flag_key();
        let Value::Str(user) = scope.get("targetingKey") else { return None };
        if user.is_empty() {
            return None;
        }
        match self.bucketing {
            Bucketing::V2 => Some([flag.as_bytes(), user.as_bytes()]),
            Bucketing::V3 => {
                let mut bytes = BumpVec::with_capacity_in(flag.len() + user.len() + 16, scope.bump);
                cbor::array(2, &mut bytes);
                cbor::text(flag, &mut bytes);
                cbor::text(user, &mut bytes);
                Some([bytes.into_bump_slice(), &[]])
            }
        }
    }

    /// The bucket of `0..total` that falls to what is hashed.
    #[inline]
    fn bucket<W: Witness>(&self, hashed: Option<Hashed<'_>>, total: u64, w: &mut W) -> Option<u64> {
        let [first, second] = hashed?;
        if total == 0 || total > MOST {
            return None;
        }
        let hash = Murmur3::default().and(first).and(second).finish();
        let bucket = bucket_of(hash, total);
        if W::WATCHES {
            let bytes = [first, second].concat();
            let key: String = match self.bucketing {
                Bucketing::V2 => String::from_utf8_lossy(&bytes).into_owned(),
                Bucketing::V3 => bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
            };
            w.bucket(Bucket { key: &key, hash, bucket, total });
        }
        Some(bucket)
    }
}

/// Two byte strings that are hashed as one; mostly the second is empty.
type Hashed<'a> = [&'a [u8]; 2];

/// The hash of what `cat` of attributes and literals gives, without joining them; `None` where more is to be done.
#[inline]
fn joined(key: &Rule, scope: &Scope<'_>) -> Option<u32> {
    let Rule::Cat(parts) = key else { return None };
    let Rule::List(parts) = &**parts else { return None };
    let (mut hash, mut first, mut last) = (Murmur3::default(), None, None);
    for part in parts {
        let text = match part {
            Rule::Literal(Literal::Str(text)) => &**text,
            Rule::Var(var) => match var.attribute(scope) {
                Some(Value::Str(text)) => text,
                _ => return None,
            },
            _ => return None,
        };
        scope.burn_built(text.len()).ok()?;
        hash = hash.and(text.as_bytes());
        first = first.or(text.bytes().next());
        last = text.bytes().next_back().or(last);
    }
    // `cat` trims what several parts make.
    let plain = |byte: Option<u8>| matches!(byte, Some(b'!'..=b'~'));
    (parts.len() > 1 && plain(first) && plain(last)).then(|| hash.finish())
}

/// The bucket of `0..total` that belongs to a hash.
#[inline]
fn bucket_of(hash: u32, total: u64) -> u64 {
    (u64::from(hash) * total) >> 32
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
    /// The variant of the share that `bucket` falls into, those of `size` buckets before the table being `first`'s.
    #[inline]
    fn look_up<'a>(
        &'a self,
        (first, size): (Value<'a>, u64),
        bucket: Option<u64>,
        scope: &Scope<'a>,
    ) -> Value<'a> {
        let Some(bucket) = bucket else { return Value::Null };
        if bucket < size {
            return first;
        }
        match self.shares.iter().find(|(end, _)| bucket - size < *end) {
            Some((_, variant)) => variant.value(scope),
            None => Value::Null,
        }
    }

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
