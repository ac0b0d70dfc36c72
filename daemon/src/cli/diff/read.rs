//! One side of a comparison: a document read once, and its flags as a daemon would serve them.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use engine::{Definition, Flag, Options, Severity, compile};
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use store::{RawDocument, Relay, Settings};

use super::CannotCompare;
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
    pub(crate) fn read(place: &str, timeout: Duration, input: &mut dyn Read) -> Result<Self, CannotCompare> {
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
        let document = once(&origin, timeout)?.map_err(wrong)?;
        let json = std::str::from_utf8(&document.json).map_err(|error| wrong(error.to_string()))?;
        Self::of(name.clone(), json)
    }

    fn of(name: String, json: &str) -> Result<Self, CannotCompare> {
        let wrong = |what| CannotCompare::Document(name.clone(), what);
        let definition = Definition::parse(json).map_err(|error| wrong(error.to_string()))?;
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
    runtime.shutdown_background();
    Ok(read)
}

/// The metadata at the top of a document.
fn metadata(json: &str) -> Map<String, Value> {
    let fields: BTreeMap<String, &RawValue> = serde_json::from_str(json).unwrap_or_default();
    let found = fields.iter().rfind(|(name, _)| name.eq_ignore_ascii_case("metadata"));
    found.and_then(|(_, raw)| serde_json::from_str(raw.get()).ok()).unwrap_or_default()
}
