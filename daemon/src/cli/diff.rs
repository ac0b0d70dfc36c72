//! `hoistd diff A B`: what differs between two flag documents for whoever asks for their flags.
//!
//! ```text
//! read      a file, standard input or a source, read once -> the flags as the daemon would serve them
//! compare   flag by flag, part by part: what is written in another order or place is the same
//! report    text, Markdown, JSON, each of bounded size
//! ```

mod compare;
mod read;
mod report;

use std::io::{self, Read, Write};

use crate::args::{DiffArgs, DiffFormat, Environment};
use crate::config;
use crate::sources::SourcesError;
use read::Side;

/// Why nothing can be told.
#[derive(Debug, thiserror::Error)]
pub enum CannotCompare {
    /// A document that cannot be read.
    #[error("{0}: {1}")]
    Document(String, String),
    /// A source that cannot be followed.
    #[error(transparent)]
    Source(#[from] SourcesError),
    /// `--timeout` is no duration.
    #[error(
        "invalid value {0:?}: a duration is a number with a unit (ms, s, m or h), such as 10s (from --timeout)"
    )]
    Timeout(String),
    /// The system refuses threads, or the report cannot be written.
    #[error(transparent)]
    System(#[from] io::Error),
}

/// Reports to `out`; returns whether both say the same. `-` means `input`.
///
/// # Errors
/// A document cannot be read, or the report not be written.
pub fn run(
    args: &DiffArgs,
    environment: &Environment,
    input: &mut dyn Read,
    out: &mut dyn Write,
) -> Result<bool, CannotCompare> {
    let timeout = config::duration(&args.timeout).filter(|timeout| !timeout.is_zero());
    let timeout = timeout.ok_or_else(|| CannotCompare::Timeout(args.timeout.clone()))?;
    let before = Side::read(&args.before, timeout, environment, input)?;
    let after = Side::read(&args.after, timeout, environment, input)?;
    let difference = compare::compare(&before, &after);
    match args.format {
        DiffFormat::Text => report::text::write(&before, &after, &difference, out)?,
        DiffFormat::Markdown => report::markdown::write(&before, &after, &difference, out)?,
        DiffFormat::Json => report::json::write(&before, &after, &difference, out)?,
    }
    Ok(difference.is_empty())
}
