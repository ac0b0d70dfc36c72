//! What was meant: the settings of `hoistd start` as typed values, from flags, environment and file, checked as a whole.
//!
//! Flag wins over variable, variable over file, file over default (flagd's order). Each value remembers where it was set, so
//! that an error can say so. Nothing here opens a port or a source.

mod credentials;
mod entry;
mod error;
mod file;
mod given;
mod origin;
mod otel;
mod proxy;
mod repository;
mod resilience;
mod secret;
#[cfg(test)]
mod tests;
mod translations;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use crate::args::{DEBUG, Environment, Fractional, StartArgs};
use file::ConfigFile;
use given::Places;

pub use error::{ConfigError, SetBy};
#[cfg(test)]
pub(crate) use origin::FORMS;
pub use origin::{Oauth, OriginConfig, Provider};
pub use otel::{Datadog, Otel, Traces};
pub use proxy::ProxyConfig;
pub use repository::Repository;
pub(crate) use repository::VARIABLES;
pub use resilience::Resilience;
pub use secret::{Address, Own, Secret};
pub use translations::Translations;

/// Request header bytes when the setting is 0: what Go's server takes.
const DEFAULT_HEADER_BYTES: u64 = 1024 * 1024;

/// Everything `hoistd start` was told.
#[derive(Debug, Clone)]
pub struct Config {
    /// The configuration file that was read.
    pub file: Option<PathBuf>,
    /// What was ignored and why, for the log.
    pub warnings: Vec<String>,
    /// Whether to log at debug level.
    pub debug: bool,
    /// How log lines look.
    pub log_format: LogFormat,
    /// Where to serve.
    pub listen: Listen,
    /// Where flags live; a later one wins.
    pub origins: Vec<OriginConfig>,
    /// Origins that browsers may call from; empty allows all.
    pub cors_origins: Vec<String>,
    /// Context laid over that of every request.
    pub context_values: BTreeMap<String, String>,
    /// Context key by header name; a header's value wins over `context_values`.
    pub context_from_header: BTreeMap<String, String>,
    /// Longest life of an event or sync stream.
    pub stream_deadline: Option<Duration>,
    /// Whether GetMetadata is refused.
    pub disable_sync_metadata: bool,
    /// Largest request body in bytes; none for no limit.
    pub max_request_body: Option<u64>,
    /// Largest request header in bytes.
    pub max_request_header: u64,
    /// How often sync clients may ping.
    pub keep_alive: KeepAlive,
    /// Where telemetry goes beside Prometheus.
    pub otel: Otel,
    /// Bucketing of `fractional`.
    pub fractional: Fractional,
    /// Which translations of other vendors' flags sync clients get.
    pub translations: Translations,
    /// Whether any problem in a document refuses it whole.
    pub strict: bool,
    /// Largest flag document in bytes.
    pub max_document_bytes: u64,
    /// Most flags of one document.
    pub max_flags: u64,
    /// Where repositories of git sources are kept; none for the state directory, or else a temporary one.
    pub cache_dir: Option<PathBuf>,
    /// The file with the secret of `POST /hooks/git`.
    pub hook_secret: Option<PathBuf>,
    /// What happens when sources fail.
    pub resilience: Resilience,
    /// How long open requests may take to end on shutdown.
    pub shutdown_timeout: Duration,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For a person.
    Console,
    /// One JSON object per line.
    Json,
}

/// Where to serve. A port of 0 lets the system choose.
#[derive(Debug, Clone)]
pub struct Listen {
    /// Evaluation.
    pub port: u16,
    /// Health, readiness, metrics.
    pub management_port: u16,
    /// Sync.
    pub sync_port: u16,
    /// OFREP.
    pub ofrep_port: u16,
    /// The APIs of Unleash, if they are served.
    pub unleash_port: Option<u16>,
    /// Unix socket instead of `port`.
    pub socket_path: Option<PathBuf>,
    /// Unix socket instead of `sync_port`.
    pub sync_socket_path: Option<PathBuf>,
    /// Certificate of the evaluation and sync ports.
    pub tls: Option<TlsPair>,
    /// Whether OFREP is served with that certificate too.
    pub ofrep_tls: bool,
}

