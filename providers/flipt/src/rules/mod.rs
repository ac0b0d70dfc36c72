//! Flipt's own evaluation, bucket for bucket as its server does it (v2), with no I/O.
//!
//! ```text
//! model::Flag --compile--> Flag: variant: rules by rank, each with segments and buckets
//!                                boolean: rollouts by rank, each for segments or for a share
//!             Flag::variant / Flag::boolean (entity, attributes) -> what it is and why
//! ```

mod attributes;
mod compile;
mod constraint;
mod datetime;
mod segment;

use crc32fast::Hasher;
use serde_json::{Map, Value};

pub use attributes::{Attribute, Attributes};
pub use compile::{Compiled, Finding, Read, compile, read};
pub(crate) use constraint::list;
pub use segment::{Constraint, Segment, Segments, is_left_out};

/// A flag, ready to be evaluated.
#[derive(Debug)]
pub struct Flag {
    key: Box<str>,
    enabled: bool,
    metadata: Map<String, Value>,
    body: Body,
}

/// What a flag answers with.
#[derive(Debug)]
pub enum Body {
    /// One of its variants.
    Variant(Variants),
    /// On or off.
    Boolean(Box<[Rollout]>),
}

/// A variant flag's variants and rules.
#[derive(Debug)]
pub struct Variants {
    all: Box<[Variant]>,
    default: Option<usize>,
    rules: Box<[Rule]>,
}

/// A named value.
#[derive(Debug)]
pub struct Variant {
    key: Box<str>,
    attachment: Option<Value>,
}

/// Who gets which variants.
#[derive(Debug)]
pub struct Rule {
    segments: Segments,
    /// The exclusive upper bound of each share in thousandths, and whose it is.
    buckets: Box<[(u32, usize)]>,
}

/// Who gets which boolean.
#[derive(Debug)]
pub struct Rollout {
    value: bool,
    whom: Whom,
}

/// Whom a rollout is for.
#[derive(Debug)]
pub enum Whom {
    /// Entities in segments.
    Segments(Segments),
    /// This percentage of all entities.
    Share(f32),
}

/// What is asked.
#[derive(Clone, Copy)]
pub struct Question<'q> {
    /// Who: OpenFeature's targeting key. May be empty.
    pub entity: &'q str,
    /// What is known about it.
    pub attributes: &'q dyn Attributes,
}

/// What a variant flag is for somebody.
#[derive(Clone, Copy, Debug)]
pub struct Chosen<'f> {
    /// The variant; `None` if no rule decided and there is no default.
    pub variant: Option<&'f Variant>,
    /// Why.
    pub cause: Cause<'f>,
}

/// What a boolean flag is for somebody.
#[derive(Clone, Copy, Debug)]
pub struct Switched<'f> {
    /// On or off.
    pub enabled: bool,
    /// Why.
    pub cause: Cause<'f>,
}

/// Why an answer is what it is.
#[derive(Clone, Copy, Debug)]
pub enum Cause<'f> {
    /// No rule and no rollout decided.
    Default,
    /// No rule decided, and there is no default variant.
    Unknown,
    /// The variant flag is off.
    Disabled,
    /// These segments matched. With a bucket if the entity was given one of several variants by it.
    Segments(&'f Segments, Option<u32>),
    /// The entity fell into the share.
    Share(u32),
}

/// How many buckets variants are laid out in.
const BUCKETS: u32 = 1000;
/// How many buckets a boolean's share is laid out in.
const PERCENT: u32 = 100;

impl Flag {
    /// The flag's key.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// Whether a variant flag is on; what a boolean flag is where no rollout decides.
    pub fn enabled(&self) -> bool {
        self.enabled
    }

    /// What the flag says about itself.
    pub fn metadata(&self) -> &Map<String, Value> {
        &self.metadata
    }

    /// What the flag answers with.
    pub fn body(&self) -> &Body {
        &self.body
    }

    /// Whether everybody gets the same.
    pub fn is_static(&self) -> bool {
        match &self.body {
            Body::Variant(variants) => !self.enabled || variants.rules.is_empty(),
            Body::Boolean(rollouts) => rollouts.is_empty(),
        }
    }
}

impl Variants {
    /// The variants.
    pub fn all(&self) -> &[Variant] {
        &self.all
    }

