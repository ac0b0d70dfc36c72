//! `hoistd version`.

use std::io::{self, Write};

/// Prints version, commit and build date in flagd's shape. The last two are known to builds that set `HOIST_COMMIT` and
/// `HOIST_BUILD_DATE`.
///
/// # Errors
/// When `out` cannot be written.
pub fn run(out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "{}", line())
}

/// The same as one line, for the log.
pub fn line() -> String {
    let version = env!("CARGO_PKG_VERSION");
    let commit = option_env!("HOIST_COMMIT").unwrap_or("HEAD");
    let date = option_env!("HOIST_BUILD_DATE").unwrap_or("unknown");
    format!("hoistd: {version} ({commit}), built at: {date}")
}
