//! The server's own API from a snapshot, so that its SDKs can move without a change of code.
//!
//! ```text
//! Door   the documents put together again from the flags that are served, and their engine for the frontend API
//! Gate   tokens: asked of the server once, remembered, refusals too
//! Desk   what SDKs register and report, added up and passed on
//! ```

mod desk;
mod frontend;
mod gate;

use std::collections::{BTreeMap, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};

use engine::Snapshot;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};
use unleash_types::client_features::{ClientFeature, Segment};

use crate::model::{Text, mended};
use crate::rules::{self, State};

pub use desk::{Desk, Registration, Usage};
pub use frontend::{Toggle, context_of_json, context_of_query};
pub use gate::{Denied, Gate, Kind, Token};

/// The flags of some sources as their server would hand them out.
#[derive(Debug, Default)]
pub struct Door {
    flags: Vec<Served>,
    segments: BTreeMap<i64, Box<RawValue>>,
    state: State,
    /// Hash of all of it, the same after a restart.
    revision: u64,
}

#[derive(Debug)]
struct Served {
    name: Box<str>,
    project: Box<str>,
    impression_data: bool,
    raw: Box<RawValue>,
}

/// In which form a document is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Strategies name segments, which come beside them.
    Segments,
    /// Strategies have the constraints of their segments.
    Inlined,
}

impl Form {
    /// The form for a client that speaks this version of the specification (header `Unleash-Client-Spec`): segments from 4.2.0
    /// on.
    pub fn for_client(specification: Option<&str>) -> Self {
        let mut parts =
            specification.unwrap_or_default().split('.').map(|part| part.parse::<u32>().unwrap_or(0));
        let (major, minor) = (parts.next().unwrap_or(0), parts.next().unwrap_or(0));
        if (major, minor) >= (4, 2) { Self::Segments } else { Self::Inlined }
    }
}

impl Door {
    /// Puts the flags of the sources called `sources` together as they are in `snapshot`: shadowed ones are not there, and those
    /// that keep their last good definition have that.
    pub fn of(snapshot: &Snapshot, sources: &[Box<str>]) -> Self {
        let mut door = Self::default();
        let mut hasher = DefaultHasher::new();
        let (mut features, mut segments): (Vec<ClientFeature>, HashMap<i32, Segment>) = Default::default();
        let ours = snapshot
            .select(&engine::Selector::Any)
            .filter(|flag| sources.iter().any(|source| **source == *flag.source()));
        for flag in ours {
            let Some(text) = flag.native_text() else { continue };
            let Ok(text) = serde_json::from_str::<Text<'_>>(text) else { continue };
            let Some(feature) = parsed(text.feature) else { continue };
            for raw in text.segments {
                let Ok(segment) = serde_json::from_str::<Segment>(raw.get()) else { continue };
                door.segments.entry(i64::from(segment.id)).or_insert_with(|| raw.to_owned());
                segments.entry(segment.id).or_insert(segment);
            }
            text.feature.get().hash(&mut hasher);
            door.flags.push(Served {
                name: flag.key().into(),
                project: feature.project.as_deref().unwrap_or("default").into(),
                impression_data: feature.impression_data.unwrap_or_default(),
                raw: text.feature.to_owned(),
            });
            features.push(feature);
        }
        for (id, raw) in &door.segments {
            (id, raw.get()).hash(&mut hasher);
        }
        door.revision = hasher.finish();
        door.state = rules::state(&features, &segments).0;
        door
    }

    /// The document of the flags that `token` may see and `prefix` begins, and its ETag.
    pub fn document(&self, token: &Token, prefix: &str, form: Form) -> (String, String) {
        let flags = self.seen_by(token).filter(|flag| flag.name.starts_with(prefix));
        let mut hasher = DefaultHasher::new();
        (prefix, form == Form::Inlined).hash(&mut hasher);
        token.projects.hash(&mut hasher);
        let query_hash = format!("{:08x}", hasher.finish() as u32);
        let etag = format!("\"{query_hash}:{:016x}:v1\"", self.revision);
        let features: Vec<String> = flags
            .map(|flag| match form {
                Form::Segments => flag.raw.get().to_owned(),
                Form::Inlined => self.inlined(&flag.raw),
            })
            .collect();
        let mut query = Map::new();
        query.insert("environment".to_owned(), token.environment.as_str().into());
        if !token.sees_all() {
            query.insert("project".to_owned(), token.projects.as_slice().into());
        }
        if !prefix.is_empty() {
            query.insert("namePrefix".to_owned(), prefix.into());
        }
        query.insert("inlineSegmentConstraints".to_owned(), (form == Form::Inlined).into());
        let segments = match form {
            Form::Inlined => String::new(),
            Form::Segments => {
                let all: Vec<&str> = self.segments.values().map(|raw| raw.get()).collect();
                format!(",\"segments\":[{}]", all.join(","))
            }
        };
        let meta = json!({"revisionId": self.revision >> 12, "etag": etag, "queryHash": query_hash});
        let query = Value::Object(query);
        let features = features.join(",");
        (
            format!(
                "{{\"version\":2,\"features\":[{features}],\"query\":{query}{segments},\"meta\":{meta}}}"
            ),
            etag,
        )
    }

    /// A feature with the constraints of its segments in its strategies.
    fn inlined(&self, raw: &RawValue) -> String {
        let Ok(mut feature) = serde_json::from_str::<Value>(raw.get()) else { return raw.get().to_owned() };
        let strategies = feature.get_mut("strategies").and_then(Value::as_array_mut);
        for strategy in strategies.into_iter().flatten().filter_map(Value::as_object_mut) {
            let ids = strategy.remove("segments");
            let ids = ids.iter().filter_map(Value::as_array).flatten().filter_map(Value::as_i64);
            let shared = ids.filter_map(|id| self.segments.get(&id)).filter_map(|raw| {
                let segment: Value = serde_json::from_str(raw.get()).ok()?;
                segment.get("constraints")?.as_array().cloned()
            });
            let mut shared: Vec<Value> = shared.flatten().collect();
            if shared.is_empty() {
                continue;
            }
            if let Some(own) = strategy.get_mut("constraints").and_then(Value::as_array_mut) {
                own.append(&mut shared);
            } else {
                strategy.insert("constraints".to_owned(), shared.into());
            }
        }
        feature.to_string()
    }

    fn seen_by(&self, token: &Token) -> impl Iterator<Item = &Served> {
        self.flags.iter().filter(|flag| token.sees(&flag.project))
    }
}

fn parsed(raw: &RawValue) -> Option<ClientFeature> {
    serde_json::from_str(raw.get()).and_then(|value| serde_json::from_value(mended(value))).ok()
}
