//! The forms of documents that are not flagd's, and the vendors' kinds of sources.

use std::sync::Arc;

use serde_json::Map;
use store::{Dialect, Origin, OriginError, Reader, SourceKind};

/// Sources of other vendors, one line each.
pub(crate) static KINDS: &[&SourceKind] =
    &[&flagsmith::source::KIND, &flipt::source::KIND, &unleash::source::KIND];

/// Forms of documents beside flagd's, one line each.
pub(crate) static DIALECTS: &[&Dialect] = &[
    &flagsmith::source::DIALECT,
    &flipt::source::DIALECT,
    &flipt::source::FILES,
    &percent_file::DIALECT,
    &unleash::source::DIALECT,
];

/// The dialect called `name`.
pub(crate) fn find(name: &str) -> Option<&'static Dialect> {
    DIALECTS.iter().find(|dialect| dialect.name == name).copied()
}

/// What reads a file of `dialect` with the vendor's defaults.
///
/// # Errors
/// The vendor has no defaults.
pub(crate) fn reader(dialect: &Dialect, path: &str) -> Result<Arc<dyn Reader>, OriginError> {
    (dialect.reader)(&Origin::new(dialect.name, path, Map::new()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::FORMS;

    #[test]
    fn every_form_of_documents_has_its_reader() {
        for form in FORMS {
            assert!(find(form).is_some(), "{form} is a form without a dialect");
        }
    }
}
