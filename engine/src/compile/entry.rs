//! One flag as it is written: its fields, told apart and checked (contract 6.2).

use serde_json::{Map, Value};

use super::hint::did_you_mean;
use super::problem::{Problem, quote};
use crate::definition::reason;
use crate::tree::{Tree, push_segment};

/// The fields of a flag that mean something.
const FIELDS: [&str; 5] = ["state", "variants", "defaultVariant", "targeting", "metadata"];
/// Fields that other tools write and flagd ignores.
const IGNORED: [&str; 6] = ["key", "source", "selector", "$schema", "$comment", "description"];
/// The states that a flag should have.
const STATES: [&str; 2] = ["ENABLED", "DISABLED"];
/// As many warnings as one flag may cause.
pub(crate) const MAX_WARNINGS: usize = 32;

/// A flag's fields, types checked.
#[derive(Debug, Default)]
pub(crate) struct Written {
    pub(crate) enabled: bool,
    pub(crate) variants: Map<String, Value>,
    pub(crate) default: Option<String>,
    pub(crate) targeting: Option<Value>,
    pub(crate) metadata: Option<Map<String, Value>>,
    /// What is odd about it; paths start at the flag.
    pub(crate) warnings: Vec<Problem>,
}

/// The fields as they come, each with the name it is written under.
#[derive(Default)]
struct Raw {
    state: Option<(String, Value)>,
    variants: Option<(String, Value)>,
    default: Option<(String, Value)>,
    targeting: Option<(String, Value)>,
    metadata: Option<(String, Value)>,
}

impl Written {
    /// Reads the JSON text of one flag.
    ///
    /// The error is a problem whose path starts at the flag.
    pub(crate) fn read(text: &str) -> Result<Self, Problem> {
        let tree = Tree::parse(text).map_err(|error| Problem::error("", reason(&error)))?;
        let fields = match tree.value {
            Value::Object(fields) => fields,
            Value::Null => Map::new(),
            _ => return Err(Problem::error("", "a flag is an object")),
        };
        let mut flag = Self::default();
        flag.warn_of_duplicates(tree.duplicates, text);
        let raw = flag.sort(fields);
        flag.take_state(raw.state)?;
        flag.take_variants(raw.variants)?;
        flag.take_default(raw.default)?;
        flag.take_metadata(raw.metadata)?;
        flag.targeting = raw.targeting.map(|(_, targeting)| targeting);
        flag.warnings.truncate(MAX_WARNINGS);
        Ok(flag)
    }

    fn warn(&mut self, problem: Problem) {
        self.warnings.push(problem);
    }

    fn warn_of_duplicates(&mut self, duplicates: Vec<String>, text: &str) {
        for path in duplicates {
            let name = path.rsplit('/').next().unwrap_or_default().replace("~1", "/").replace("~0", "~");
            let lines = crate::locate::lines_between(text, &path);
            let hint = lines.map(|lines| match lines {
                0 => "the first is on the same line".to_owned(),
                1 => "the first is one line above".to_owned(),
                _ => format!("the first is {lines} lines above"),
            });
            let message = format!("{} is written more than once; the last one counts", quote(&name));
            self.warn(Problem::warning(path, message).hint(hint));
        }
    }

    /// Tells the fields apart. Names are matched whatever their case, as flagd does; the last one counts.
    fn sort(&mut self, fields: Map<String, Value>) -> Raw {
        let mut raw = Raw::default();
        for (name, value) in fields {
            let Some(field) = FIELDS.into_iter().find(|field| name.eq_ignore_ascii_case(field)) else {
                self.warn_of_field(&name);
                continue;
            };
            if name != field {
                let message = format!("{} is read as `{field}`, but not by every provider", quote(&name));
                self.warn(Problem::warning(pointer(&name), message).hint(format!("write `{field}`")));
            }
            let slot = match field {
                "state" => &mut raw.state,
                "variants" => &mut raw.variants,
                "defaultVariant" => &mut raw.default,
                "targeting" => &mut raw.targeting,
                _ => &mut raw.metadata,
            };
            *slot = Some((name, value));
        }
        raw
    }

    fn warn_of_field(&mut self, name: &str) {
        if IGNORED.iter().any(|ignored| name.eq_ignore_ascii_case(ignored)) {
            return;
        }
        let problem = Problem::warning(pointer(name), format!("a flag has no field {}", quote(name)));
        self.warn(problem.hint(did_you_mean(name, FIELDS).or_else(|| Some("it is ignored".to_owned()))));
    }

