//! The configuration file: YAML, JSON or TOML by its extension, one key per setting.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::ConfigError;
use crate::args::{DEBUG, Environment, SETTINGS};

/// Bytes of the largest configuration file that is read.
const MOST_BYTES: u64 = 1024 * 1024;

/// A configuration file's settings by key, and where they stand.
#[derive(Debug)]
pub(crate) struct ConfigFile {
    /// Where it was read from.
    pub(crate) path: PathBuf,
    entries: Map<String, Value>,
}

impl ConfigFile {
    /// Finds and reads the file: the one named by `--config`, which must exist, or `$HOME/.agent.yaml` when it exists.
    pub(crate) fn find(named: Option<&Path>, environment: &Environment) -> Result<Option<Self>, ConfigError> {
        if let Some(path) = named {
            let file = File::open(path).map_err(|error| wrong(path, &format!("{error} (from --config)")))?;
            return Self::read(path, file).map(Some);
        }
        let Some(home) = environment.get("HOME") else { return Ok(None) };
        let path = Path::new(home).join(".agent.yaml");
        // A home that another user owns is common in containers, and nobody asked for this file.
        match File::open(&path) {
            Ok(file) => Self::read(&path, file).map(Some),
            Err(_) => Ok(None),
        }
    }

    /// The value of a setting; null counts as unset. Keys are matched in any case, as flagd's are.
    pub(crate) fn get(&self, name: &str) -> Option<&Value> {
        let found = self.entries.iter().find(|(key, _)| key.eq_ignore_ascii_case(name))?;
        Some(found.1).filter(|value| !value.is_null())
    }

    /// Keys that are no setting of ours.
    pub(crate) fn unknown_keys(&self) -> impl Iterator<Item = &str> {
        let known = |key: &str| {
            let mut names = SETTINGS.iter().map(|setting| setting.name).chain([DEBUG.name, "$schema"]);
            names.any(|name| name.eq_ignore_ascii_case(key))
        };
        self.entries.keys().map(String::as_str).filter(move |key| !known(key))
    }

    fn read(path: &Path, file: File) -> Result<Self, ConfigError> {
        let mut text = String::new();
        file.take(MOST_BYTES + 1)
            .read_to_string(&mut text)
            .map_err(|error| wrong(path, &error.to_string()))?;
        if text.len() as u64 > MOST_BYTES {
            return Err(wrong(path, &format!("larger than {MOST_BYTES} bytes")));
        }
        match parse(path, &text).map_err(|what| wrong(path, &what))? {
            Value::Object(entries) => Ok(Self { path: path.to_owned(), entries }),
            Value::Null => Ok(Self { path: path.to_owned(), entries: Map::new() }),
            _ => Err(wrong(path, "must hold keys and values, such as `port: 8013`")),
        }
    }
}

fn wrong(path: &Path, what: &str) -> ConfigError {
    ConfigError::whole(format!("configuration file {}: {what}", path.display()))
}

/// The messages tell position and kind only: a snippet could show a token from `sources`.
fn parse(path: &Path, text: &str) -> Result<Value, String> {
    let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    match extension.to_ascii_lowercase().as_str() {
        "yaml" | "yml" if text.trim().is_empty() => Ok(Value::Null),
        "yaml" | "yml" => {
            let options = serde_saphyr::options! { strict_booleans: true, with_snippet: false };
            serde_saphyr::from_str_with_options(text, options)
                .map_err(|error| format!("not valid YAML: {error}"))
        }
        "json" => serde_json::from_str(text).map_err(|error| format!("not valid JSON: {error}")),
        "toml" => toml::from_str(text).map_err(|error: toml::de::Error| {
            let line = error
                .span()
                .and_then(|span| text.get(..span.start))
                .map_or(1, |before| before.lines().count().max(1));
            format!("not valid TOML at line {line}: {}", error.message())
        }),
        other => Err(format!("unknown extension {other:?}, use .yaml, .yml, .json or .toml")),
    }
}
