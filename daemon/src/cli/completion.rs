//! `hoistd completion SHELL`.

use std::io::{self, Write};

use crate::args::{self, CompletionArgs};

/// Prints the completion script of a shell.
///
/// # Errors
/// When `out` cannot be written.
pub fn run(args: &CompletionArgs, out: &mut impl Write) -> io::Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut args::command(), "hoistd", &mut script);
    out.write_all(&script)
}
