//! Problems: what is wrong with a document, said so that its author can mend it.

use std::fmt;

/// How much a problem costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Served all the same, as flagd would; it breaks the schema or will not do what it seems to.
    Warning,
    /// The flag is not served in this form. Its last good definition stays, if there is one.
    Error,
}

/// A position in a document's text, both counted from 1; columns count characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The line.
    pub line: usize,
    /// The column.
    pub column: usize,
}

/// One thing wrong in a document that could be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// What it costs.
    pub severity: Severity,
    /// The flag it is about; `None` for the document as a whole.
    pub flag: Option<Box<str>>,
    /// Where, as a JSON pointer (RFC 6901) from the document's root.
    pub path: Box<str>,
    /// What is wrong.
    pub message: String,
    /// What to do about it, such as ``did you mean `targeting`?``.
    pub hint: Option<String>,
    /// Where in the text; filled in by whoever has the text.
    pub place: Option<Place>,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(flag) = &self.flag {
            write!(f, "flag `{flag}`: ")?;
        }
        f.write_str(&self.message)?;
        match self.place {
            Some(place) => write!(f, " (line {}, column {})", place.line, place.column)?,
            None => write!(f, " (at {})", if self.path.is_empty() { "/" } else { &self.path })?,
        }
        match &self.hint {
            Some(hint) => write!(f, "; {hint}"),
            None => Ok(()),
        }
    }
}
