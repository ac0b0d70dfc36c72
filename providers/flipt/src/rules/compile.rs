//! From a snapshot to flags: each on its own, so that a broken one is reported and its neighbours live.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use serde::Deserialize;

use super::{Body, Flag, Rollout, Rule, Segment, Segments, Variant, Variants, Whom, attachment};
use crate::model::{self, FlagType, SegmentOperator, Snapshot};

/// What came of a namespace.
#[derive(Debug, Default)]
pub struct Compiled {
    /// The flags, in document order.
    pub flags: Vec<Flag>,
    /// What is wrong.
    pub findings: Vec<Finding>,
}

/// Something wrong in a document that could be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The flag it is about; `None` for the document as a whole.
    pub flag: Option<Box<str>>,
    /// Where, as a JSON pointer.
    pub path: String,
    /// What is wrong.
    pub message: String,
    /// Whether the flag cannot be served; if not, it is served as the server would.
    pub is_error: bool,
}

/// A flag, or why there is none.
pub type Read = Result<model::Flag, Finding>;

/// How many findings are kept: what is wrong with a hostile document must not outgrow it.
const MOST: usize = 1000;

/// The flags of a snapshot, each read on its own.
pub fn read(snapshot: Snapshot) -> Vec<Read> {
    let flags = snapshot.flags.into_iter().enumerate();
    flags
        .map(|(at, value)| {
            let key = value.get("key").and_then(serde_json::Value::as_str).map(Into::into);
            let path = format!("/flags/{at}");
            match model::Flag::deserialize(value) {
                Ok(flag) => Ok(model::Flag { path, ..flag }),
                Err(error) => {
                    let message = format!("cannot be read: {error}");
                    Err(Finding { flag: key, path, message, is_error: true })
                }
            }
        })
        .collect()
}

/// Compiles the flags of a namespace. Never fails as a whole.
pub fn compile(flags: Vec<Read>) -> Compiled {
    let mut compiled = Compiled::default();
    let mut segments = Known::default();
    let last = last_of_each(&flags);
    for (at, read) in flags.into_iter().enumerate() {
        let made = read.and_then(|mut model| {
            let path = std::mem::take(&mut model.path);
            let key: Box<str> = model.key.as_str().into();
            let error =
                |message| Finding { flag: Some(key.clone()), path: path.clone(), message, is_error: true };
            if last.get(&key).is_some_and(|last| *last != at) {
                let message = "the key is given again; the last counts".to_owned();
                return Err(Finding { is_error: false, ..error(message) });
            }
            let flag = flag(model, &mut segments).map_err(error)?;
            let note =
                |message| Finding { flag: Some(key.clone()), path: path.clone(), message, is_error: false };
            Ok((flag, std::mem::take(&mut segments.notes).into_iter().map(note).collect::<Vec<_>>()))
        });
        let room = MOST.saturating_sub(compiled.findings.len());
        match made {
            Ok((flag, notes)) => {
                compiled.flags.push(flag);
                compiled.findings.extend(notes.into_iter().take(room));
            }
            Err(finding) => compiled.findings.extend(Some(finding).filter(|_| room > 0)),
        }
    }
    compiled
}

/// Where each key is last: as for a Flipt, a later flag replaces an earlier one.
fn last_of_each(flags: &[Read]) -> HashMap<Box<str>, usize> {
    let key = |read: &Read| match read {
        Ok(flag) => Some(flag.key.as_str().into()),
        Err(finding) => finding.flag.clone().filter(|_| finding.is_error),
    };
    flags.iter().enumerate().filter_map(|(at, read)| Some((key(read)?, at))).collect()
}

/// The segments so far: what many rules share is compiled once.
#[derive(Default)]
struct Known {
    segments: HashMap<String, Vec<Arc<Segment>>>,
    notes: Vec<String>,
}

impl Known {
    fn compiled(&mut self, operator: SegmentOperator, models: Vec<Arc<model::Segment>>) -> Segments {
        let mut named = HashSet::new();
        // A segment that is named twice is one.
        let models = models.into_iter().filter(|model| named.insert(model.key.clone()));
        Segments::new(operator, models.map(|model| self.segment(model)).collect())
    }

    fn segment(&mut self, model: Arc<model::Segment>) -> Arc<Segment> {
        let alike = self.segments.entry(model.key.clone()).or_default();
        if let Some(segment) = alike.iter().find(|other| *other.model() == model) {
            return Arc::clone(segment);
        }
        let (segment, notes) = Segment::compile(model);
        self.notes.extend(notes.into_iter().map(|note| format!("segment {:?}: {note}", segment.key())));
        let segment = Arc::new(segment);
        alike.push(Arc::clone(&segment));
        segment
    }
}

