//! From a document to features: each on its own, so that a broken one is reported and its neighbours live.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use md5::{Digest, Md5};
use serde::Deserialize;
use serde_json::Value;

use super::{Choice, Environment, Feature, Override, Segment, State};
use crate::model::{self, Document};

/// What came of a document.
#[derive(Debug, Default)]
pub struct Compiled {
    /// The features, in document order.
    pub features: Vec<Feature>,
    /// What is wrong.
    pub findings: Vec<Finding>,
}

/// Something wrong in a document that could be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The feature it is about; `None` for the document as a whole.
    pub feature: Option<Box<str>>,
    /// Where, as a JSON pointer.
    pub path: String,
    /// What is wrong.
    pub message: String,
    /// Whether the feature cannot be served; if not, it is served as the server would.
    pub is_error: bool,
}

/// Compiles `document`. Never fails as a whole.
pub fn compile(document: Document) -> Compiled {
    let environment = Arc::new(Environment {
        key: document.api_key.into(),
        name: document.name.unwrap_or_default().into(),
        hides_disabled: document
            .hide_disabled_flags
            .or(document.project.hide_disabled_flags)
            .unwrap_or(false),
    });
    let mut parts = Parts::default();
    if document.use_identity_composite_key_for_hashing == Some(false) {
        parts.finding(
            None,
            "/use_identity_composite_key_for_hashing".to_owned(),
            false,
            LEGACY_HASHING.to_owned(),
        );
    }
    for (at, segment) in document.project.segments.into_iter().enumerate() {
        parts.segment(format!("/project/segments/{at}"), segment);
    }
    for (at, identity) in document.identity_overrides.into_iter().enumerate() {
        parts.identity(&format!("/identity_overrides/{at}"), identity);
    }
    let hidden: HashSet<i64> = document.project.server_key_only_feature_ids.into_iter().collect();
    let mut features = Vec::with_capacity(document.feature_states.len());
    let mut known = HashSet::new();
    for (at, value) in document.feature_states.into_iter().enumerate() {
        let path = format!("/feature_states/{at}");
        let Some(state) = parts.read::<model::FeatureState>(&path, value) else { continue };
        if !known.insert(state.feature.name.clone()) {
            let message = "the feature has a second state in this environment; the first counts".to_owned();
            parts.finding(Some(&state.feature.name), path, false, message);
            continue;
        }
        if let Some(feature) = parts.feature(&environment, state, &hidden) {
            features.push(feature);
        }
    }
    Compiled { features, findings: parts.findings }
}

const LEGACY_HASHING: &str = "this environment hashes identities by their number in Flagsmith's database, which is not in \
     the document: shares of identities are decided by environment key and identifier instead, as Flagsmith's own local \
     evaluation does";

/// How many findings are kept: what is wrong with a hostile document must not outgrow it.
const MOST: usize = 1000;

/// What features are made of, by the feature's name.
#[derive(Default)]
struct Parts {
    overrides: HashMap<String, Vec<(f64, Override)>>,
    identities: HashMap<String, HashMap<Box<str>, State>>,
    /// Features that something else about is broken.
    broken: HashSet<String>,
    /// All that a feature depends on.
    versions: HashMap<String, Md5>,
    findings: Vec<Finding>,
}

impl Parts {
    fn finding(&mut self, feature: Option<&str>, path: String, is_error: bool, message: String) {
        if let Some(feature) = feature.filter(|_| is_error) {
            self.broken.insert(feature.to_owned());
        }
        if self.findings.len() < MOST {
            self.findings.push(Finding { feature: feature.map(Into::into), path, message, is_error });
        }
    }

    /// Counts `text` among what `feature` depends on.
    fn depends(&mut self, feature: &str, text: &str) {
        let version = match self.versions.get_mut(feature) {
            Some(version) => version,
            None => self.versions.entry(feature.to_owned()).or_default(),
        };
        version.update(text);
        version.update([0]);
    }

    /// Reads a part; if it cannot be read, the feature it names is broken.
    fn read<T: for<'de> Deserialize<'de>>(&mut self, path: &str, value: Value) -> Option<T> {
        let name = value.pointer("/feature/name").and_then(Value::as_str).map(str::to_owned);
        if let Some(name) = &name {
            self.depends(name, &value.to_string());
        }
        T::deserialize(value)
            .inspect_err(|error| {
                self.finding(name.as_deref(), path.to_owned(), true, format!("cannot be read: {error}"));
            })
            .ok()
    }

