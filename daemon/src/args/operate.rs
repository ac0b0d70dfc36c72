//! Arguments of the commands that help to operate a daemon.

use clap::{Args, ValueEnum};

use super::StartArgs;

/// Arguments of `hoistd diff`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Exit code: 0 if both say the same, 1 if they differ, 2 if that cannot be told.")]
pub struct DiffArgs {
    /// Flag document before: a file, `-` for standard input, or a source such as https://host/flags.json
    #[arg(value_name = "A")]
    pub before: String,
    /// Flag document after
    #[arg(value_name = "B")]
    pub after: String,
    /// How to report
    #[arg(long, value_enum, default_value_t)]
    pub format: DiffFormat,
    /// Longest time to wait for a source
    #[arg(long, value_name = "DURATION", default_value = "10s")]
    pub timeout: String,
}

/// How `diff` reports.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum DiffFormat {
    /// For a person at a terminal.
    #[default]
    Text,
    /// For a comment on a pull request.
    Markdown,
    /// One JSON object.
    Json,
}

/// Arguments of `hoistd doctor`: those of `start`, and how to check.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Exit code: 0 if nothing is wrong, warnings aside; else 1.")]
pub struct DoctorArgs {
    /// As for `start`.
    #[command(flatten)]
    pub start: StartArgs,
    /// How to report
    #[arg(long, value_enum, default_value_t)]
    pub format: DoctorFormat,
    /// Longest time to wait for a source
    #[arg(long, value_name = "DURATION", default_value = "10s")]
    pub timeout: String,
}

/// How `doctor` reports.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum DoctorFormat {
    /// For a person at a terminal.
    #[default]
    Text,
    /// One JSON object.
    Json,
}
