//! Problems: what is wrong with a document, said so that its author can mend it.

use std::fmt;

use crate::definition::Definition;
use crate::locate::{Cursor, find};

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
    pub hint: Option<Box<str>>,
    /// Where in the text; filled in by whoever has the text.
    pub place: Option<Place>,
    /// In which file, if the source has several; filled in by whoever has them.
    pub file: Option<Box<str>>,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(flag) = &self.flag {
            write!(f, "flag `{flag}`: ")?;
        }
        f.write_str(&self.message)?;
        let file = self.file.as_ref().map(|file| format!("{file}: ")).unwrap_or_default();
        match self.place {
            Some(place) => write!(f, " ({file}line {}, column {})", place.line, place.column)?,
            None => write!(f, " ({file}at {})", if self.path.is_empty() { "/" } else { &self.path })?,
        }
        match &self.hint {
            Some(hint) => write!(f, "; {hint}"),
            None => Ok(()),
        }
    }
}

impl Problem {
    /// A problem that costs the flag; where is a JSON pointer.
    pub fn error(path: impl Into<Box<str>>, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            flag: None,
            path: path.into(),
            message: message.into(),
            hint: None,
            place: None,
            file: None,
        }
    }

    /// A problem that costs nothing yet; where is a JSON pointer.
    pub fn warning(path: impl Into<Box<str>>, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(path, message) }
    }

    /// The same problem with advice.
    #[must_use]
    pub fn hint(self, hint: impl Into<Option<String>>) -> Self {
        Self { hint: hint.into().map(String::into_boxed_str), ..self }
    }

    fn size(&self) -> usize {
        size_of::<Self>()
            + self.path.len()
            + self.message.len()
            + self.flag.as_ref().map_or(0, |flag| flag.len())
    }
}

/// Collects problems of one document, within bounds: what is wrong with a hostile document must not outgrow it.
pub(crate) struct Problems<'d> {
    definition: &'d Definition<'d>,
    cursor: Cursor,
    found: Vec<Problem>,
    /// Bytes still to be had for errors and for warnings, so that neither crowds the other out.
    room: [usize; 2],
    left_out: usize,
}

const ROOM: usize = 1 << 20;

impl<'d> Problems<'d> {
    pub(crate) fn of(definition: &'d Definition<'d>) -> Self {
        Self { definition, cursor: Cursor::default(), found: Vec::new(), room: [ROOM; 2], left_out: 0 }
    }

    /// Adds a problem of the document; its path starts at the root.
    pub(crate) fn push(&mut self, problem: Problem) {
        self.add(problem, self.definition.text, "", 0);
    }

    /// Adds a problem of the part at `base`, which is written at `offset` as `raw`; its path starts there.
    pub(crate) fn push_within(&mut self, problem: Problem, base: &str, raw: &str) {
        let offset = crate::definition::offset(self.definition.text, raw);
        self.add(problem, raw, base, offset);
    }

    /// Where `raw`, a part of the document, begins.
    pub(crate) fn place(&mut self, raw: &str) -> Place {
        let text = self.definition.text;
        self.cursor.place_of(text, crate::definition::offset(text, raw))
    }

    fn add(&mut self, mut problem: Problem, raw: &str, base: &str, offset: usize) {
        let room = &mut self.room[usize::from(problem.severity == Severity::Error)];
        match room.checked_sub(problem.size() + base.len()) {
            Some(rest) => *room = rest,
            None => {
                self.left_out += 1;
                return;
            }
        }
        let at = find(raw, &problem.path, true).unwrap_or_default();
        problem.place = Some(self.cursor.place_of(self.definition.text, offset + at));
        problem.path = [base, &problem.path].concat().into();
        self.found.push(problem);
    }

    pub(crate) fn finish(mut self) -> Vec<Problem> {
        if self.left_out > 0 {
            self.found.push(Problem::warning("", format!("{} more problems are left out", self.left_out)));
        }
        self.found
    }
}

/// A name from the document for use in a message: in backquotes, cut short if it is very long.
pub(crate) fn quote(name: &str) -> String {
    match name.char_indices().nth(100) {
        Some((end, _)) => format!("`{}...`", name[..end].escape_debug()),
        None => format!("`{}`", name.escape_debug()),
    }
}
