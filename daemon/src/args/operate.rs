//! Arguments of the commands that help to operate a daemon.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::{ArgMatches, Args, FromArgMatches, ValueEnum};

use super::{DEBUG, StartArgs};

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

/// Arguments of `hoistd import`.
#[derive(Debug, Clone, Args)]
pub struct ImportArgs {
    /// Whose flags, such as unleash
    #[arg(value_name = "VENDOR")]
    pub vendor: String,
    /// The vendor's document in a file, `-` for standard input, or the server, such as https://host/api
    #[arg(value_name = "FILE|URL")]
    pub place: String,
    /// Where the flag document goes, instead of standard output
    #[arg(short = 'o', long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Which flags are in it: exact, approximate (both), or all
    #[arg(long, value_name = "WHICH", default_value = "approximate")]
    pub translations: String,
    /// How to report, on standard error
    #[arg(long, value_enum, default_value_t)]
    pub format: ImportFormat,
    /// How many users are simulated for each flag
    #[arg(long, value_name = "NUMBER", default_value_t = 10_000)]
    pub users: u32,
    /// Longest time to wait for a server
    #[arg(long, value_name = "DURATION", default_value = "10s")]
    pub timeout: String,
}

/// How `import` reports.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum ImportFormat {
    /// For a person at a terminal.
    #[default]
    Text,
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

/// Arguments of `hoistd proxy`: what was given for each setting, and which file to read.
#[derive(Debug, Clone, Default)]
pub struct ProxyArgs {
    /// Values by setting name, in the order given. A setting that was not given is absent.
    pub given: BTreeMap<&'static str, Vec<String>>,
    /// The configuration file named by `--config`.
    pub config: Option<PathBuf>,
}

/// The settings of `hoistd proxy`, by name, short flag, placeholder and help.
const PROXY: [(&str, char, &str, &str); 3] = [
    ("port", 'p', "PORT", "Port of the sync service [env: PORT] [default: 8015]"),
    ("management-port", 'm', "PORT", "Management port: health, readiness and metrics [default: 8016]"),
    ("log-format", 'z', "FORMAT", "Log format: console or json [default: console]"),
];

impl Args for ProxyArgs {
    fn augment_args(command: clap::Command) -> clap::Command {
        let verb = clap::Arg::new("verb").value_parser(["start"]).hide(true);
        PROXY.into_iter().fold(command.arg(verb), |command, (name, short, value, help)| {
            command.arg(clap::Arg::new(name).long(name).short(short).value_name(value).help(help))
        })
    }

    fn augment_args_for_update(command: clap::Command) -> clap::Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for ProxyArgs {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let names = PROXY.into_iter().map(|(name, ..)| name).chain([DEBUG.name]);
        let given = names.filter_map(|name| {
            // The flags of every command are absent where this is parsed without them.
            let values = matches.try_get_many::<String>(name).ok().flatten()?;
            Some((name, values.cloned().collect()))
        });
        let config = matches.try_get_one::<PathBuf>(super::CONFIG).ok().flatten().cloned();
        Ok(Self { given: given.collect(), config })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}
