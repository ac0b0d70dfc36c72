//! What was typed: the command line and the environment, still as text. `config` decides what it means.
//!
//! This module alone reads the process's arguments and environment; everything after it is handed a value.

mod control;
mod environment;
mod operate;
mod setting;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;

use clap::{ArgMatches, Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};

pub use control::{ConfirmArgs, DoorArgs, OverrideArgs, OverrideCommand, RollbackArgs, StatusArgs};
pub use environment::Environment;
pub use operate::{DiffArgs, DiffFormat, DoctorArgs, DoctorFormat, ImportArgs, ImportFormat, ProxyArgs};
pub use setting::{DEBUG, Kind, SETTINGS, Setting};

/// Name of the flag for the configuration file.
const CONFIG: &str = "config";

/// The command line.
#[derive(Debug, Parser)]
#[command(name = "hoistd", version, about, args_override_self = true)]
pub struct CommandLine {
    /// What to do; without one the help is shown.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve flags
    Start(StartArgs),
    /// Serve built-in sample flags and print what to try
    Demo(DemoArgs),
    /// Print the version
    Version,
    /// Print a completion script for a shell
    #[command(visible_alias = "completions")]
    Completion(CompletionArgs),
    /// Check flag documents; exit 0 if nothing is wrong with them
    Validate(ValidateArgs),
    /// Evaluate one flag from files, without a daemon; exit 0 if there is an answer
    Eval(EvalArgs),
    /// Show how a flag comes to its answer, step by step
    Explain(ExplainArgs),
    /// Tell what differs between two flag documents or sources
    Diff(DiffArgs),
    /// Make a flag document of another vendor's flags, and tell how true it is
    Import(ImportArgs),
    /// Check what `start` with the same flags would need: sources, ports, certificates, the clock
    Doctor(DoctorArgs),
    /// Serve flag documents as they are to many clients, in the place of flagd-proxy
    Proxy(ProxyArgs),
    /// Ask a running hoistd whether it is ready; exit 0 if so
    Healthcheck(HealthcheckArgs),
    /// Show how a running hoistd on this machine is doing, source by source
    Status(StatusArgs),
    /// Have a running hoistd take the documents that it holds back because they remove most flags
    Confirm(ConfirmArgs),
    /// Have a running hoistd serve an earlier document
    Rollback(RollbackArgs),
    /// Have everybody get one variant of a flag for a while, whatever the documents say
    Override(OverrideArgs),
}

/// Arguments of `hoistd start`: what was given for each setting, and which file to read.
#[derive(Clone, Default)]
pub struct StartArgs {
    /// Values by setting name, in the order given. A setting that was not given is absent.
    pub given: BTreeMap<&'static str, Vec<String>>,
    /// The configuration file named by `--config`.
    pub config: Option<PathBuf>,
}

/// Names only: `--sources` may hold tokens.
impl std::fmt::Debug for StartArgs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StartArgs").field("given", &self.given.keys()).field("config", &self.config).finish()
    }
}

/// Arguments of `hoistd demo`: those of `start`; its flags are built in, so no source is needed.
#[derive(Debug, Clone, Default, Args)]
pub struct DemoArgs {
    /// As for `start`.
    #[command(flatten)]
    pub start: StartArgs,
}

/// Arguments of `hoistd validate`.
#[derive(Debug, Clone, Args)]
pub struct ValidateArgs {
    /// Flag documents to check; `-` reads standard input
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// How to report
    #[arg(long, value_enum, default_value_t)]
    pub format: ReportFormat,
    /// Exit 0 when there are warnings but no errors
    #[arg(long)]
    pub allow_warnings: bool,
}

/// How `validate` reports.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum ReportFormat {
    /// For a person at a terminal.
    #[default]
    Human,
    /// One JSON document.
    Json,
    /// Workflow commands that GitHub Actions turns into annotations.
    Github,
}

/// Arguments of `hoistd eval`.
#[derive(Debug, Clone, Args)]
pub struct EvalArgs {
    /// Flag to evaluate
    #[arg(value_name = "KEY")]
    pub key: String,
    /// Evaluation context as a JSON object
    #[arg(long, value_name = "JSON")]
    pub context: Option<String>,
    /// File with the evaluation context; `-` reads standard input
    #[arg(long, value_name = "FILE", conflicts_with = "context")]
    pub context_file: Option<PathBuf>,
    /// Flag document, such as file:flags.json; repeatable, a later one wins
    #[arg(short = 'f', long = "uri", value_name = "URI", value_delimiter = ',', required = true)]
    pub files: Vec<String>,
    /// Which flags to look among: flagSetId=... or source=...
    #[arg(long)]
    pub selector: Option<String>,
    /// Type that the caller expects
    #[arg(long = "type", value_enum, default_value_t)]
    pub expect: ExpectedType,
    /// Bucketing of `fractional`
    #[arg(long, value_enum, default_value_t)]
    pub fractional: Fractional,
    /// State directory of a daemon whose overrides are to count
    #[arg(long, value_name = "DIR")]
    pub state_dir: Option<PathBuf>,
    /// How to answer
    #[arg(long, value_enum, default_value_t)]
    pub format: AnswerFormat,
}

