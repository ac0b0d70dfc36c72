//! The vendor's document: `GET /api/client/features`, and the events that change one.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

/// A document as it came: each feature still text, so that a bad one is only its own problem.
#[derive(Debug, Deserialize)]
pub struct Document<'t> {
    /// The features, in document order.
    #[serde(borrow)]
    pub features: Vec<&'t RawValue>,
    /// The segments that strategies name by id.
    #[serde(borrow, default)]
    pub segments: Option<Vec<&'t RawValue>>,
}

/// What every segment has.
#[derive(Debug, Deserialize)]
pub(crate) struct SegmentId {
    pub(crate) id: i32,
}

/// What every feature has.
#[derive(Debug, Deserialize)]
pub(crate) struct FeatureName {
    pub(crate) name: String,
}

/// A feature as JSON with what servers of other ages write put right: parameters that are not text, such as
/// `"rollout": 50`, become text, and `null` ones go.
pub(crate) fn mended(mut feature: Value) -> Value {
    let strategies = feature.get_mut("strategies").and_then(Value::as_array_mut);
    for strategy in strategies.into_iter().flatten() {
        if let Some(Value::Object(parameters)) = strategy.get_mut("parameters") {
            parameters.retain(|_, value| !value.is_null());
            for value in parameters.values_mut().filter(|value| !value.is_string()) {
                *value = Value::String(value.to_string());
            }
        }
    }
    feature
}

/// A document that events change (`/api/client/delta`, which only the vendor's enterprise servers have).
#[derive(Debug, Default)]
pub struct Fold {
    features: BTreeMap<String, Value>,
    segments: BTreeMap<i64, Value>,
    /// The last event, as `If-None-Match` names it.
    last: Option<u64>,
}

/// Events, in order.
#[derive(Debug, Deserialize)]
struct Delta {
    events: Vec<Event>,
}

#[derive(Debug, Deserialize)]
struct Event {
    #[serde(rename = "eventId")]
    id: u64,
    #[serde(flatten)]
    change: Change,
}

#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case", rename_all_fields = "camelCase")]
enum Change {
    Hydration {
        features: Vec<Value>,
        segments: Vec<Value>,
    },
    FeatureUpdated {
        feature: Value,
    },
    FeatureRemoved {
        feature_name: String,
    },
    SegmentUpdated {
        segment: Value,
    },
    SegmentRemoved {
        segment_id: i64,
    },
    #[serde(other)]
    Unknown,
}

/// A whole document.
#[derive(Serialize)]
struct Whole<'f> {
    version: u32,
    features: Vec<&'f Value>,
    segments: Vec<&'f Value>,
}

impl Fold {
    /// Applies `{"events": [...]}`. Kinds of events that are not known change nothing.
    ///
    /// # Errors
    /// The text is no list of events.
    pub fn apply(&mut self, text: &str) -> Result<(), serde_json::Error> {
        let delta: Delta = serde_json::from_str(text)?;
        for Event { id, change } in delta.events {
            match change {
                Change::Hydration { features, segments } => {
                    self.features.clear();
                    self.segments.clear();
                    features.into_iter().for_each(|feature| self.feature(feature));
                    segments.into_iter().for_each(|segment| self.segment(segment));
                }
                Change::FeatureUpdated { feature } => self.feature(feature),
                Change::FeatureRemoved { feature_name } => {
                    self.features.remove(&feature_name);
                }
                Change::SegmentUpdated { segment } => self.segment(segment),
                Change::SegmentRemoved { segment_id } => {
                    self.segments.remove(&segment_id);
                }
                Change::Unknown => {}
            }
            self.last = Some(id);
        }
        Ok(())
    }

    fn feature(&mut self, feature: Value) {
        if let Some(name) = feature["name"].as_str() {
            self.features.insert(name.to_owned(), feature);
        }
    }

    fn segment(&mut self, segment: Value) {
        if let Some(id) = segment["id"].as_i64() {
            self.segments.insert(id, segment);
        }
    }

    /// The last event that was applied.
    pub fn last(&self) -> Option<u64> {
        self.last
    }

    /// The document as it is after the events.
    ///
    /// # Errors
    /// Never, for what was read from JSON.
    pub fn document(&self) -> Result<String, serde_json::Error> {
        let (features, segments) = (self.features.values().collect(), self.segments.values().collect());
        serde_json::to_string(&Whole { version: 2, features, segments })
    }
}

/// The text of a flag: its definition with all that it depends on, from which a front door puts documents together again.
pub(crate) fn text_of(feature: &RawValue, segments: &[&RawValue], parents: &[&RawValue]) -> String {
    let list = |items: &[&RawValue]| items.iter().map(|item| item.get()).collect::<Vec<_>>().join(",");
    format!(
        r#"{{"feature":{},"segments":[{}],"parents":[{}]}}"#,
        feature.get(),
        list(segments),
        list(parents)
    )
}

/// What [`text_of`] put together.
#[derive(Debug, Deserialize)]
pub(crate) struct Text<'t> {
    #[serde(borrow)]
    pub(crate) feature: &'t RawValue,
    #[serde(borrow)]
    pub(crate) segments: Vec<&'t RawValue>,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn events_fold_into_a_document() {
        let mut fold = Fold::default();
        let events = json!({"events": [
            {"type": "hydration", "eventId": 3, "features": [{"name": "a", "v": 1}, {"name": "b"}], "segments": [{"id": 1}]},
            {"type": "feature-updated", "eventId": 4, "feature": {"name": "a", "v": 2}},
            {"type": "feature-removed", "eventId": 5, "featureName": "b", "project": "default"},
            {"type": "segment-updated", "eventId": 6, "segment": {"id": 2}},
            {"type": "segment-removed", "eventId": 7, "segmentId": 1},
            {"type": "something-new", "eventId": 8, "whatever": true},
        ]});
        fold.apply(&events.to_string()).expect("events");
        assert_eq!(fold.last(), Some(8));
        let document: Value = serde_json::from_str(&fold.document().expect("text")).expect("JSON");
        assert_eq!(
            document,
            json!({"version": 2, "features": [{"name": "a", "v": 2}], "segments": [{"id": 2}]})
        );
    }

    #[test]
    fn parameters_become_text() {
        let feature =
            json!({"name": "a", "strategies": [{"parameters": {"rollout": 50, "x": null, "y": "z"}}]});
        let mended = mended(feature);
        assert_eq!(mended["strategies"][0]["parameters"], json!({"rollout": "50", "y": "z"}));
    }
}
