//! `features.yaml`, versions 1.0 to 1.6: flags as they are written by hand and kept in git, with no server (contract 1.2).
//!
//! Segments are written once and named by rules; a rule's rank is its place. What comes out is what the server's snapshot
//! would be. Reading YAML is not done here.

use std::collections::HashMap;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::model::{
    Distribution, Flag, FlagType, Rollout, RolloutSegment, Rule, Segment, SegmentOperator, Threshold,
    Variant, or_nothing, text,
};
use crate::rules::{Finding, Read, is_left_out};

/// The namespace of a document that names none.
pub const DEFAULT_NAMESPACE: &str = "default";

/// The newest version of the format that this reads.
const NEWEST: (u32, u32) = (1, 6);

/// One document of a file.
#[derive(Debug, Default, Deserialize)]
pub struct Document {
    #[serde(default, deserialize_with = "text")]
    version: String,
    #[serde(default)]
    namespace: Option<Named>,
    #[serde(default, deserialize_with = "or_nothing")]
    flags: Vec<Value>,
    #[serde(default, deserialize_with = "or_nothing")]
    segments: Vec<Value>,
}

/// A namespace by its key alone, or with more said about it.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Named {
    Key(String),
    Whole {
        #[serde(default)]
        key: String,
    },
}

#[derive(Debug, Deserialize)]
struct WrittenFlag {
    #[serde(deserialize_with = "text")]
    key: String,
    #[serde(default, rename = "type")]
    kind: FlagType,
    #[serde(default)]
    enabled: bool,
    #[serde(default, deserialize_with = "or_nothing")]
    metadata: Map<String, Value>,
    #[serde(default, deserialize_with = "or_nothing")]
    variants: Vec<WrittenVariant>,
    #[serde(default, deserialize_with = "or_nothing")]
    rules: Vec<WrittenRule>,
    #[serde(default, deserialize_with = "or_nothing")]
    rollouts: Vec<WrittenRollout>,
}

#[derive(Debug, Deserialize)]
struct WrittenVariant {
    #[serde(deserialize_with = "text")]
    key: String,
    #[serde(default)]
    default: bool,
    #[serde(default)]
    attachment: Value,
}

#[derive(Debug, Deserialize)]
struct WrittenRule {
    segment: Option<Chosen>,
    #[serde(default, deserialize_with = "or_nothing")]
    distributions: Vec<WrittenDistribution>,
}

#[derive(Debug, Deserialize)]
struct WrittenDistribution {
    #[serde(deserialize_with = "text")]
    variant: String,
    #[serde(default)]
    rollout: f32,
}

#[derive(Debug, Deserialize)]
struct WrittenRollout {
    segment: Option<Chosen>,
    threshold: Option<Threshold>,
}

/// Segments by one key, by a list of them, or with how many must match.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Chosen {
    One(String),
    Many(Vec<String>),
    Whole {
        #[serde(default)]
        key: Option<String>,
        #[serde(default, deserialize_with = "or_nothing")]
        keys: Vec<String>,
        #[serde(default)]
        operator: Option<SegmentOperator>,
        #[serde(default)]
        value: bool,
    },
}

impl Document {
    /// Whether it says anything that such a document says.
    pub fn is_one(&self) -> bool {
        self.namespace.is_some()
            || !self.version.is_empty()
            || !self.flags.is_empty()
            || !self.segments.is_empty()
    }
}

/// The flags of all namespaces, in the order in which the documents name them. Documents of one namespace add up: a later
/// flag replaces an earlier one of its key, and segments may come from earlier documents.
pub fn read(documents: Vec<Document>) -> Vec<(String, Vec<Read>)> {
    let mut spaces: Vec<(String, Space)> = Vec::new();
    for (at, document) in documents.into_iter().enumerate() {
        let key = match &document.namespace {
            Some(Named::Key(key) | Named::Whole { key }) if !key.is_empty() => key.clone(),
            _ => DEFAULT_NAMESPACE.to_owned(),
        };
        let known = spaces.iter().position(|(other, _)| *other == key);
        let space = known.unwrap_or_else(|| {
            spaces.push((key, Space::default()));
            spaces.len() - 1
        });
        spaces[space].1.add(document, at);
    }
    spaces.into_iter().map(|(key, space)| (key, space.flags.into_iter().flatten().collect())).collect()
}

/// What is known of a namespace so far.
#[derive(Default)]
struct Space {
    /// By key: nothing in the place of one that Flipt leaves out, or why it cannot be read.
    segments: HashMap<String, Result<Option<Arc<Segment>>, String>>,
    /// In order; nothing in the place of one that was replaced.
    flags: Vec<Option<Read>>,
    places: HashMap<String, usize>,
}

