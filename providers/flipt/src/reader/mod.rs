//! Reads the vendor's documents into flags.

mod features;
mod snapshot;

use engine::{Malformed, Place};
use store::Reading;

use crate::mapping::Mapping;

pub use features::Features;
pub use snapshot::Snapshots;

fn malformed(what: &str, error: &serde_json::Error) -> Malformed {
    let place = (error.line() > 0).then(|| Place { line: error.line(), column: error.column() });
    let text = error.to_string();
    let why = text.rfind(" at line ").map_or(text.as_str(), |end| &text[..end]);
    Malformed { message: format!("not {what}: {why}"), place }
}

/// `mapping` for a document whose flags may have a flag set from where they came.
fn within(mapping: &Mapping, document: &Reading<'_>) -> Mapping {
    let flag_set = mapping.flag_set.clone().or_else(|| document.flag_set.map(str::to_owned));
    Mapping { flag_set, ..mapping.clone() }
}
