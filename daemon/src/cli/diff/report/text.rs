//! For a person at a terminal.

use std::io::{self, Write};

use super::{Change, Difference, Kind, MOST_FLAGS, clipped, line, place, plain, set, summary};
use crate::cli::diff::read::Side;

/// Characters of a value that are shown.
const MOST_CHARS: usize = 200;

/// One paragraph per flag.
pub(in crate::cli::diff) fn write(
    before: &Side,
    after: &Side,
    difference: &Difference,
    out: &mut dyn Write,
) -> io::Result<()> {
    writeln!(out, "{} -> {}: {}", plain(&before.name), plain(&after.name), summary(difference))?;
    if !difference.metadata.is_empty() {
        writeln!(out, "~ the set")?;
        difference.metadata.iter().try_for_each(|change| write_change(change, out))?;
    }
    for flag in difference.flags.iter().take(MOST_FLAGS) {
        let mark = match flag.kind {
            Kind::Added => '+',
            Kind::Removed => '-',
            Kind::Changed => '~',
        };
        writeln!(out, "{mark} {}{}", clipped(&plain(&flag.key), MOST_CHARS), set(flag))?;
        flag.changes.iter().try_for_each(|change| write_change(change, out))?;
    }
    if difference.flags.len() > MOST_FLAGS {
        writeln!(out, "and {} flags more", difference.flags.len() - MOST_FLAGS)?;
    }
    Ok(())
}

fn write_change(change: &Change, out: &mut dyn Write) -> io::Result<()> {
    let place = place(change);
    let shown = |value| clipped(&line(value), MOST_CHARS);
    match (&change.before, &change.after) {
        (Some(before), Some(after)) => writeln!(out, "    {place}: {} -> {}", shown(before), shown(after)),
        (Some(before), None) => writeln!(out, "  - {place}: {}", shown(before)),
        (None, Some(after)) => writeln!(out, "  + {place}: {}", shown(after)),
        (None, None) => Ok(()),
    }
}
