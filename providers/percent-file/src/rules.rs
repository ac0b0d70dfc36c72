//! Who gets a flag.
//!
//! A subject, OpenFeature's targeting key, gets an enabled flag if FNV-1a (32 bits) of `key:subject`, modulo 100, is below the
//! percentage. A percentage of 0 is one that was never set, and means everybody; more than 100 is 100.

use std::sync::Arc;

use engine::{
    Fault, Fidelity, Flag, Native, NativeFlag, Question, Reason, Resolution, Translation, Value, Variant,
    Watch,
};
use serde_json::{Map, json};

use crate::model;

/// The attribute that names the subject.
const TARGETING_KEY: &str = "targetingKey";
/// The variants' names, that of the flag being on first.
const NAMES: [&str; 2] = ["on", "off"];

/// The bucket of a subject, from 0 to 99.
pub fn bucket(key: &str, subject: &str) -> u32 {
    let bytes = [key, ":", subject].into_iter().flat_map(str::bytes);
    let hash = bytes.fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    hash % 100
}

/// Who gets a flag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Share {
    Nobody,
    Everybody,
    /// More than 0 and less than 100 percent.
    Percent(u32),
}

impl Share {
    fn of(flag: &model::Flag) -> Self {
        match (flag.enabled, flag.rollout_percent) {
            (false, _) => Self::Nobody,
            (true, 1..=99) => Self::Percent(flag.rollout_percent),
            (true, _) => Self::Everybody,
        }
    }
}

/// The rules of a flag.
#[derive(Debug)]
struct Rules {
    key: Box<str>,
    share: Share,
    /// On and off.
    variants: [Variant; 2],
}

/// A flag of the engine.
pub fn flag(model: &model::Flag, source: &Arc<str>, flag_set: Option<&str>) -> Flag {
    let share = Share::of(model);
    let variants = || NAMES.map(|name| Variant::new(name, (name == NAMES[0]).into()));
    let metadata = flag_set.map(|set| ("flagSetId".to_owned(), set.into()));
    Flag::of_native(NativeFlag {
        key: &model.key,
        source,
        enabled: model.enabled,
        variants: variants().into(),
        default: Some(usize::from(share != Share::Everybody)),
        metadata: Map::from_iter(metadata),
        text: &format!("{share:?} {flag_set:?}"),
        rules: Arc::new(Rules { key: model.key.as_str().into(), share, variants: variants() }),
        translation: translation(&model.key, share),
    })
}

impl Native for Rules {
    fn decide<'a>(&'a self, question: &Question<'a>, watch: &mut Watch<'_>) -> Result<Resolution<'a>, Fault> {
        let (is_on, reason) = match self.share {
            Share::Nobody => (false, Reason::Disabled),
            Share::Everybody => (true, Reason::Static),
            Share::Percent(percent) => {
                let Some(Value::Str(subject)) = question.context.get(TARGETING_KEY) else {
                    return Err(Fault::TargetingKeyMissing);
                };
                let bucket = bucket(&self.key, subject);
                if watch.watches() {
                    watch.tell("percent", Value::Num(percent.into()));
                    watch.tell("bucket", Value::Num(bucket.into()));
                }
                (bucket < percent, Reason::Split)
            }
        };
        let [on, off] = &self.variants;
        Ok(Resolution { variant: Some(if is_on { on } else { off }), reason, metadata: None })
    }
}

/// The flag in flagd's form. Its `fractional` puts subjects into other shares; whoever has no targeting key is off there.
fn translation(key: &str, share: Share) -> Translation {
    let [on, off] = NAMES;
    let (targeting, fidelity) = match share {
        Share::Nobody | Share::Everybody => (None, Fidelity::Exact),
        Share::Percent(percent) => {
            let seed = json!({"cat": [key, ":", {"var": TARGETING_KEY}]});
            let shares = json!({"fractional": [seed, [on, percent], [off, 100 - percent]]});
            let rule = json!({"if": [{"var": TARGETING_KEY}, shares, off]});
            let reason = "flagd puts other subjects into a share of this size".to_owned();
            (Some(rule), Fidelity::Approximate(vec![reason]))
        }
    };
    Translation {
        enabled: true,
        variants: NAMES.map(|name| (name.to_owned(), (name == on).into())).into(),
        default: Some(if share == Share::Everybody { on } else { off }.to_owned()),
        targeting,
        fidelity,
        mentions: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Computed by a program of its own, in another language.
    #[test]
    fn buckets() {
        for (key, subject, expected) in [
            ("checkout", "user-1", 60),
            ("checkout", "user-2", 17),
            ("new-shop", "ann", 57),
            ("new-shop", "bob", 77),
            ("new-shop", "", 66),
            ("grüße", "ünal", 44),
            ("a", "b:c", 51),
            ("a:b", "c", 51),
        ] {
            assert_eq!(bucket(key, subject), expected, "{key}:{subject}");
        }
        let inside = (0..10_000).filter(|n| bucket("checkout", &format!("user-{n}")) < 30).count();
        assert_eq!(inside, 3023);
    }
}