    fn segment(&mut self, path: String, mut value: Value) {
        let states = value.get_mut("feature_states").map(Value::take);
        let Some(Value::Array(states)) =
            states.filter(|states| states.as_array().is_some_and(|all| !all.is_empty()))
        else {
            return;
        };
        let names: Vec<String> = states
            .iter()
            .filter_map(|state| state.pointer("/feature/name").and_then(Value::as_str).map(str::to_owned))
            .collect();
        // Without its states only its rules are left to be wrong.
        value["feature_states"] = Value::Array(Vec::new());
        let text = value.to_string();
        names.iter().for_each(|name| self.depends(name, &text));
        let segment = match model::Segment::deserialize(value) {
            Ok(model) => Segment::compile(model.id, model.name, model.rules),
            Err(error) => {
                for name in &names {
                    let message = format!("its segment cannot be read: {error}");
                    self.finding(Some(name), path.clone(), true, message);
                }
                return;
            }
        };
        let (segment, notes) = segment;
        let segment = Arc::new(segment);
        for note in notes {
            let message = format!("segment {:?}: {note}", segment.name());
            self.finding(names.first().map(String::as_str), path.clone(), false, message);
        }
        for (at, state) in states.into_iter().enumerate() {
            let path = format!("{path}/feature_states/{at}");
            let Some(model) = self.read::<model::FeatureState>(&path, state) else { continue };
            let priority = model.feature_segment.as_ref().and_then(|place| place.priority);
            let name = model.feature.name.clone();
            let other = Override { segment: Arc::clone(&segment), state: State::of(model) };
            self.overrides.entry(name).or_default().push((priority.unwrap_or(f64::INFINITY), other));
        }
    }

    fn identity(&mut self, path: &str, value: Value) {
        let Some(identity) = self.read::<model::IdentityOverride>(path, value) else { return };
        for (at, state) in identity.identity_features.into_iter().enumerate() {
            if let Some(name) = state.pointer("/feature/name").and_then(Value::as_str) {
                self.depends(name, &identity.identifier);
            }
            let path = format!("{path}/identity_features/{at}");
            let Some(model) = self.read::<model::FeatureState>(&path, state) else { continue };
            let of_feature = self.identities.entry(model.feature.name.clone()).or_default();
            of_feature.entry(identity.identifier.as_str().into()).or_insert_with(|| State::of(model));
        }
    }

    fn feature(
        &mut self,
        environment: &Arc<Environment>,
        model: model::FeatureState,
        hidden: &HashSet<i64>,
    ) -> Option<Feature> {
        let name = model.feature.name.clone();
        let mut overrides = self.overrides.remove(&name).unwrap_or_default();
        let identities = self.identities.remove(&name).unwrap_or_default();
        if self.broken.contains(&name) {
            return None;
        }
        // Stable: of two with one priority the earlier segment's is the stronger.
        overrides.sort_by(|(a, _), (b, _)| a.total_cmp(b));
        let shared = format!("{environment:?}{}", hidden.contains(&model.feature.id));
        self.depends(&name, &shared);
        let version = self.versions.remove(&name).unwrap_or_default().finalize();
        let mut feature = Feature {
            environment: Arc::clone(environment),
            id: model.feature.id,
            multivariate: model.feature.kind == "MULTIVARIATE",
            server_key_only: hidden.contains(&model.feature.id),
            state: State::of(model),
            name: name.into(),
            overrides: overrides.into_iter().map(|(_, other)| other).collect(),
            identities,
            version: format!("{:032x}", u128::from_be_bytes(version.into())).into(),
        };
        feature.number_outcomes();
        Some(feature)
    }
}

impl State {
    fn of(model: model::FeatureState) -> Self {
        let seed = match (model.django_id, model.featurestate_uuid) {
            (Some(id), _) if id != 0 => id.to_string(),
            (_, uuid) => uuid.unwrap_or_default(),
        };
        let mut values = model.multivariate_feature_state_values;
        // Vendor fault 8: the order of the JSON means nothing.
        values.sort_by_key(|value| match (value.id, &value.mv_fs_value_uuid) {
            (Some(id), _) if id != 0 => u128::try_from(id).unwrap_or_default(),
            (_, uuid) => uuid_number(uuid.as_deref().unwrap_or_default()),
        });
        let choice = |value: model::MultivariateValue| Choice {
            key: value.multivariate_feature_option.key.filter(|key| !key.is_empty()).map(Into::into),
            id: value.multivariate_feature_option.id,
            value: value.multivariate_feature_option.value,
            weight: value.percentage_allocation,
            outcome: 0,
        };
        Self {
            seed: seed.into(),
            enabled: model.enabled,
            value: model.feature_state_value,
            options: values.into_iter().map(choice).collect(),
            outcome: 0,
        }
    }
}

/// The 128 bits of a UUID.
fn uuid_number(uuid: &str) -> u128 {
    let digits = uuid.chars().filter_map(|c| c.to_digit(16));
    digits.fold(0, |number, digit| number << 4 | u128::from(digit))
}
