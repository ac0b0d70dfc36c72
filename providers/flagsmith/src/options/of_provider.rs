//! Options of the provider.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Map, Value};
use store::Origin;

use crate::mapping::{Booleans, Mapping};

/// How the keys begin that may read the environment document.
const SERVER_SIDE: &str = "ser.";

/// Who evaluates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Here with a server-side key, the server with any other.
    #[default]
    ByKey,
    /// Here: the key must be a server-side one.
    InProcess,
    /// The server, asked each time.
    Remote,
}

/// How to reach a Flagsmith, and what its features mean.
#[derive(Clone)]
pub struct Options {
    /// Who evaluates.
    pub mode: Mode,
    /// The API's address, such as `https://flagsmith.example.com/api/v1/`.
    pub url: String,
    /// The environment's key: `ser.…` is a server-side one.
    pub environment_key: Option<String>,
    /// What a boolean is.
    pub booleans: Booleans,
    /// Whether a feature that is off still gives its value; if not, the caller's default stands.
    pub value_when_disabled: bool,
    /// Whether the server forgets the identities and traits that it is asked about. Flagsmith's own SDKs have it keep them all.
    pub transient_identities: bool,
    /// Time between polls, in process.
    pub interval: Duration,
    /// Longest time for one request.
    pub timeout: Duration,
    /// Whether to report how often features are asked for, in process.
    pub report_usage: bool,
    /// A certificate authority beside those of the system.
    pub cert_path: Option<PathBuf>,
    /// Where the last good flags are kept, for a start without the server; in process.
    pub last_known_good: Option<PathBuf>,
}

/// An option that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("flagsmith: {0}")]
pub struct OptionsError(pub(crate) String);

impl Default for Options {
    fn default() -> Self {
        Self {
            mode: Mode::default(),
            url: "https://edge.api.flagsmith.com/api/v1/".to_owned(),
            environment_key: None,
            booleans: Booleans::default(),
            value_when_disabled: false,
            transient_identities: true,
            interval: Duration::from_secs(60),
            timeout: Duration::from_secs(10),
            report_usage: false,
            cert_path: None,
            last_known_good: None,
        }
    }
}

/// Without the key.
impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("mode", &self.mode)
            .field("url", &Origin::new("flagsmith", &self.url, Map::new()).to_string())
            .field("environment_key", &self.environment_key.as_ref().map(|_| "<redacted>"))
            .finish_non_exhaustive()
    }
}

impl Options {
    /// Whether flags are evaluated here.
    pub fn is_in_process(&self) -> bool {
        match self.mode {
            Mode::InProcess => true,
            Mode::Remote => false,
            Mode::ByKey => self.environment_key.as_ref().is_some_and(|key| key.starts_with(SERVER_SIDE)),
        }
    }

    /// How features become answers.
    pub(crate) fn mapping(&self) -> Mapping {
        Mapping {
            booleans: self.booleans,
            value_when_disabled: self.value_when_disabled,
            server_key_only: true,
            flag_set: None,
        }
    }

    /// The server as an origin of a store.
    ///
    /// # Errors
    /// There is no address.
    pub(crate) fn origin(&self) -> Result<Origin, OptionsError> {
        if !self.url.starts_with("http://") && !self.url.starts_with("https://") {
            return Err(OptionsError("the url must begin with http:// or https://".to_owned()));
        }
        let booleans = match self.booleans {
            Booleans::Enabled => "enabled",
            Booleans::Value => "value",
        };
        let authority = self.cert_path.as_ref().map(|path| path.to_string_lossy().into_owned());
        let all = [
            ("authHeader", self.environment_key.clone().map(Value::from)),
            ("certPath", authority.map(Value::from)),
            ("interval", Some(self.interval.as_secs().max(1).into())),
            ("timeoutS", Some(self.timeout.as_secs().max(1).into())),
            ("boolMode", Some(booleans.into())),
            ("returnValueWhenDisabled", Some(self.value_when_disabled.into())),
            // An application with the server's key is a server.
            ("serverKeyOnly", Some(true.into())),
            ("reportUsage", Some(self.report_usage.into())),
        ];
        let all = all.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect();
        Ok(Origin::new("flagsmith", &self.url, all))
    }
}