    /// The variant that stands where no rule decides.
    pub fn default(&self) -> Option<&Variant> {
        self.default.and_then(|at| self.all.get(at))
    }

    /// The rules, in the order in which they are asked.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// Chooses for whoever is asked about (contract 1.2, steps 1 to 4); `flag` is whose variants these are.
    pub fn choose<'f>(&'f self, flag: &'f Flag, question: &Question<'_>) -> Chosen<'f> {
        let variant = self.default();
        if !flag.enabled {
            return Chosen { variant, cause: Cause::Disabled };
        }
        let Some(rule) = self.rules.iter().find(|rule| rule.segments.hold(question)) else {
            let cause = if variant.is_some() { Cause::Default } else { Cause::Unknown };
            return Chosen { variant, cause };
        };
        if rule.buckets.is_empty() {
            return Chosen { variant, cause: Cause::Segments(&rule.segments, None) };
        }
        let bucket = crc32([&flag.key, question.entity]) % BUCKETS;
        // The last bound is beyond every bucket.
        let chosen = rule.buckets.iter().find(|(bound, _)| bucket < *bound);
        let variant = chosen.and_then(|(_, at)| self.all.get(*at));
        let bucket = (rule.buckets.len() > 1).then_some(bucket);
        Chosen { variant, cause: Cause::Segments(&rule.segments, bucket) }
    }
}

impl Variant {
    /// The variant's name.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// What is attached to it.
    pub fn attachment(&self) -> Option<&Value> {
        self.attachment.as_ref()
    }
}

impl Rule {
    /// Whom the rule is for.
    pub fn segments(&self) -> &Segments {
        &self.segments
    }

    /// The exclusive upper bound of each share in thousandths, and the place of its variant.
    pub fn buckets(&self) -> &[(u32, usize)] {
        &self.buckets
    }
}

impl Rollout {
    /// What they get.
    pub fn value(&self) -> bool {
        self.value
    }

    /// Whom the rollout is for.
    pub fn whom(&self) -> &Whom {
        &self.whom
    }
}

/// Switches for whoever is asked about (contract 1.2, step 5); `rollouts` are those of `flag`.
pub fn switch<'f>(flag: &'f Flag, rollouts: &'f [Rollout], question: &Question<'_>) -> Switched<'f> {
    for rollout in rollouts {
        let cause = match &rollout.whom {
            Whom::Segments(segments) if segments.hold(question) => Cause::Segments(segments, None),
            Whom::Segments(_) => continue,
            Whom::Share(percentage) => {
                // The other way round than variants are hashed.
                let bucket = crc32([question.entity, &flag.key]) % PERCENT;
                if bucket as f32 >= *percentage {
                    continue;
                }
                Cause::Share(bucket)
            }
        };
        return Switched { enabled: rollout.value, cause };
    }
    Switched { enabled: flag.enabled, cause: Cause::Default }
}

/// The checksum of two texts end to end, which are not put together.
fn crc32([first, second]: [&str; 2]) -> u32 {
    let mut hasher = Hasher::new();
    hasher.update(first.as_bytes());
    hasher.update(second.as_bytes());
    hasher.finalize()
}

/// JSON that came as text; `None` if there is none, and the text itself if it is none.
pub(crate) fn attachment(text: &str) -> Option<Value> {
    match serde_json::from_str(text) {
        Ok(Value::Null) => None,
        Ok(value) => Some(value),
        Err(_) if text.is_empty() => None,
        Err(_) => Some(Value::String(text.to_owned())),
    }
}

/// Go's `strings.TrimSpace`.
fn trimmed(text: &str) -> &str {
    text.trim()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Contract 1.2, "Worked examples".
    #[test]
    fn worked_hashes() {
        for (first, second, crc, modulo, bucket) in [
            ("foo", "1", 3_476_655_244, 1000, 244),
            ("foo", "2", 1_446_042_934, 1000, 934),
            ("foo", "10", 270_150_054, 1000, 54),
            ("foo", "01", 2_114_332_785, 1000, 785),
            ("foo", "user-169", 857_957_666, 1000, 666),
            ("test-entity", "test-flag", 4_255_329_765, 100, 65),
            ("user-11", "flag_boolean_segment", 181_442_934, 100, 34),
        ] {
            assert_eq!(crc32([first, second]), crc, "{first}{second}");
            assert_eq!(crc % modulo, bucket);
        }
    }
}
