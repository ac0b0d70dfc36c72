//! One setting's value as given, with where it was set, and the readings of it as a typed value.
//!
//! Text is split as flagd splits it: commas on the command line; commas or whitespace in a variable; lists and maps as such
//! in the configuration file.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;

use super::error::quoted;
use super::file::ConfigFile;
use super::{ConfigError, SetBy};
use crate::args::{DEBUG, Environment, Kind, SETTINGS, Setting, StartArgs};

/// The three places a setting can come from, in the order in which they win.
pub(crate) struct Places<'a> {
    pub(crate) args: &'a StartArgs,
    pub(crate) environment: &'a Environment,
    pub(crate) file: Option<&'a ConfigFile>,
}

/// A value as given.
#[derive(Debug)]
pub(crate) struct Given<'a> {
    raw: Raw<'a>,
    /// Where it was set.
    pub(crate) set_by: SetBy,
}

#[derive(Debug, Clone, Copy)]
enum Raw<'a> {
    /// Each occurrence of a flag.
    Words(&'a [String]),
    /// A variable, a default, or a text in the file.
    Text(&'a str),
    /// Anything else in the file.
    Data(&'a Value),
}

impl<'a> Places<'a> {
    /// The value that wins for a setting: flag, then variable, then file, then default.
    pub(crate) fn get(&self, name: &'static str) -> Given<'a> {
        if let Some(words) = self.args.given.get(name) {
            return Given { raw: Raw::Words(words), set_by: SetBy::Flag(name) };
        }
        let setting = SETTINGS.iter().chain([&DEBUG]).find(|setting| setting.name == name);
        let variable = setting.map(Setting::variable).unwrap_or_default();
        if let Some(text) = self.environment.get(&variable).filter(|text| !is_service_link(name, text)) {
            return Given { raw: Raw::Text(text), set_by: SetBy::Variable(variable) };
        }
        if let Some((file, data)) = self.file.and_then(|file| Some((file, file.get(name)?))) {
            let raw = data.as_str().map_or(Raw::Data(data), Raw::Text);
            return Given { raw, set_by: SetBy::File(file.path.clone(), name) };
        }
        let default = setting.map_or("", |setting| setting.default);
        Given { raw: Raw::Text(default), set_by: SetBy::Default(name) }
    }

    /// Variables that are set to something not meant for us, each with why it is ignored.
    pub(crate) fn ignored_variables(&self) -> Vec<String> {
        let ones = SETTINGS.iter().filter(|setting| setting.kind == Kind::One);
        let links = ones.filter_map(|setting| {
            let variable = setting.variable();
            let text = self.environment.get(&variable)?;
            is_service_link(setting.name, text).then(|| {
                format!("ignoring {variable}={}: a Kubernetes service link, not a port", quoted(text))
            })
        });
        links.collect()
    }
}

/// Kubernetes sets `FLAGD_PORT=tcp://10.0.0.1:8013` in every pod beside a service that is called flagd.
fn is_service_link(name: &str, text: &str) -> bool {
    name.ends_with("port") && ["tcp://", "udp://", "sctp://"].iter().any(|scheme| text.starts_with(scheme))
}

impl Given<'_> {
    /// Refuses this value.
    pub(crate) fn wrong(&self, what: impl Into<String>) -> ConfigError {
        ConfigError::at(&self.set_by, what)
    }

    fn invalid(&self, value: &str, rule: &str) -> ConfigError {
        self.wrong(format!("invalid value {}: {rule}", quoted(value)))
    }

    /// One text; a number or boolean of the file counts as its text. The last of several flags wins.
    pub(crate) fn text(&self) -> Result<String, ConfigError> {
        match self.raw {
            Raw::Words(words) => Ok(words.last().cloned().unwrap_or_default()),
            Raw::Text(text) => Ok(text.to_owned()),
            Raw::Data(data) => {
                scalar(data).ok_or_else(|| self.wrong("must be one value, not a list or a map"))
            }
        }
    }

    /// A path, or none for an empty text.
    pub(crate) fn path(&self) -> Result<Option<PathBuf>, ConfigError> {
        Ok(Some(self.text()?).filter(|text| !text.is_empty()).map(PathBuf::from))
    }

    /// A TCP port.
    pub(crate) fn port(&self) -> Result<u16, ConfigError> {
        let text = self.text()?;
        text.trim().parse().map_err(|_| self.invalid(&text, "a port is a whole number from 0 to 65535"))
    }

    /// A whole number, with its sign.
    pub(crate) fn integer(&self) -> Result<i64, ConfigError> {
        let text = self.text()?;
        text.trim().parse().map_err(|_| self.invalid(&text, "must be a whole number"))
    }

    /// A boolean in any of the spellings that Go reads.
    pub(crate) fn switch(&self) -> Result<bool, ConfigError> {
        let text = self.text()?;
        match text.as_str() {
            "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
            "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
            _ => Err(self.invalid(&text, "must be true or false")),
        }
    }

    /// A duration in Go's form, such as `1m30s`; a bare 0 needs no unit.
    pub(crate) fn duration(&self) -> Result<Duration, ConfigError> {
        let text = self.text()?;
        duration(&text).ok_or_else(|| {
            self.invalid(&text, "a duration is a number with a unit (ms, s, m or h), such as 30s or 1m30s")
        })
    }

    /// One of `choices`, as its value.
    pub(crate) fn choice<T: Copy>(&self, choices: &[(&str, T)]) -> Result<T, ConfigError> {
        let text = self.text()?;
        let found = choices.iter().find(|(name, _)| *name == text);
        found.map(|(_, value)| *value).ok_or_else(|| {
            let names: Vec<&str> =
                choices.iter().map(|(name, _)| *name).filter(|name| !name.is_empty()).collect();
            self.invalid(&text, &format!("must be {}", names.join(" or ")))
        })
    }

    /// A list of texts without empty ones.
    pub(crate) fn list(&self) -> Result<Vec<String>, ConfigError> {
        let by_commas = |text: &str| text.split(',').map(str::to_owned).collect::<Vec<_>>();
        let by_both =
            |text: &str| text.split(|c: char| c == ',' || c.is_whitespace()).map(str::to_owned).collect();
        let mut items: Vec<String> = match self.raw {
            Raw::Words(words) => words.iter().flat_map(|word| by_commas(word)).collect(),
            Raw::Text(text) => by_both(text),
            Raw::Data(Value::Array(items)) => {
                let texts = items.iter().map(|item| item.as_str().map(str::to_owned));
                texts.collect::<Option<_>>().ok_or_else(|| self.wrong("must be a list of texts"))?
            }
            Raw::Data(_) => return Err(self.wrong("must be a list of texts")),
        };
        items.retain(|item| !item.is_empty());
        Ok(items)
    }

    /// Keys and values: a map in the file; elsewhere `k=v[,k=v]`, and in a variable also a JSON object.
    pub(crate) fn map(&self) -> Result<BTreeMap<String, String>, ConfigError> {
        match self.raw {
            Raw::Words(words) => {
                let mut all = BTreeMap::new();
                for word in words {
                    self.pairs(word, &mut all)?;
                }
                Ok(all)
            }
            Raw::Text(text) => self.map_text(text),
            Raw::Data(Value::Object(map)) => self.map_data(map),
            Raw::Data(_) => Err(self.wrong("must be a map of keys to values")),
        }
    }

    fn map_text(&self, text: &str) -> Result<BTreeMap<String, String>, ConfigError> {
        if text.trim_start().starts_with('{') {
            let map = serde_json::from_str(text)
                .map_err(|error| self.wrong(format!("not a JSON object: {error}")))?;
            return self.map_data(&map);
        }
        let mut all = BTreeMap::new();
        if !text.trim().is_empty() {
            self.pairs(text.trim(), &mut all)?;
        }
        Ok(all)
    }

    fn map_data(
        &self,
        map: &serde_json::Map<String, Value>,
    ) -> Result<BTreeMap<String, String>, ConfigError> {
        let pairs = map.iter().map(|(key, value)| {
            let text = scalar(value)
                .ok_or_else(|| self.wrong(format!("the value of {} is not text", quoted(key))))?;
            Ok((key.clone(), text))
        });
        pairs.collect()
    }

    /// `k=v`, or `k=v,k=v`. With a single `=` a comma belongs to the value, as flagd reads it.
    fn pairs(&self, text: &str, into: &mut BTreeMap<String, String>) -> Result<(), ConfigError> {
        let parts: Vec<&str> = match text.matches('=').count() {
            1 => vec![text],
            _ => text.split(',').collect(),
        };
        for part in parts {
            let (key, value) = part
                .split_once('=')
                .ok_or_else(|| self.wrong(format!("{} must be formatted as key=value", quoted(part))))?;
            into.insert(key.to_owned(), value.to_owned());
        }
        Ok(())
    }

    /// The text as JSON, or the file's own data; null when there is neither.
    pub(crate) fn json(&self) -> Result<Value, serde_json::Error> {
        let text = match self.raw {
            Raw::Words(words) => words.last().map_or("", String::as_str),
            Raw::Text(text) => text,
            Raw::Data(data) => return Ok(data.clone()),
        };
        if text.trim().is_empty() { Ok(Value::Null) } else { serde_json::from_str(text) }
    }
}

fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Bool(_) | Value::Number(_) => Some(value.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// Reads Go's duration text: numbers with a unit one after another, `0` alone without one. Negative ones are refused: no
/// setting of ours has a use for them.
pub(crate) fn duration(text: &str) -> Option<Duration> {
    if text == "0" {
        return Some(Duration::ZERO);
    }
    let mut rest = text.strip_prefix('+').unwrap_or(text);
    let mut seconds = 0.0_f64;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let amount: f64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let end = rest.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(rest.len());
        let unit = match &rest[..end] {
            "ns" => 1e-9,
            "us" | "µs" | "μs" => 1e-6,
            "ms" => 1e-3,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            _ => return None,
        };
        seconds += amount * unit;
        rest = &rest[end..];
    }
    // Go's durations end at 2^63 nanoseconds, some 292 years.
    (seconds < 9.22e9).then(|| Duration::try_from_secs_f64(seconds).ok()).flatten()
}
