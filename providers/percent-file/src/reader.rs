//! Reads documents into flags.

use std::collections::HashMap;
use std::sync::Arc;

use engine::{Compiled, Harvest, Malformed, Place, Problem};
use serde::Deserialize;
use serde_json::Value;
use store::{Dialect, Reader, Reading};

use crate::model::{Document, Flag};
use crate::rules;

/// The most problems whose place is looked for: each look is a walk through the text.
const MOST_PLACES: usize = 100;

/// Files of this format, wherever files can live.
pub static DIALECT: Dialect = Dialect {
    name: "percent-file",
    about: "flags with a key, a switch and a rollout percentage, as JSON of protobuf",
    reader: |origin| {
        let options: FileOptions = origin.options()?;
        Ok(Arc::new(PercentFile { flag_set: options.flag_set_id }))
    },
};

/// Options of such files as a source, by the names they have in `--sources`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct FileOptions {
    /// The flag set of all flags.
    pub flag_set_id: Option<String>,
}

/// Makes flags of a percent file.
#[derive(Debug)]
struct PercentFile {
    flag_set: Option<String>,
}

impl Reader for PercentFile {
    fn read(&self, document: &Reading<'_>) -> Result<Compiled, Malformed> {
        let flags = parse(document.text)?.flags.unwrap_or_default();
        let flag_set = self.flag_set.as_deref().or(document.flag_set);
        let mut harvest = Harvest::new(document.previous);
        let mut last: HashMap<&str, usize> = HashMap::new();
        for (at, value) in flags.iter().enumerate() {
            last.extend(key_of(value).map(|key| (key, at)));
        }
        for (at, value) in flags.iter().enumerate() {
            let path = format!("/flags/{at}");
            let Some(key) = key_of(value) else {
                harvest.problem(Problem::error(path, "a flag needs a `key`, a text"));
                continue;
            };
            if last.get(key) != Some(&at) {
                let problem = Problem::warning(path, "another flag of this key comes later, and counts");
                harvest.problem(Problem { flag: Some(key.into()), ..problem });
                continue;
            }
            let flag = Flag::read(value).map(|model| rules::flag(&model, document.source, flag_set));
            harvest.add(key, flag.map_err(|what| Problem::error(path, what)));
        }
        let mut compiled = harvest.finish();
        for problem in compiled.problems.iter_mut().take(MOST_PLACES) {
            problem.place = engine::locate(document.text, &problem.path);
        }
        Ok(compiled)
    }

    fn check(&self, text: &str) -> Result<(), Malformed> {
        parse(text).map(drop)
    }
}

fn key_of(value: &Value) -> Option<&str> {
    value.get("key").and_then(Value::as_str).filter(|key| !key.is_empty())
}

fn parse(text: &str) -> Result<Document, Malformed> {
    // Serde would take a list for the fields in their order.
    if text.trim_start().starts_with('[') {
        let message = "not a percent file: it must be an object, with a list `flags`".to_owned();
        return Err(Malformed { message, place: engine::locate(text, "") });
    }
    serde_json::from_str(text).map_err(|error| {
        let place = (error.line() > 0).then(|| Place { line: error.line(), column: error.column() });
        let text = error.to_string();
        let what = text.rfind(" at line ").map_or(text.as_str(), |end| &text[..end]);
        Malformed { message: format!("not a percent file: {what}"), place }
    })
}
