//! Readers: what makes flags of a source's documents.
//!
//! Most documents are flagd's. A source of another vendor brings a reader of its own; all else, such as limits, copies on
//! disk, holding back and keeping last good flags, is the same for both.

use std::fmt;
use std::sync::Arc;

use engine::{Compiled, Definition, Layer, Malformed};

use crate::compile::{Context, compile};
use crate::document::{Documents, Format};
use crate::origin::{Origin, OriginError};

/// Makes flags of a document.
pub trait Reader: fmt::Debug + Send + Sync {
    /// Reads a document. Called off the request threads, for one document of a source at a time.
    ///
    /// A flag with an error should keep its definition in [`Reading::previous`], as [`engine::Harvest`] does.
    ///
    /// # Errors
    /// The document as a whole cannot be read; it then replaces nothing.
    fn read(&self, document: &Reading<'_>) -> Result<Compiled, Malformed>;

    /// Whether `text`, JSON, may be such a document at all, without making flags of it.
    ///
    /// # Errors
    /// It is none.
    fn check(&self, text: &str) -> Result<(), Malformed>;

    /// Which documents are read as one. Flagd's way unless the reader says otherwise.
    fn documents(&self) -> Documents {
        Documents::First
    }
}

/// A document to be read.
#[derive(Clone, Copy, Debug)]
pub struct Reading<'r> {
    /// JSON, within the limits of size and nesting. It may be made of YAML. By [`Documents::All`] it is an array.
    pub text: &'r str,
    /// The source's name, for flags and selectors.
    pub source: &'r Arc<str>,
    /// How flagd's rules are compiled.
    pub options: &'r engine::Options,
    /// The flags in service.
    pub previous: Option<&'r Layer>,
    /// The flag set of flags that name none.
    pub flag_set: Option<&'r str>,
}

/// Reads flagd's own documents.
#[derive(Clone, Copy, Debug, Default)]
pub struct FlagDocument;

impl Reader for FlagDocument {
    fn read(&self, document: &Reading<'_>) -> Result<Compiled, Malformed> {
        let mut definition = Definition::parse(document.text)?;
        if let Some(set) = document.flag_set {
            definition = definition.in_flag_set(set);
        }
        Ok(engine::compile(&definition, document.source, document.options, document.previous))
    }

    fn check(&self, text: &str) -> Result<(), Malformed> {
        Definition::parse(text).map(drop)
    }
}

/// Reads the bytes of a source once, at most `most` of them: every file, with every problem placed.
///
/// # Errors
/// There is something that cannot be read at all.
pub fn read_once(
    reader: &dyn Reader,
    bytes: &[u8],
    format: Format,
    source: &Arc<str>,
    options: &engine::Options,
    most: usize,
) -> Result<Compiled, Malformed> {
    let context = Context { reader, source, options, most };
    compile(bytes, format, context, None)
        .map(|output| Compiled { layer: output.layer, problems: output.problems })
}

/// A vendor's form of documents, for commands that read a file or ask a server once.
pub struct Dialect {
    /// What people call it, such as the vendor's provider name.
    pub name: &'static str,
    /// One line for people: what documents of this form are.
    pub about: &'static str,
    /// Makes a reader for an origin with these options. No I/O happens.
    pub reader: fn(&Origin) -> Result<Arc<dyn Reader>, OriginError>,
}
