//! The settings of `hoistd proxy`. As for flagd-proxy, the one variable that is read is `PORT` (contract 10).

use super::file::ConfigFile;
use super::given::Places;
use super::{ConfigError, LogFormat};
use crate::args::{DEBUG, Environment, ProxyArgs, StartArgs};

/// Everything `hoistd proxy` was told.
#[derive(Debug, Clone)]
pub struct ProxyConfig {
    /// Where targets are served.
    pub port: u16,
    /// Health, readiness, metrics.
    pub management_port: u16,
    /// How log lines look.
    pub log_format: LogFormat,
    /// Whether to log at debug level.
    pub debug: bool,
}

impl ProxyConfig {
    /// Reads the settings.
    ///
    /// # Errors
    /// The first value that cannot be used, and where it was set.
    pub fn read(args: &ProxyArgs, environment: &Environment) -> Result<Self, ConfigError> {
        let file =
            args.config.as_deref().map(|path| ConfigFile::find(Some(path), environment)).transpose()?;
        let file = file.flatten();
        let mut start = StartArgs { given: args.given.clone(), config: None };
        let variable = environment.get("PORT").map(str::to_owned);
        for (name, default, variable) in [("port", "8015", variable), ("management-port", "8016", None)] {
            let in_file = file.as_ref().is_some_and(|file| file.get(name).is_some());
            let value = variable.or_else(|| (!in_file).then(|| default.to_owned()));
            if let Some(value) = value {
                start.given.entry(name).or_insert_with(|| vec![value]);
            }
        }
        let places = Places { args: &start, environment: &Environment::default(), file: file.as_ref() };
        Ok(Self {
            port: places.get("port").port()?,
            management_port: places.get("management-port").port()?,
            log_format: places
                .get("log-format")
                .choice(&[("console", LogFormat::Console), ("json", LogFormat::Json)])?,
            debug: places.get(DEBUG.name).switch()?,
        })
    }
}
