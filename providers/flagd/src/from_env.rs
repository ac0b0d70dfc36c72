//! The options from the environment, when somebody asks for that (contract 11.1).

use std::str::FromStr;
use std::time::Duration;

use crate::options::{Mode, Options, OptionsError};

impl Options {
    /// The options with what the `FLAGD_*` variables of this process say.
    ///
    /// An option of the application's own is laid over it:
    /// `Options { selector: Some("source=a.json".into()), ..Options::from_env()? }`.
    ///
    /// # Errors
    /// A variable that cannot be read.
    pub fn from_env() -> Result<Self, OptionsError> {
        Self::from_variables(|name| std::env::var(name).ok(), None)
    }

    /// As [`Options::from_env`], for the resolver that the application wants: which of `FLAGD_PORT` and
    /// `FLAGD_SYNC_PORT` counts depends on that.
    ///
    /// # Errors
    /// A variable that cannot be read.
    pub fn from_env_as(resolver: Mode) -> Result<Self, OptionsError> {
        Self::from_variables(|name| std::env::var(name).ok(), Some(resolver))
    }

    /// The same from variables that `get` knows, such as a configuration file's. Empty ones count as unset.
    ///
    /// # Errors
    /// A variable that cannot be read.
    pub fn from_variables(
        get: impl Fn(&str) -> Option<String>,
        resolver: Option<Mode>,
    ) -> Result<Self, OptionsError> {
        let from = Variables(|name: &str| get(name).filter(|text| !text.is_empty()));
        let base = Self::default();
        let resolver = match resolver {
            Some(resolver) => resolver,
            None => from.read("FLAGD_RESOLVER")?.unwrap_or(base.resolver),
        };
        let sync_port = match resolver {
            Mode::Rpc => None,
            Mode::InProcess | Mode::File => from.read("FLAGD_SYNC_PORT")?,
        };
        let port = match sync_port {
            Some(port) => Some(port),
            None => from.read("FLAGD_PORT")?,
        };
        let keep_alive = match from.millis("FLAGD_KEEP_ALIVE_TIME_MS")? {
            Some(time) => Some(time),
            // The name that the Java provider had for it.
            None => from.millis("FLAGD_KEEP_ALIVE_TIME")?,
        };
        Ok(Self {
            resolver,
            host: from.text("FLAGD_HOST").unwrap_or(base.host),
            port,
            target_uri: from.text("FLAGD_TARGET_URI"),
            tls: from.switch("FLAGD_TLS")?.unwrap_or(base.tls),
            cert_path: from.text("FLAGD_SERVER_CERT_PATH").map(Into::into),
            socket_path: from.text("FLAGD_SOCKET_PATH").map(Into::into),
            deadline: from.millis("FLAGD_DEADLINE_MS")?.unwrap_or(base.deadline),
            stream_deadline: from.millis("FLAGD_STREAM_DEADLINE_MS")?.unwrap_or(base.stream_deadline),
            retry_backoff: from.millis("FLAGD_RETRY_BACKOFF_MS")?.unwrap_or(base.retry_backoff),
            retry_backoff_max: from.millis("FLAGD_RETRY_BACKOFF_MAX_MS")?.unwrap_or(base.retry_backoff_max),
            retry_grace_period: from
                .read("FLAGD_RETRY_GRACE_PERIOD")?
                .map_or(base.retry_grace_period, Duration::from_secs),
            keep_alive_time: keep_alive.unwrap_or(base.keep_alive_time),
            selector: from.text("FLAGD_SOURCE_SELECTOR"),
            cache: from.read("FLAGD_CACHE")?.unwrap_or(base.cache),
            max_cache_size: from.read("FLAGD_MAX_CACHE_SIZE")?.unwrap_or(base.max_cache_size),
            provider_id: from.text("FLAGD_PROVIDER_ID").or_else(|| from.text("FLAGD_SOURCE_PROVIDER_ID")),
            default_authority: from.text("FLAGD_DEFAULT_AUTHORITY"),
            fatal_status_codes: from.list("FLAGD_FATAL_STATUS_CODES"),
            offline_flag_source_path: from.text("FLAGD_OFFLINE_FLAG_SOURCE_PATH").map(Into::into),
            offline_poll: from.millis("FLAGD_OFFLINE_POLL_MS")?.unwrap_or(base.offline_poll),
            bucketing: base.bucketing,
            context_enricher: None,
            last_known_good: None,
        })
    }
}

/// Variables, and how they are read.
struct Variables<G>(G);

impl<G: Fn(&str) -> Option<String>> Variables<G> {
    fn text(&self, name: &str) -> Option<String> {
        (self.0)(name)
    }

    fn list(&self, name: &str) -> Vec<String> {
        let text = self.text(name).unwrap_or_default();
        text.split(',').map(str::trim).filter(|item| !item.is_empty()).map(str::to_owned).collect()
    }

    fn read<T: FromStr<Err: ToString>>(&self, name: &'static str) -> Result<Option<T>, OptionsError> {
        let read = |text: String| {
            let wrong = |error: T::Err| OptionsError::new(name, format!("`{text}`: {}", error.to_string()));
            text.trim().parse().map_err(wrong)
        };
        self.text(name).map(read).transpose()
    }

    fn millis(&self, name: &'static str) -> Result<Option<Duration>, OptionsError> {
        Ok(self.read(name)?.map(Duration::from_millis))
    }

    fn switch(&self, name: &'static str) -> Result<Option<bool>, OptionsError> {
        let read = |text: String| match text.trim().to_ascii_lowercase().as_str() {
            "true" | "1" => Ok(true),
            "false" | "0" => Ok(false),
            _ => Err(OptionsError::new(name, format!("`{text}` is neither true nor false"))),
        };
        self.text(name).map(read).transpose()
    }
}
