//! The flag document as data: the wire form, before any of it is believed.

use crate::compile::problem::Place;

/// A parsed flag document, borrowing from its JSON text.
#[derive(Debug)]
pub struct Definition<'t> {
    pub(crate) text: &'t str,
}

/// A document that cannot be read at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Malformed {
    /// What is wrong.
    pub message: String,
    /// Where in the text.
    pub place: Option<Place>,
}

impl<'t> Definition<'t> {
    /// Reads a JSON document.
    ///
    /// # Errors
    /// The text is not JSON, not an object, or has no `flags` (contract 6.2).
    pub fn parse(text: &'t str) -> Result<Self, Malformed> {
        Ok(Self { text })
    }
}

impl std::fmt::Display for Malformed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)?;
        match self.place {
            Some(place) => write!(f, " at line {} column {}", place.line, place.column),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Malformed {}
