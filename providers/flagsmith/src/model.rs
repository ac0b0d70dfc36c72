//! The environment document, as `GET environment-document/` answers (contract 2.2). What is not evaluated is not read.

use serde::Deserialize;
use serde_json::Value;

/// All flags of an environment. Each part that may be broken on its own is left unread.
#[derive(Debug, Deserialize)]
pub struct Document {
    /// The environment's client-side key: part of every hash.
    pub api_key: String,
    /// The environment's name.
    #[serde(default)]
    pub name: Option<String>,
    /// Whether disabled flags are hidden; `None` leaves it to the project.
    #[serde(default)]
    pub hide_disabled_flags: Option<bool>,
    /// Whether identities are hashed by environment key and identifier, and not by their number in the database.
    #[serde(default)]
    pub use_identity_composite_key_for_hashing: Option<bool>,
    /// What the environment shares with its siblings.
    pub project: Project,
    /// The flags as they are for whom nothing else is said: [`FeatureState`]s.
    pub feature_states: Vec<Value>,
    /// Identities with flags of their own: [`IdentityOverride`]s.
    #[serde(default)]
    pub identity_overrides: Vec<Value>,
}

/// The project of an environment.
#[derive(Debug, Deserialize)]
pub struct Project {
    /// Whether disabled flags are hidden, if the environment does not say.
    #[serde(default)]
    pub hide_disabled_flags: Option<bool>,
    /// Features that clients must not see.
    #[serde(default)]
    pub server_key_only_feature_ids: Vec<i64>,
    /// [`Segment`]s, in the order in which they are looked at.
    #[serde(default)]
    pub segments: Vec<Value>,
}

/// A set of identities, and what flags are for them.
#[derive(Debug, Deserialize)]
pub struct Segment {
    /// Its number: part of the hash of a percentage split.
    pub id: i64,
    /// Its name.
    #[serde(default)]
    pub name: String,
    /// All of them must hold; a segment without rules has no one in it.
    #[serde(default)]
    pub rules: Vec<Rule>,
    /// The flags it overrides: [`FeatureState`]s.
    #[serde(default)]
    pub feature_states: Vec<Value>,
}

/// Conditions and rules under one quantifier.
#[derive(Debug, Deserialize)]
pub struct Rule {
    /// How many must hold.
    #[serde(rename = "type")]
    pub quantifier: Quantifier,
    /// The conditions.
    #[serde(default)]
    pub conditions: Vec<Condition>,
    /// The rules below.
    #[serde(default)]
    pub rules: Vec<Rule>,
}

/// How many of a rule's parts must hold.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "UPPERCASE")]
pub enum Quantifier {
    /// Every one.
    All,
    /// At least one.
    Any,
    /// Not one.
    None,
}

/// A comparison.
#[derive(Debug, Deserialize)]
pub struct Condition {
    /// Such as `EQUAL`.
    pub operator: String,
    /// The right side: text, or a list for `IN`.
    #[serde(default)]
    pub value: Value,
    /// The left side: the name of a trait, or a JSONPath that starts with `$.`.
    #[serde(default, alias = "property")]
    pub property_: Option<String>,
}

/// What a feature is: for everybody, for a segment or for one identity.
#[derive(Debug, Deserialize)]
pub struct FeatureState {
    /// Which feature.
    pub feature: Feature,
    /// Whether it is on.
    pub enabled: bool,
    /// Text, a whole number, a boolean or nothing.
    #[serde(default)]
    pub feature_state_value: Value,
    /// Its number, which is hashed for multivariate values.
    #[serde(default)]
    pub django_id: Option<i64>,
    /// Its name where it has no number.
    #[serde(default)]
    pub featurestate_uuid: Option<String>,
    /// How strong it is among segments.
    #[serde(default)]
    pub feature_segment: Option<FeatureSegment>,
    /// Shares of identities that get another value.
    #[serde(default)]
    pub multivariate_feature_state_values: Vec<MultivariateValue>,
}

/// The feature of a state.
#[derive(Debug, Deserialize)]
pub struct Feature {
    /// Its number.
    pub id: i64,
    /// The flag's key.
    pub name: String,
    /// `STANDARD` or `MULTIVARIATE`.
    #[serde(default, rename = "type")]
    pub kind: String,
}

/// Where an override stands.
#[derive(Debug, Deserialize)]
pub struct FeatureSegment {
    /// The lowest wins.
    #[serde(default)]
    pub priority: Option<f64>,
}

/// A value for a share of the identities.
#[derive(Debug, Deserialize)]
pub struct MultivariateValue {
    /// Its number; shares are laid end to end in the order of it.
    #[serde(default)]
    pub id: Option<i64>,
    /// Orders the shares where they have no number.
    #[serde(default)]
    pub mv_fs_value_uuid: Option<String>,
    /// The share, in percent.
    pub percentage_allocation: f64,
    /// The value.
    pub multivariate_feature_option: MultivariateOption,
}

/// One of a feature's values.
#[derive(Debug, Deserialize)]
pub struct MultivariateOption {
    /// Its number.
    #[serde(default)]
    pub id: Option<i64>,
    /// The variant's name, if it has one.
    #[serde(default)]
    pub key: Option<String>,
    /// Text, a whole number, a boolean or nothing.
    #[serde(default)]
    pub value: Value,
}

/// An identity with flags of its own.
#[derive(Debug, Deserialize)]
pub struct IdentityOverride {
    /// Which identity.
    pub identifier: String,
    /// Its flags: [`FeatureState`]s.
    #[serde(default)]
    pub identity_features: Vec<Value>,
}
