//! What can be configured, under the names of flagd's provider specification (contract 11.1).

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use engine::Bucketing;
use serde_json::{Map, Value};

/// Turns what the server says about itself (`sync_context`) into what is laid over every evaluation's context.
pub type ContextEnricher = Arc<dyn Fn(Map<String, Value>) -> Map<String, Value> + Send + Sync>;

/// How flags are resolved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// The server evaluates, each evaluation is a call.
    #[default]
    Rpc,
    /// The server sends its flags, evaluation is local.
    InProcess,
    /// Flags come from a file, evaluation is local.
    File,
}

/// What is kept of the server's answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Cache {
    /// Static answers, the least recently used one making room; whatever changes is forgotten.
    #[default]
    Lru,
    /// Nothing.
    Disabled,
}

/// How the provider works. [`Options::from_env`] reads the `FLAGD_*` variables; the default reads none.
#[derive(Clone)]
pub struct Options {
    /// How flags are resolved (`FLAGD_RESOLVER`); `rpc` by default. `in-process` with an
    /// [`offline_flag_source_path`](Self::offline_flag_source_path) means `file`.
    pub resolver: Mode,
    /// The server's host (`FLAGD_HOST`); `localhost` by default.
    pub host: String,
    /// The server's port (`FLAGD_PORT`, in process also `FLAGD_SYNC_PORT`); `None` is 8013 for rpc and 8015 in process.
    pub port: Option<u16>,
    /// In place of host and port (`FLAGD_TARGET_URI`): `dns:host:port`, `envoy://host:port/service`, `unix:path`.
    pub target_uri: Option<String>,
    /// Whether the connection is encrypted (`FLAGD_TLS`).
    pub tls: bool,
    /// A file with the authority that the server's certificate comes from, beside the platform's own
    /// (`FLAGD_SERVER_CERT_PATH`). Needs [`tls`](Self::tls).
    pub cert_path: Option<PathBuf>,
    /// A unix socket in place of host and port (`FLAGD_SOCKET_PATH`).
    pub socket_path: Option<PathBuf>,
    /// How long an evaluation may take, and how long the start until it counts as failed (`FLAGD_DEADLINE_MS`); 500 ms
    /// by default.
    pub deadline: Duration,
    /// How long a stream lives until it is opened anew (`FLAGD_STREAM_DEADLINE_MS`); 10 minutes by default, zero is for
    /// ever.
    pub stream_deadline: Duration,
    /// How long to wait before the first retry (`FLAGD_RETRY_BACKOFF_MS`); 1 s by default.
    pub retry_backoff: Duration,
    /// The longest wait before a retry (`FLAGD_RETRY_BACKOFF_MAX_MS`); 12 s by default.
    pub retry_backoff_max: Duration,
    /// How long the provider is STALE until it is in ERROR (`FLAGD_RETRY_GRACE_PERIOD`, in seconds); 5 s by default.
    pub retry_grace_period: Duration,
    /// How long a connection may be silent until it is pinged (`FLAGD_KEEP_ALIVE_TIME_MS`); zero, the default, is never.
    pub keep_alive_time: Duration,
    /// Which of the server's flags are meant (`FLAGD_SOURCE_SELECTOR`): `flagSetId=...`, `source=...` or a source's name.
    pub selector: Option<String>,
    /// What rpc keeps of the server's answers (`FLAGD_CACHE`).
    pub cache: Cache,
    /// How many answers at most (`FLAGD_MAX_CACHE_SIZE`); 1000 by default.
    pub max_cache_size: usize,
    /// What an in-process provider calls itself towards the server (`FLAGD_PROVIDER_ID`).
    pub provider_id: Option<String>,
    /// What the server is called in `:authority` and in its certificate (`FLAGD_DEFAULT_AUTHORITY`), if not by its host.
    pub default_authority: Option<String>,
    /// The gRPC codes after which nothing is tried again (`FLAGD_FATAL_STATUS_CODES`), such as `PERMISSION_DENIED`.
    pub fatal_status_codes: Vec<String>,
    /// The file that `file` reads (`FLAGD_OFFLINE_FLAG_SOURCE_PATH`), JSON or YAML.
    pub offline_flag_source_path: Option<PathBuf>,
    /// How often the file is looked at (`FLAGD_OFFLINE_POLL_MS`), beside being watched; 5 s by default.
    pub offline_poll: Duration,
    /// How an in-process provider buckets by `fractional`: as the server does, which is as flagd does by default
    /// (`hoistd --fractional`).
    pub bucketing: Bucketing,
    /// What an in-process provider makes of the server's context; all of it by default.
    pub context_enricher: Option<ContextEnricher>,
    /// A folder in which an in-process provider keeps the flags it had last, for a start without its server.
    pub last_known_good: Option<PathBuf>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            resolver: Mode::Rpc,
            host: "localhost".to_owned(),
            port: None,
            target_uri: None,
            tls: false,
            cert_path: None,
            socket_path: None,
            deadline: Duration::from_millis(500),
            stream_deadline: Duration::from_secs(600),
            retry_backoff: Duration::from_secs(1),
            retry_backoff_max: Duration::from_secs(12),
            retry_grace_period: Duration::from_secs(5),
            keep_alive_time: Duration::ZERO,
            selector: None,
            cache: Cache::Lru,
            max_cache_size: 1000,
            provider_id: None,
            default_authority: None,
            fatal_status_codes: Vec::new(),
            offline_flag_source_path: None,
            offline_poll: Duration::from_secs(5),
            bucketing: Bucketing::default(),
            context_enricher: None,
            last_known_good: None,
        }
    }
}