/// Arguments of `hoistd explain`: those of `eval`.
#[derive(Debug, Clone, Args)]
pub struct ExplainArgs {
    /// As for `eval`.
    #[command(flatten)]
    pub eval: EvalArgs,
}

/// Type that a caller of `eval` expects.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum ExpectedType {
    /// Whatever the flag has.
    #[default]
    Any,
    /// A boolean.
    Boolean,
    /// A string.
    String,
    /// A whole number.
    Integer,
    /// A number.
    Float,
    /// An object.
    Object,
}

/// How `eval` and `explain` answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum AnswerFormat {
    /// For a person at a terminal.
    #[default]
    Human,
    /// One JSON object.
    Json,
}

/// Which bucketing the operator `fractional` uses.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Fractional {
    /// Over the text of the bucketing value, as flagd 0.16.1.
    #[default]
    V2,
    /// Over its deterministic CBOR.
    V3,
}

/// Arguments of `hoistd completion`.
#[derive(Debug, Clone, Args)]
pub struct CompletionArgs {
    /// Shell to write for
    #[arg(value_enum)]
    pub shell: clap_complete::Shell,
}

/// Arguments of `hoistd healthcheck`.
#[derive(Debug, Clone, Args)]
pub struct HealthcheckArgs {
    /// Management port of the daemon [env: FLAGD_MANAGEMENT_PORT] [default: 8014]
    #[arg(short = 'm', long, value_name = "PORT")]
    pub management_port: Option<String>,
    /// Ask only whether the process lives (/healthz), not whether it is ready (/readyz)
    #[arg(long)]
    pub live: bool,
    /// Longest time to wait
    #[arg(long, value_name = "DURATION", default_value = "2s")]
    pub timeout: String,
}

impl CommandLine {
    /// Reads the process's own command line.
    ///
    /// # Errors
    /// A request for help, or what clap could not understand; see [`exit_code`].
    pub fn from_process() -> Result<Self, clap::Error> {
        Self::read(std::env::args_os())
    }

    /// Reads a command line whose first word is the program's name.
    ///
    /// # Errors
    /// As [`CommandLine::from_process`].
    pub fn read(words: impl IntoIterator<Item = OsString>) -> Result<Self, clap::Error> {
        Self::from_arg_matches(&command().try_get_matches_from(words)?)
    }
}

/// The process's exit code for a command line that was not understood: flagd's 1, not clap's 2, and 0 for help. For `diff`
/// it is 2, as 1 says that there are differences.
pub fn exit_code(error: &clap::Error) -> u8 {
    use clap::error::{ContextKind, ContextValue};
    let of_diff = match error.get(ContextKind::Usage) {
        Some(ContextValue::StyledStr(usage)) => usage.to_string().contains(" diff "),
        _ => false,
    };
    u8::from(error.use_stderr()) * if of_diff { 2 } else { 1 }
}

/// The whole command as data, with the flags that every command accepts before or after its name.
pub fn command() -> clap::Command {
    let config = clap::Arg::new(CONFIG)
        .long(CONFIG)
        .value_name("FILE")
        .value_parser(clap::value_parser!(PathBuf))
        .help("Configuration file (YAML, JSON or TOML) [default: $HOME/.agent.yaml if it exists]");
    CommandLine::command().arg(DEBUG.arg().global(true)).arg(config.global(true))
}

impl Args for StartArgs {
    fn augment_args(command: clap::Command) -> clap::Command {
        // flagd lets any words follow `start`.
        let ignored = clap::Arg::new("ignored").num_args(0..).hide(true);
        SETTINGS.iter().fold(command, |command, setting| command.arg(setting.arg())).arg(ignored)
    }

    fn augment_args_for_update(command: clap::Command) -> clap::Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for StartArgs {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let given = SETTINGS.iter().chain([&DEBUG]).filter_map(|setting| {
            // The flags of every command are absent where this is parsed without them.
            let values = matches.try_get_many::<String>(setting.name).ok().flatten()?;
            Some((setting.name, values.cloned().collect()))
        });
        let config = matches.try_get_one::<PathBuf>(CONFIG).ok().flatten().cloned();
        Ok(Self { given: given.collect(), config })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}