fn flag(model: model::Flag, segments: &mut Known) -> Result<Flag, String> {
    let body = match model.kind {
        FlagType::Boolean => Body::Boolean(rollouts(model.rollouts, segments)?),
        FlagType::Variant => {
            Body::Variant(variants(model.variants, model.default_variant, model.rules, segments)?)
        }
    };
    Ok(Flag { key: model.key.into(), enabled: model.enabled, metadata: model.metadata, body })
}

fn in_order(last: &mut i64, rank: i64, what: &str) -> Result<(), String> {
    if rank < *last {
        return Err(format!(
            "{what} of rank {rank} comes after one of rank {last}; Flipt answers such a flag with an error"
        ));
    }
    *last = rank;
    Ok(())
}

fn rollouts(models: Vec<model::Rollout>, segments: &mut Known) -> Result<Box<[Rollout]>, String> {
    let mut rollouts = Vec::with_capacity(models.len());
    let mut last = 0;
    for model in models {
        in_order(&mut last, model.rank, "a rollout")?;
        match (model.threshold, model.segment) {
            (Some(share), _) => {
                rollouts.push(Rollout { value: share.value, whom: Whom::Share(share.percentage) });
            }
            (None, Some(segment)) => {
                let whom = segments.compiled(segment.segment_operator, segment.segments);
                rollouts.push(Rollout { value: segment.value, whom: Whom::Segments(whom) });
            }
            (None, None) => {}
        }
    }
    Ok(rollouts.into())
}

fn variants(
    told: Vec<model::Variant>,
    default: Option<model::Variant>,
    rules: Vec<model::Rule>,
    segments: &mut Known,
) -> Result<Variants, String> {
    let mut all: Vec<Variant> = Vec::new();
    let mut place = |key: &str, text: &str| {
        all.iter().position(|variant| *variant.key == *key).unwrap_or_else(|| {
            all.push(Variant { key: key.into(), attachment: attachment(text) });
            all.len() - 1
        })
    };
    for variant in told {
        place(&variant.key, &variant.attachment);
    }
    let default = default.map(|variant| place(&variant.key, &variant.attachment));
    let mut compiled = Vec::with_capacity(rules.len());
    let mut last = 0;
    for rule in once_each(rules) {
        in_order(&mut last, rule.rank, "a rule")?;
        let shares: Vec<(f32, usize)> = rule
            .distributions
            .iter()
            .filter(|share| share.rollout > 0.0)
            .map(|share| (share.rollout, place(&share.variant_key, &share.variant_attachment)))
            .collect();
        let segments = segments.compiled(rule.segment_operator, rule.segments);
        compiled.push(Rule { segments, buckets: buckets(&shares) });
    }
    Ok(Variants { all: all.into(), default, rules: compiled.into() })
}

/// Servers of version 1 give a rule over n segments n times, each with its shares n times over: once is meant.
fn once_each(rules: Vec<model::Rule>) -> Vec<model::Rule> {
    let mut times: HashMap<String, usize> = HashMap::new();
    for rule in rules.iter().filter(|rule| !rule.id.is_empty()) {
        *times.entry(rule.id.clone()).or_default() += 1;
    }
    let mut once = Vec::with_capacity(rules.len());
    for mut rule in rules {
        match times.remove(&rule.id) {
            Some(times) => {
                if rule.distributions.len().is_multiple_of(times) {
                    rule.distributions.truncate(rule.distributions.len() / times);
                }
                once.push(rule);
            }
            None if rule.id.is_empty() => once.push(rule),
            None => {}
        }
    }
    once
}

/// Where shares end, in thousandths: laid end to end, in single precision, cut off and not rounded; the last takes the rest.
fn buckets(shares: &[(f32, usize)]) -> Box<[(u32, usize)]> {
    let total: f32 = shares.iter().fold(0.0, |sum, (share, _)| sum + share);
    let mut reached = 0.0f32;
    let bound = |(at, (share, variant)): (usize, &(f32, usize))| {
        reached += share / total * 100.0;
        let bound = if at + 1 == shares.len() { super::BUCKETS } else { (reached * 10.0) as u32 };
        (bound, *variant)
    };
    shares.iter().enumerate().map(bound).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Contract 1.2, "Bounds". The vendor's Rust engine rounds and puts 667 in the place of 666.
    #[test]
    fn bounds_are_cut_off() {
        for (shares, bounds) in [
            (&[50.0, 30.0, 20.0][..], &[500, 800, 1000][..]),
            (&[10.0, 20.0], &[333, 1000]),
            (&[80.0, 40.0], &[666, 1000]),
            (&[33.33, 33.33, 33.34], &[333, 666, 1000]),
            (&[100.0], &[1000]),
            (&[0.1], &[1000]),
        ] {
            let shares: Vec<(f32, usize)> = shares.iter().copied().zip(0..).collect();
            let got: Vec<u32> = buckets(&shares).iter().map(|(bound, _)| *bound).collect();
            assert_eq!(got, bounds, "{shares:?}");
        }
    }
}