    fn take_state(&mut self, state: Option<(String, Value)>) -> Result<(), Problem> {
        self.enabled = true;
        match state {
            None | Some((_, Value::Null)) => {
                let problem = Problem::warning("", "the flag has no `state`");
                self.warn(problem.hint("it counts as ENABLED".to_owned()));
            }
            Some((_, Value::String(state))) if STATES.contains(&state.as_str()) => {
                self.enabled = state == "ENABLED";
            }
            Some((name, Value::String(state))) => {
                let message = format!("there is no state {}; it counts as ENABLED", quote(&state));
                self.warn(Problem::warning(pointer(&name), message).hint(did_you_mean(&state, STATES)));
            }
            Some((name, value)) => return Err(wrong_type(&name, "a string", &value)),
        }
        Ok(())
    }

    fn take_variants(&mut self, variants: Option<(String, Value)>) -> Result<(), Problem> {
        let name = match variants {
            None => String::new(),
            Some((name, Value::Null)) => pointer(&name),
            Some((name, Value::Object(variants))) => {
                self.variants = variants;
                pointer(&name)
            }
            Some((name, value)) => return Err(wrong_type(&name, "an object", &value)),
        };
        if self.variants.is_empty() {
            self.warn(Problem::warning(name, "the flag has no variants"));
            return Ok(());
        }
        self.warn_of_values(&name);
        Ok(())
    }

    /// The schema allows booleans, strings, numbers or objects, all variants of one kind.
    fn warn_of_values(&mut self, path: &str) {
        let mut first: Option<(String, &'static str)> = None;
        let mut warnings = Vec::new();
        for (name, value) in &self.variants {
            let mut path = path.to_owned();
            push_segment(&mut path, name);
            let kind = kind(value);
            if matches!(value, Value::Null | Value::Array(_)) {
                let message = format!("variant {} is {kind}, which most protocols cannot carry", quote(name));
                warnings.push(Problem::warning(path, message));
                continue;
            }
            match &first {
                None => first = Some((name.clone(), kind)),
                Some((_, same)) if *same == kind => {}
                Some((other, other_kind)) => {
                    let message =
                        format!("variant {} is {kind} but {} is {other_kind}", quote(name), quote(other));
                    warnings.push(Problem::warning(path, message));
                }
            }
        }
        self.warnings.append(&mut warnings);
    }

    fn take_default(&mut self, default: Option<(String, Value)>) -> Result<(), Problem> {
        let (name, default) = match default {
            None | Some((_, Value::Null)) => return Ok(()),
            Some((_, Value::String(default))) if default.is_empty() => return Ok(()),
            Some((name, Value::String(default))) => (name, default),
            Some((name, value)) => return Err(wrong_type(&name, "a string", &value)),
        };
        if !self.variants.contains_key(&default) {
            let hint = did_you_mean(&default, self.variants.keys().map(String::as_str));
            let message = format!("the default variant {} is not among the variants", quote(&default));
            return Err(Problem::error(pointer(&name), message).hint(hint));
        }
        self.default = Some(default);
        Ok(())
    }

    fn take_metadata(&mut self, metadata: Option<(String, Value)>) -> Result<(), Problem> {
        match metadata {
            None | Some((_, Value::Null)) => Ok(()),
            Some((name, Value::Object(metadata))) => {
                warn_of_metadata(&metadata, &pointer(&name), &mut self.warnings);
                self.metadata = Some(metadata);
                Ok(())
            }
            Some((name, value)) => Err(wrong_type(&name, "an object", &value)),
        }
    }
}

/// Warns of metadata that the schema does not allow: only strings, numbers and booleans reach every client.
pub(crate) fn warn_of_metadata(metadata: &Map<String, Value>, base: &str, warnings: &mut Vec<Problem>) {
    for (key, value) in metadata {
        let mut path = base.to_owned();
        push_segment(&mut path, key);
        let text_expected = key == "flagSetId" && !value.is_string();
        if text_expected {
            let message = format!("`flagSetId` is {}, not a string; it counts as unset", kind(value));
            warnings.push(Problem::warning(path, message));
        } else if matches!(value, Value::Null | Value::Array(_) | Value::Object(_)) {
            let message = format!("metadata {} is {}; not every client gets it", quote(key), kind(value));
            warnings.push(
                Problem::warning(path, message).hint(Some("use a string, a number or a boolean".into())),
            );
        }
    }
}

fn pointer(name: &str) -> String {
    let mut path = String::new();
    push_segment(&mut path, name);
    path
}

fn wrong_type(name: &str, wanted: &str, value: &Value) -> Problem {
    Problem::error(pointer(name), format!("`{name}` is {}, not {wanted}", kind(value)))
}

pub(crate) fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}
