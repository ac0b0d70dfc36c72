//! One side of a comparison: a document read once, and its flags as a daemon would serve them.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use engine::{Definition, Flag, Malformed, Options, Severity, compile};
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use store::{Format, RawDocument, Relay, Settings};

use super::CannotCompare;
use crate::args::Environment;
use crate::ask;
use crate::cli::document::{Document, MOST_BYTES};
use crate::config::OriginConfig;
use crate::sources;

/// A document's flags, by flag set and key.
pub(crate) struct Side {
    /// What the document is called, nothing secret.
    pub(crate) name: String,
    /// The set's own metadata.
    pub(crate) metadata: Map<String, Value>,
    /// The flags that can be served.
    pub(crate) flags: Vec<Arc<Flag>>,
    /// Why flags cannot be served, by key: the first reason of each.
    pub(crate) broken: BTreeMap<String, String>,
}

impl Side {
    /// Reads what `place` names: `-`, a source's URI, or else a file.
    ///
    /// # Errors
    /// There is no document, it cannot be read in time, or it is none.
    pub(crate) fn read(
        place: &str,
        timeout: Duration,
        environment: &Environment,
        input: &mut dyn Read,
    ) -> Result<Self, CannotCompare> {
        let path = place.strip_prefix("file:").unwrap_or(place);
        let origin = OriginConfig::parse(place).filter(|_| path == place && !Path::new(path).is_file());
        let Some(origin) = origin else {
            let wrong = |what| CannotCompare::Document(path.to_owned(), what);
            let document = Document::read(Path::new(path), input).map_err(wrong)?;
            let json = store::json_text(&document.bytes, document.format, MOST_BYTES);
            let json = json.map_err(|error| wrong(error.to_string()))?;
            return Self::of(path.to_owned(), &json);
        };
        let name = origin.uri.to_string();
        let wrong = |what| CannotCompare::Document(name.clone(), what);
        let document = once(&origin.within(environment), timeout)?.map_err(wrong)?;
        if document.format == Format::Bundle {
            return Self::together(name.clone(), &document);
        }
        let json = std::str::from_utf8(&document.json).map_err(|error| wrong(error.to_string()))?;
        Self::of(name.clone(), json)
    }

    /// Several files as one side; of flags with one identity the last counts.
    fn together(name: String, document: &RawDocument) -> Result<Self, CannotCompare> {
        let wrong = |error: Malformed| CannotCompare::Document(name.clone(), error.to_string());
        let mut all =
            Self { name: name.clone(), metadata: Map::new(), flags: Vec::new(), broken: BTreeMap::new() };
        for part in store::parts(&document.bytes, document.format).map_err(wrong)? {
            let json = store::json_text(part.bytes, part.format, MOST_BYTES).map_err(wrong)?;
            let side = Self::in_flag_set(name.clone(), &json, part.flag_set.as_deref())?;
            let new = |flag: &Arc<Flag>| {
                !side
                    .flags
                    .iter()
                    .any(|later| later.key() == flag.key() && later.flag_set() == flag.flag_set())
            };
            all.flags.retain(new);
            all.flags.extend(side.flags);
            all.broken.extend(side.broken);
        }
        Ok(all)
    }

    fn of(name: String, json: &str) -> Result<Self, CannotCompare> {
        Self::in_flag_set(name, json, None)
    }

    fn in_flag_set(name: String, json: &str, flag_set: Option<&str>) -> Result<Self, CannotCompare> {
        let wrong = |what| CannotCompare::Document(name.clone(), what);
        let mut definition = Definition::parse(json).map_err(|error| wrong(error.to_string()))?;
        if let Some(set) = flag_set {
            definition = definition.in_flag_set(set);
        }
        // One name for both sides: where a flag comes from is no difference.
        let compiled = compile(&definition, &Arc::from(""), &Options::default(), None);
        let mut broken = BTreeMap::new();
        for problem in compiled.problems.into_iter().filter(|problem| problem.severity == Severity::Error) {
            let served = |key: &str| compiled.layer.flags().iter().any(|flag| flag.key() == key);
            match problem.flag {
                Some(key) if !served(&key) => {
                    broken.entry(key.into_string()).or_insert(problem.message);
                }
                _ => {}
            }
        }
        Ok(Self { metadata: metadata(json), flags: compiled.layer.flags().to_vec(), broken, name })
    }
}

/// Asks a source for its document.
fn once(origin: &OriginConfig, timeout: Duration) -> Result<Result<RawDocument, String>, CannotCompare> {
    let built = sources::build(std::slice::from_ref(origin))?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let read = runtime.block_on(async {
        let Some((_, source)) = built.into_iter().next() else { return Err("no source".to_owned()) };
        let relay = Relay::open(Settings::new(ask::clock), source);
        let first = tokio::time::timeout(timeout, relay.first()).await;
        let said = first.map_err(|_| format!("no answer within {timeout:?} (from --timeout)"))?;
        said.document.ok_or_else(|| said.error.unwrap_or_else(|| "no document".to_owned()))
    });
    runtime.shutdown_timeout(sources::PARTING);
    Ok(read)
}

/// The metadata at the top of a document.
fn metadata(json: &str) -> Map<String, Value> {
    let fields: BTreeMap<String, &RawValue> = serde_json::from_str(json).unwrap_or_default();
    let found = fields.iter().rfind(|(name, _)| name.eq_ignore_ascii_case("metadata"));
    found.and_then(|(_, raw)| serde_json::from_str(raw.get()).ok()).unwrap_or_default()
}
