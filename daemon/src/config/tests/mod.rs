//! Settings from flags, variables and files.

mod origins;
mod precedence;
mod values;

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::{Args, FromArgMatches};

use super::{Config, ConfigError};
use crate::args::{Environment, StartArgs};

/// What is set where.
#[derive(Default)]
struct World<'a> {
    flags: &'a [&'a str],
    variables: &'a [(&'a str, &'a str)],
    config: Option<PathBuf>,
}

impl World<'_> {
    fn read(self) -> Result<Config, ConfigError> {
        let words = std::iter::once("start").chain(self.flags.iter().copied()).map(OsString::from);
        let command = StartArgs::augment_args(clap::Command::new("start").args_override_self(true));
        let matches = command.try_get_matches_from(words).unwrap();
        let mut args = StartArgs::from_arg_matches(&matches).unwrap();
        args.config = self.config;
        let variables = self.variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Config::read_without_source(&args, &Environment::from_iter(variables))
    }
}

fn flags(flags: &[&str]) -> Result<Config, ConfigError> {
    World { flags, ..World::default() }.read()
}

fn variable(name: &str, value: &str) -> Result<Config, ConfigError> {
    World { variables: &[(name, value)], ..World::default() }.read()
}

fn file(name: &str, text: &str) -> Result<Config, ConfigError> {
    let folder = tempfile::tempdir().unwrap();
    World { config: Some(write(folder.path(), name, text)), ..World::default() }.read()
}

fn write(folder: &Path, name: &str, text: &str) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap();
    path
}

/// The message, with the folder of the configuration file left out.
fn message(result: Result<Config, ConfigError>) -> String {
    let text = result.unwrap_err().to_string();
    match (text.find(" in /"), text.rfind('/')) {
        (Some(start), Some(end)) => format!("{} in {}", &text[..start], &text[end + 1..]),
        _ => text,
    }
}
