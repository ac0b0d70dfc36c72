//! Reads the vendor's documents into flags.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use engine::{Compiled, Flag, Harvest, Malformed, Problem};
use serde_json::value::RawValue;
use store::{Reader, Reading};
use unleash_types::client_features::{ClientFeature, Segment};

use crate::model::{Document, FeatureName, SegmentId, mended, text_of};
use crate::rules::{self, Counted, Parts, Settings, State};

/// Who keeps the counts of a flag, and makes a counter for it.
pub trait Counting: Send + Sync {
    /// The counter of the flag `key`, which can draw `variants`.
    fn counter(&self, key: &str, variants: Vec<Box<str>>) -> Arc<dyn Counted>;
}

/// Makes flags of `/api/client/features`.
pub struct ClientFeatures {
    settings: Arc<Settings>,
    counting: Option<Arc<dyn Counting>>,
}

impl fmt::Debug for ClientFeatures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientFeatures").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl ClientFeatures {
    /// A reader; `counting` sees every answer.
    pub fn new(settings: Settings, counting: Option<Arc<dyn Counting>>) -> Self {
        Self { settings: Arc::new(settings), counting }
    }
}

impl Reader for ClientFeatures {
    fn read(&self, document: &Reading<'_>) -> Result<Compiled, Malformed> {
        let read: Document<'_> = serde_json::from_str(document.text).map_err(|error| malformed(&error))?;
        let mut harvest = Harvest::new(document.previous);
        let raw_segments = segments_by_id(&read, &mut harvest);
        let segments = raw_segments.iter().filter_map(|(id, raw)| Some((*id, parsed(raw)?))).collect();
        let raw = features_by_name(&read, &mut harvest);
        let features: Vec<ClientFeature> =
            raw.iter().filter_map(|one| one.feature.as_ref().ok().cloned()).collect();
        let (state, warnings) = rules::state(&features, &segments);
        let by_name = features.iter().map(|feature| (feature.name.as_str(), feature)).collect();
        let maker = Maker {
            reader: self,
            source: document.source,
            state: Arc::new(state),
            raw_segments: &raw_segments,
            segments: &segments,
            raw: raw.iter().map(|one| (&*one.name, one.raw)).collect(),
            features: &by_name,
        };
        for one in &raw {
            let flag = match &one.feature {
                Ok(feature) => Ok(maker.flag(feature, one.raw)),
                Err(why) => Err(Problem::error(format!("/features/{}", one.at), why.clone())),
            };
            harvest.add(&one.name, flag);
        }
        for (flag, what) in warnings {
            let at = raw.iter().find(|one| *one.name == *flag).map_or(0, |one| one.at);
            let problem = Problem::warning(format!("/features/{at}"), what);
            harvest.problem(Problem { flag: Some(flag.into()), ..problem });
        }
        Ok(placed(harvest.finish(), document.text))
    }

    fn check(&self, text: &str) -> Result<(), Malformed> {
        serde_json::from_str::<Document<'_>>(text).map(drop).map_err(|error| malformed(&error))
    }
}

/// What every flag of a document is made from.
struct Maker<'m> {
    reader: &'m ClientFeatures,
    source: &'m Arc<str>,
    state: Arc<State>,
    raw_segments: &'m HashMap<i32, &'m RawValue>,
    segments: &'m HashMap<i32, Segment>,
    raw: HashMap<&'m str, &'m RawValue>,
    features: &'m HashMap<&'m str, &'m ClientFeature>,
}

impl Maker<'_> {
    fn flag(&self, feature: &ClientFeature, raw: &RawValue) -> Flag {
        let ids = |feature: &ClientFeature| -> Vec<i32> {
            feature
                .strategies
                .iter()
                .flatten()
                .flat_map(|one| one.segments.iter().flatten())
                .copied()
                .collect()
        };
        let mut needed = ids(feature);
        let mut parents = Vec::new();
        for parent in feature.dependencies.iter().flatten().map(|parent| parent.feature.as_str()) {
            parents.extend(self.raw.get(parent));
            needed.extend(self.features.get(parent).into_iter().flat_map(|parent| ids(parent)));
        }
        needed.sort_unstable();
        needed.dedup();
        let segments: Vec<&RawValue> =
            needed.iter().filter_map(|id| self.raw_segments.get(id)).copied().collect();
        let counted = self.reader.counting.as_ref().map(|counting| {
            let names = self.state.toggle(&feature.name).into_iter().flat_map(|toggle| toggle.choices());
            counting.counter(&feature.name, names.map(|choice| choice.name.clone()).collect())
        });
        rules::flag(&Parts {
            feature,
            segments: self.segments,
            features: self.features,
            text: &text_of(raw, &segments, &parents),
            source: self.source,
            state: &self.state,
            settings: &self.reader.settings,
            counted,
        })
    }
}

/// A feature of a document, read or not.
struct One<'t> {
    at: usize,
    name: Box<str>,
    raw: &'t RawValue,
    feature: Result<ClientFeature, String>,
}

/// The features in document order; of several with one name the last counts.
fn features_by_name<'t>(document: &Document<'t>, harvest: &mut Harvest<'_>) -> Vec<One<'t>> {
    let mut found: Vec<One<'t>> = Vec::with_capacity(document.features.len());
    let mut known: HashMap<Box<str>, usize> = HashMap::new();
    for (at, &raw) in document.features.iter().enumerate() {
        let name: Box<str> = match serde_json::from_str::<FeatureName>(raw.get()) {
            Ok(named) if !named.name.is_empty() => named.name.into(),
            _ => {
                harvest
                    .problem(Problem::error(format!("/features/{at}"), "a feature needs a `name`, a text"));
                continue;
            }
        };
        let feature = serde_json::from_str(raw.get())
            .and_then(|value| serde_json::from_value(mended(value)))
            .map_err(|error| format!("not a feature: {error}"));
        let one = One { at, name: name.clone(), raw, feature };
        match known.get(&name) {
            Some(&before) => {
                let what = "the name is taken again further down; the last one counts";
                let problem = Problem::warning(format!("/features/{}", found[before].at), what);
                harvest.problem(Problem { flag: Some(name), ..problem });
                found[before] = one;
            }
            None => {
                known.insert(name, found.len());
                found.push(one);
            }
        }
    }
    found
}

fn segments_by_id<'t>(document: &Document<'t>, harvest: &mut Harvest<'_>) -> HashMap<i32, &'t RawValue> {
    let mut found = HashMap::new();
    for (at, &raw) in document.segments.iter().flatten().enumerate() {
        match (serde_json::from_str::<SegmentId>(raw.get()), parsed(raw)) {
            (Ok(segment), Some(_)) => {
                found.insert(segment.id, raw);
            }
            _ => harvest.problem(Problem::warning(
                format!("/segments/{at}"),
                "not a segment; flags that use it are off",
            )),
        }
    }
    found
}

fn parsed(raw: &RawValue) -> Option<Segment> {
    serde_json::from_str(raw.get()).ok()
}

fn malformed(error: &serde_json::Error) -> Malformed {
    let place = (error.line() > 0).then(|| engine::Place { line: error.line(), column: error.column() });
    let text = error.to_string();
    let what = text.rfind(" at line ").map_or(text.as_str(), |end| &text[..end]);
    Malformed { message: format!("not a document of Unleash: {what}"), place }
}

/// Says where in the text each problem is.
fn placed(mut compiled: Compiled, text: &str) -> Compiled {
    // Each look is a walk through the text; nobody reads more places than these.
    for problem in compiled.problems.iter_mut().take(100) {
        problem.place = engine::locate(text, &problem.path);
    }
    compiled
}
