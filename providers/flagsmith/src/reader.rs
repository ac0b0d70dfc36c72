//! Reads environment documents into flags.

use std::sync::Arc;

use engine::{Compiled, Malformed, Place};
use store::{Reader, Reading};

use crate::mapping::Mapping;
use crate::model::Document;
use crate::native;
use crate::usage::Usage;

/// The most problems whose place is looked for: each look is a walk through the text.
const MOST_PLACES: usize = 100;

/// Makes flags of what `GET environment-document/` answers.
#[derive(Debug)]
pub struct EnvironmentDocument {
    mapping: Mapping,
    usage: Option<Arc<Usage>>,
}

impl EnvironmentDocument {
    /// A reader; `usage` counts what is asked for.
    pub fn new(mapping: Mapping, usage: Option<Arc<Usage>>) -> Self {
        Self { mapping, usage }
    }
}

impl Reader for EnvironmentDocument {
    fn read(&self, document: &Reading<'_>) -> Result<Compiled, Malformed> {
        let read = parse(document.text)?;
        let mut mapping = self.mapping.clone();
        mapping.flag_set = mapping.flag_set.or_else(|| document.flag_set.map(str::to_owned));
        let mut compiled = native::flags(
            read,
            document.source,
            &Arc::new(mapping),
            document.previous,
            self.usage.as_deref(),
        );
        for problem in compiled.problems.iter_mut().take(MOST_PLACES) {
            problem.place = engine::locate(document.text, &problem.path);
        }
        Ok(compiled)
    }

    fn check(&self, text: &str) -> Result<(), Malformed> {
        parse(text).map(drop)
    }
}

fn parse(text: &str) -> Result<Document, Malformed> {
    serde_json::from_str(text).map_err(|error| {
        let place = (error.line() > 0).then(|| Place { line: error.line(), column: error.column() });
        let text = error.to_string();
        let what = text.rfind(" at line ").map_or(text.as_str(), |end| &text[..end]);
        Malformed { message: format!("not an environment document of Flagsmith: {what}"), place }
    })
}
