//! A namespace's flags, as the snapshot API answers (contract 1.2). What is not evaluated is not read.
//!
//! `features.yaml` says the same with other names; [`crate::features`] makes this of it.

use std::sync::Arc;

use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

/// All flags of a namespace. Each may be broken on its own and is left unread.
#[derive(Debug, Default, Deserialize)]
pub struct Snapshot {
    /// What the server calls this version.
    #[serde(default)]
    pub digest: String,
    /// Which namespace.
    #[serde(default)]
    pub namespace: Namespace,
    /// [`Flag`]s. What has none is no snapshot: of a namespace without flags the server lists none.
    pub flags: Vec<Value>,
}

/// A namespace.
#[derive(Debug, Default, Deserialize)]
pub struct Namespace {
    /// Its key.
    #[serde(default)]
    pub key: String,
}

/// A flag.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Flag {
    /// Its key.
    pub key: String,
    /// Whether it is on; for a boolean flag, the value where no rollout decides.
    #[serde(default)]
    pub enabled: bool,
    /// What it answers with.
    #[serde(default, rename = "type")]
    pub kind: FlagType,
    /// The variant that stands where no rule decides.
    #[serde(default)]
    pub default_variant: Option<Variant>,
    /// The variants, as far as they are told: a snapshot has only those that rules use.
    #[serde(default)]
    pub variants: Vec<Variant>,
    /// A variant flag's rules, by rank.
    #[serde(default)]
    pub rules: Vec<Rule>,
    /// A boolean flag's rollouts, by rank.
    #[serde(default)]
    pub rollouts: Vec<Rollout>,
    /// What the flag says about itself.
    #[serde(default)]
    pub metadata: Map<String, Value>,
    /// Where it is written, as a JSON pointer; said by whoever read it.
    #[serde(skip)]
    pub path: String,
}

/// What a flag answers with.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
pub enum FlagType {
    /// One of its variants.
    #[default]
    #[serde(rename = "VARIANT_FLAG_TYPE")]
    Variant,
    /// On or off.
    #[serde(rename = "BOOLEAN_FLAG_TYPE")]
    Boolean,
}

/// A named value.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Variant {
    /// Its name.
    pub key: String,
    /// JSON as text; empty for none.
    #[serde(default)]
    pub attachment: String,
}

/// Who gets which variants.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Rule {
    /// Its name, by which a repetition is told.
    #[serde(default)]
    pub id: String,
    /// Its place.
    #[serde(default)]
    pub rank: i64,
    /// How many of the segments must match.
    #[serde(default)]
    pub segment_operator: SegmentOperator,
    /// Whom it is for.
    #[serde(default)]
    pub segments: Vec<Arc<Segment>>,
    /// What they get.
    #[serde(default)]
    pub distributions: Vec<Distribution>,
}

/// How many segments must match.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
pub enum SegmentOperator {
    /// At least one.
    #[default]
    #[serde(rename = "OR_SEGMENT_OPERATOR")]
    Or,
    /// Every one.
    #[serde(rename = "AND_SEGMENT_OPERATOR")]
    And,
}

/// A set of entities.
#[derive(Debug, Deserialize, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Segment {
    /// Its key.
    pub key: String,
    /// How many constraints must hold.
    #[serde(default, alias = "match_type")]
    pub match_type: MatchType,
    /// What must hold.
    #[serde(default, deserialize_with = "or_nothing")]
    pub constraints: Vec<Constraint>,
}

/// How many constraints must hold.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
pub enum MatchType {
    /// Every one.
    #[default]
    #[serde(rename = "ALL_SEGMENT_MATCH_TYPE", alias = "ALL_MATCH_TYPE")]
    All,
    /// At least one, if there are any.
    #[serde(rename = "ANY_SEGMENT_MATCH_TYPE", alias = "ANY_MATCH_TYPE")]
    Any,
}

/// A comparison.
#[derive(Debug, Deserialize, PartialEq)]
pub struct Constraint {
    /// Such as `STRING_CONSTRAINT_COMPARISON_TYPE`, and in files without `CONSTRAINT_`.
    #[serde(default, rename = "type")]
    pub kind: String,
    /// The context's property.
    #[serde(default)]
    pub property: String,
    /// Such as `eq`.
    #[serde(default)]
    pub operator: String,
    /// The right side: text, and in newer files a list.
    #[serde(default, deserialize_with = "text")]
    pub value: String,
}

/// A variant's share.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Distribution {
    /// Which variant.
    pub variant_key: String,
    /// JSON as text; empty for none.
    #[serde(default)]
    pub variant_attachment: String,
    /// The share, in percent of what all shares come to.
    #[serde(default)]
    pub rollout: f32,
}

/// Who gets which boolean.
#[derive(Debug, Deserialize)]
pub struct Rollout {
    /// Its place.
    #[serde(default)]
    pub rank: i64,
    /// For entities in segments.
    #[serde(default)]
    pub segment: Option<RolloutSegment>,
    /// For a share of all entities.
    #[serde(default)]
    pub threshold: Option<Threshold>,
}

/// A rollout for segments.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RolloutSegment {
    /// What they get.
    #[serde(default)]
    pub value: bool,
    /// How many of the segments must match.
    #[serde(default)]
    pub segment_operator: SegmentOperator,
    /// Whom it is for.
    #[serde(default)]
    pub segments: Vec<Arc<Segment>>,
}

/// A rollout for a share.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct Threshold {
    /// The share, in percent.
    #[serde(default)]
    pub percentage: f32,
    /// What they get.
    #[serde(default)]
    pub value: bool,
}

/// `null` is nothing, as everywhere in YAML.
pub(crate) fn or_nothing<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(
    from: D,
) -> Result<T, D::Error> {
    Option::deserialize(from).map(Option::unwrap_or_default)
}

/// Text as it is; everything else as its JSON.
pub(crate) fn text<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    Ok(match Value::deserialize(from)? {
        Value::Null => String::new(),
        Value::String(text) => text,
        other => other.to_string(),
    })
}