/// A certificate and its key, as PEM files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsPair {
    /// The certificate chain.
    pub cert: PathBuf,
    /// The private key.
    pub key: PathBuf,
}

/// How often sync clients may ping.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeepAlive {
    /// Shortest time between pings.
    pub min_time: Duration,
    /// Whether pings are allowed without an open stream.
    pub permit_without_stream: bool,
}

impl Config {
    /// Reads the settings of a daemon that follows sources.
    ///
    /// # Errors
    /// The first value that cannot be used, and where it was set; or that there is no source.
    pub fn read(args: &StartArgs, environment: &Environment) -> Result<Self, ConfigError> {
        let config = Self::read_without_source(args, environment)?;
        if config.origins.is_empty() {
            return Err(ConfigError::whole(
                "no sync implementation set: name a flag source, such as --uri file:flags.json (or FLAGD_URI, or `uri` in \
                 the configuration file)",
            ));
        }
        Ok(config)
    }

    /// Reads the settings of a daemon that may have no source, such as the demo.
    ///
    /// # Errors
    /// The first value that cannot be used, and where it was set.
    pub fn read_without_source(args: &StartArgs, environment: &Environment) -> Result<Self, ConfigError> {
        let file = ConfigFile::find(args.config.as_deref(), environment)?;
        let places = Places { args, environment, file: file.as_ref() };
        let otel = Otel::read(&places)?;
        let origins = origin::read(&places)?;
        let listen = Listen::read(&places)?;
        if listen.unleash_port.is_some() && !origins.iter().any(|origin| origin.provider == Provider::Unleash)
        {
            let what = "needs a source of Unleash, such as --uri unleash+https://host/api";
            return Err(places.get("unleash-port").wrong(what));
        }
        Ok(Self {
            warnings: warnings(&places, &otel),
            debug: places.get(DEBUG.name).switch()?,
            log_format: places
                .get("log-format")
                .choice(&[("console", LogFormat::Console), ("json", LogFormat::Json)])?,
            listen,
            origins,
            cors_origins: places.get("cors-origin").list()?,
            context_values: places.get("context-value").map()?,
            context_from_header: headers(&places)?,
            stream_deadline: Some(places.get("stream-deadline").duration()?).filter(|time| !time.is_zero()),
            disable_sync_metadata: places.get("disable-sync-metadata").switch()?,
            max_request_body: positive(places.get("max-request-body").integer()?),
            max_request_header: positive(places.get("max-request-header").integer()?)
                .unwrap_or(DEFAULT_HEADER_BYTES),
            keep_alive: KeepAlive {
                min_time: places.get("keep-alive-min-time").duration()?,
                permit_without_stream: places.get("keep-alive-permit-without-stream").switch()?,
            },
            otel,
            fractional: places.get("fractional").choice(&[("v2", Fractional::V2), ("v3", Fractional::V3)])?,
            translations: Translations::read(&places)?,
            strict: places.get("strict").switch()?,
            max_document_bytes: at_least_one(&places, "max-document-bytes")?,
            max_flags: at_least_one(&places, "max-flags")?,
            cache_dir: places.get("cache-dir").path()?,
            hook_secret: places.get("hook-secret-path").path()?,
            resilience: Resilience::read(&places)?,
            shutdown_timeout: places.get("shutdown-timeout").duration()?,
            file: file.map(|file| file.path),
        })
    }
}