impl Space {
    fn add(&mut self, document: Document, at: usize) {
        if let Some(doubt) = doubt(&document.version) {
            let path = format!("/{at}/version");
            self.flags.push(Some(Err(Finding { flag: None, path, message: doubt, is_error: false })));
        }
        for (index, value) in document.segments.into_iter().enumerate() {
            let key = value.get("key").and_then(Value::as_str).unwrap_or_default().to_owned();
            let segment = Segment::deserialize(value).map(Arc::new).map_err(|error| error.to_string());
            let segment = segment.map(|segment| Some(segment).filter(|segment| !is_left_out(segment)));
            if segment == Ok(None) {
                let path = format!("/{at}/segments/{index}");
                let message = format!(
                    "segment {key:?} compares with what is no value; as in Flipt, rules are without it"
                );
                self.flags.push(Some(Err(Finding { flag: None, path, message, is_error: false })));
            }
            self.segments.insert(key, segment);
        }
        for (index, value) in document.flags.into_iter().enumerate() {
            let key = value.get("key").and_then(Value::as_str).map(str::to_owned);
            let read = WrittenFlag::deserialize(value).map_err(|error| error.to_string());
            let path = format!("/{at}/flags/{index}");
            let read = match read.and_then(|flag| self.flag(flag)) {
                Ok(flag) => Ok(Flag { path, ..flag }),
                Err(message) => {
                    Err(Finding { flag: key.as_deref().map(Into::into), path, message, is_error: true })
                }
            };
            self.put(key, read);
        }
    }

    /// Adds a flag in the place of one with its key.
    fn put(&mut self, key: Option<String>, read: Read) {
        let earlier = key.and_then(|key| self.places.insert(key, self.flags.len()));
        if let Some(Some(flag)) = earlier.map(|at| self.flags.get_mut(at)) {
            *flag = flag.take().filter(Result::is_err);
        }
        self.flags.push(Some(read));
    }

    fn flag(&self, written: WrittenFlag) -> Result<Flag, String> {
        let variants: Vec<Variant> = written.variants.iter().map(WrittenVariant::variant).collect();
        let default = written.variants.iter().rposition(|variant| variant.default);
        let mut rules = Vec::with_capacity(written.rules.len());
        for (rule, rank) in written.rules.into_iter().zip(1..) {
            let (segments, segment_operator, _) = self.segments(rule.segment)?;
            let share = |share: WrittenDistribution| {
                let variant = variants.iter().find(|variant| variant.key == share.variant);
                let variant = variant.ok_or_else(|| {
                    format!("rule {rank} names no variant of the flag: {:?}", share.variant)
                })?;
                Ok(Distribution {
                    variant_key: variant.key.clone(),
                    variant_attachment: variant.attachment.clone(),
                    rollout: share.rollout,
                })
            };
            let distributions = rule.distributions.into_iter().map(share).collect::<Result<_, String>>()?;
            rules.push(Rule { id: String::new(), rank, segment_operator, segments, distributions });
        }
        let mut rollouts = Vec::with_capacity(written.rollouts.len());
        for (rollout, rank) in written.rollouts.into_iter().zip(1..) {
            let segment = match rollout.segment {
                None => None,
                some => {
                    let (segments, segment_operator, value) = self.segments(some)?;
                    Some(RolloutSegment { value, segment_operator, segments })
                }
            };
            rollouts.push(Rollout { rank, segment, threshold: rollout.threshold });
        }
        Ok(Flag {
            key: written.key,
            enabled: written.enabled,
            kind: written.kind,
            default_variant: default.and_then(|at| variants.get(at).cloned()),
            variants,
            rules,
            rollouts,
            metadata: written.metadata,
            path: String::new(),
        })
    }

    /// The segments of a rule, how many must match, and what a rollout answers then.
    fn segments(&self, chosen: Option<Chosen>) -> Result<(Vec<Arc<Segment>>, SegmentOperator, bool), String> {
        let (keys, operator, value) = match chosen {
            None => return Err("a rule names no segment".to_owned()),
            Some(Chosen::One(key)) => (vec![key], None, false),
            Some(Chosen::Many(keys)) => (keys, None, false),
            Some(Chosen::Whole { key, keys, operator, value }) => {
                let keys = if keys.is_empty() { key.into_iter().collect() } else { keys };
                (keys, operator, value)
            }
        };
        let find = |key: String| match self.segments.get(&key) {
            Some(Ok(segment)) => Ok(segment.clone()),
            Some(Err(error)) => Err(format!("segment {key:?} cannot be read: {error}")),
            None => Err(format!("there is no segment {key:?}; define it in this document or an earlier one")),
        };
        let segments = keys.into_iter().filter_map(|key| find(key).transpose()).collect::<Result<_, _>>()?;
        Ok((segments, operator.unwrap_or_default(), value))
    }
}

impl WrittenVariant {
    fn variant(&self) -> Variant {
        let attachment = if self.attachment.is_null() { String::new() } else { self.attachment.to_string() };
        Variant { key: self.key.clone(), attachment }
    }
}

/// What is to be said about a version, if anything.
fn doubt(version: &str) -> Option<String> {
    if version.is_empty() {
        return None;
    }
    let parts =
        version.split_once('.').and_then(|(major, minor)| Some((major.parse().ok()?, minor.parse().ok()?)));
    match parts {
        Some(parts) if parts <= NEWEST && parts.0 == NEWEST.0 => None,
        _ => Some(format!("version {version:?} is not known; read as {}.{}", NEWEST.0, NEWEST.1)),
    }
}