/// An option that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("flagd provider: {option}: {problem}")]
pub struct OptionsError {
    /// The option, or the environment variable.
    pub option: &'static str,
    /// What is wrong with it, and what to do.
    pub problem: String,
}

impl OptionsError {
    pub(crate) fn new(option: &'static str, problem: impl Into<String>) -> Self {
        Self { option, problem: problem.into() }
    }
}

impl Options {
    /// How flags are resolved, all options considered (contract 11.1).
    pub fn mode(&self) -> Mode {
        match self.resolver {
            Mode::InProcess if self.offline_flag_source_path.is_some() => Mode::File,
            other => other,
        }
    }

    /// The server's port.
    pub fn port(&self) -> u16 {
        self.port.unwrap_or(match self.resolver {
            Mode::Rpc => 8013,
            Mode::InProcess | Mode::File => 8015,
        })
    }

    /// Refuses what contradicts itself.
    ///
    /// # Errors
    /// The first option that cannot be used.
    pub fn check(&self) -> Result<(), OptionsError> {
        if self.mode() == Mode::File {
            if self.offline_poll.is_zero() {
                return Err(OptionsError::new(
                    "offlinePollIntervalMs",
                    "nothing can be read all the time; 5000 is usual",
                ));
            }
            return match &self.offline_flag_source_path {
                Some(_) => Ok(()),
                None => Err(OptionsError::new(
                    "offlineFlagSourcePath",
                    "resolver `file` needs the path of a file; set it or FLAGD_OFFLINE_FLAG_SOURCE_PATH",
                )),
            };
        }
        if self.cert_path.is_some() && !self.tls {
            return Err(OptionsError::new(
                "certPath",
                "there is a certificate but tls is off, so that the connection would be in plain text; set tls",
            ));
        }
        if self.deadline.is_zero() {
            return Err(OptionsError::new("deadlineMs", "nothing can be answered in no time; 500 is usual"));
        }
        self.fatal_codes().map(drop)
    }

    /// The fatal codes, read.
    pub(crate) fn fatal_codes(&self) -> Result<Vec<tonic::Code>, OptionsError> {
        let read = |name: &String| {
            code(name.trim()).ok_or_else(|| {
                OptionsError::new(
                    "fatalStatusCodes",
                    format!("`{name}` is no gRPC status code; they are written like PERMISSION_DENIED"),
                )
            })
        };
        self.fatal_status_codes.iter().map(read).collect()
    }
}

/// The gRPC status code of this name.
fn code(name: &str) -> Option<tonic::Code> {
    let letters = |text: &str| text.replace('_', "").to_ascii_uppercase();
    (1..=16).map(tonic::Code::from_i32).find(|code| letters(&format!("{code:?}")) == letters(name))
}

impl FromStr for Mode {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.to_ascii_lowercase().as_str() {
            "rpc" => Ok(Self::Rpc),
            "in-process" => Ok(Self::InProcess),
            "file" => Ok(Self::File),
            _ => Err(format!("`{text}` is no resolver; there are rpc, in-process and file")),
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Rpc => "rpc",
            Self::InProcess => "in-process",
            Self::File => "file",
        })
    }
}

impl FromStr for Cache {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.to_ascii_lowercase().as_str() {
            // Some clients know `mem`, a cache without bound. Ours has one.
            "lru" | "mem" => Ok(Self::Lru),
            "disabled" => Ok(Self::Disabled),
            _ => Err(format!("`{text}` is no cache; there are lru and disabled")),
        }
    }
}

impl fmt::Display for Cache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Lru => "lru",
            Self::Disabled => "disabled",
        })
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("resolver", &self.mode())
            .field("host", &self.host)
            .field("port", &self.port())
            .field("target_uri", &self.target_uri)
            .field("tls", &self.tls)
            .field("selector", &self.selector)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_by_name() {
        assert_eq!(code("PERMISSION_DENIED"), Some(tonic::Code::PermissionDenied));
        assert_eq!(code("CANCELLED"), Some(tonic::Code::Cancelled));
        assert_eq!(code("unauthenticated"), Some(tonic::Code::Unauthenticated));
        assert_eq!(code("DATA_LOSS"), Some(tonic::Code::DataLoss));
        assert_eq!(code("OK"), None);
        assert_eq!(code("A"), None);
    }

    #[test]
    fn contradictions_are_refused() {
        let refused = |options: Options| options.check().expect_err("a contradiction").to_string();
        assert!(refused(Options { resolver: Mode::File, ..Options::default() }).contains("path of a file"));
        assert!(
            refused(Options { cert_path: Some("ca.pem".into()), ..Options::default() }).contains("set tls")
        );
        let codes = vec!["NOPE".to_owned()];
        assert!(refused(Options { fatal_status_codes: codes, ..Options::default() }).contains("`NOPE`"));
        let offline = Options {
            resolver: Mode::InProcess,
            offline_flag_source_path: Some("flags.json".into()),
            ..Options::default()
        };
        assert_eq!((offline.mode(), offline.check()), (Mode::File, Ok(())));
    }
}