impl Listen {
    fn read(places: &Places<'_>) -> Result<Self, ConfigError> {
        let listen = Self {
            port: places.get("port").port()?,
            management_port: places.get("management-port").port()?,
            sync_port: places.get("sync-port").port()?,
            ofrep_port: places.get("ofrep-port").port()?,
            unleash_port: unleash_port(places)?,
            socket_path: places.get("socket-path").path()?,
            sync_socket_path: places.get("sync-socket-path").path()?,
            tls: tls_pair(places, "server-cert-path", "server-key-path")?,
            ofrep_tls: places.get("ofrep-tls").switch()?,
        };
        if listen.ofrep_tls && listen.tls.is_none() {
            return Err(places.get("ofrep-tls").wrong("needs server-cert-path and server-key-path"));
        }
        Ok(listen)
    }
}

fn unleash_port(places: &Places<'_>) -> Result<Option<u16>, ConfigError> {
    let given = places.get("unleash-port");
    if given.text()?.trim().is_empty() { Ok(None) } else { given.port().map(Some) }
}

/// Both files of a pair or neither: flagd serves plaintext when one is missing, which nobody means.
fn tls_pair(
    places: &Places<'_>,
    cert: &'static str,
    key: &'static str,
) -> Result<Option<TlsPair>, ConfigError> {
    match (places.get(cert).path()?, places.get(key).path()?) {
        (Some(cert), Some(key)) => Ok(Some(TlsPair { cert, key })),
        (None, None) => Ok(None),
        (Some(_), None) => {
            Err(places.get(cert).wrong(format!("{cert} is set but {key} is missing; set both or neither")))
        }
        (None, Some(_)) => {
            Err(places.get(key).wrong(format!("{key} is set but {cert} is missing; set both or neither")))
        }
    }
}

fn headers(places: &Places<'_>) -> Result<BTreeMap<String, String>, ConfigError> {
    let given = places.get("context-from-header");
    let headers = given.map()?;
    match headers.keys().find(|name| http::HeaderName::from_bytes(name.as_bytes()).is_err()) {
        Some(name) => Err(given.wrong(format!("{} is not a header name", error::quoted(name)))),
        None => Ok(headers),
    }
}

fn at_least_one(places: &Places<'_>, setting: &'static str) -> Result<u64, ConfigError> {
    let given = places.get(setting);
    positive(given.integer()?).ok_or_else(|| given.wrong("must be at least 1"))
}

fn positive(number: i64) -> Option<u64> {
    u64::try_from(number).ok().filter(|number| *number > 0)
}

fn warnings(places: &Places<'_>, otel: &Otel) -> Vec<String> {
    let mut warnings = places.ignored_variables();
    warnings.extend(otel.warnings.iter().cloned());
    if cfg!(not(feature = "otel")) && (otel.metrics.is_some() || otel.traces != Traces::Off) {
        warnings.push(
            "this build sends no telemetry away (feature otel); metrics are at /metrics of the management port"
                .to_owned(),
        );
    }
    if let Some(file) = places.file {
        let unknown = file
            .unknown_keys()
            .map(|key| format!("ignoring unknown key {} in {}", error::quoted(key), file.path.display()));
        warnings.extend(unknown);
    }
    warnings
}

/// The management port that `hoistd healthcheck` asks: the flag, or the variable that the daemon itself would read.
///
/// # Errors
/// A value that is no port, and where it was set.
pub fn management_port(flag: Option<&str>, environment: &Environment) -> Result<u16, ConfigError> {
    let mut args = StartArgs::default();
    if let Some(port) = flag {
        args.given.insert("management-port", vec![port.to_owned()]);
    }
    Places { args: &args, environment, file: None }.get("management-port").port()
}

/// Reads a duration in Go's form, such as `1m30s`.
pub fn duration(text: &str) -> Option<Duration> {
    given::duration(text)
}

/// An origin with the credentials of its vendor's variable, if it has none of its own.
///
/// # Errors
/// The file that a variable names cannot be read.
pub fn with_credentials(
    mut origin: OriginConfig,
    environment: &Environment,
) -> Result<OriginConfig, ConfigError> {
    credentials::complete(&mut origin, environment)?;
    Ok(origin)
}
