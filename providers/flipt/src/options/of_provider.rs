//! Options of the provider.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Map, Value};
use store::Origin;

use crate::mapping::Values;

/// Who evaluates, and of what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Here, what the server has.
    #[default]
    InProcess,
    /// The server, asked each time.
    Remote,
    /// Here, what is in [`Options::features`]; there is no server.
    File,
}

/// How to get flags.
#[derive(Clone)]
pub struct Options {
    /// Who evaluates, and of what.
    pub mode: Mode,
    /// The server's address, such as `https://flipt.example.com`.
    pub url: String,
    /// `features.yaml` for [`Mode::File`]: a path, or an address such as `git+https://host/flags.git?ref=main&path=features.yaml`.
    pub features: String,
    /// The client token.
    pub token: Option<String>,
    /// A JSON Web Token, in place of the client token.
    pub jwt: Option<String>,
    /// The namespace. Of a file with several it is the one whose flags are served.
    pub namespace: String,
    /// The environment (v2); the server's default one if not given.
    pub environment: Option<String>,
    /// What a variant's value is.
    pub values: Values,
    /// Whether to refuse whoever has no targeting key (`TARGETING_KEY_MISSING`); if not, they are the entity without a name.
    pub require_targeting_key: bool,
    /// Whether to have the server say what changes (v2), and not only to ask.
    pub streaming: bool,
    /// Time between questions for changes.
    pub interval: Duration,
    /// Longest time for one request.
    pub timeout: Duration,
    /// A certificate authority beside those of the system.
    pub cert_path: Option<PathBuf>,
    /// Where the last good flags are kept, for a start without the server.
    pub last_known_good: Option<PathBuf>,
}

/// An option that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("flipt: {0}")]
pub struct OptionsError(pub(crate) String);

impl Default for Options {
    fn default() -> Self {
        Self {
            mode: Mode::default(),
            url: "http://localhost:8080".to_owned(),
            features: "features.yaml".to_owned(),
            token: None,
            jwt: None,
            namespace: crate::features::DEFAULT_NAMESPACE.to_owned(),
            environment: None,
            values: Values::default(),
            require_targeting_key: false,
            streaming: true,
            interval: Duration::from_secs(30),
            timeout: Duration::from_secs(10),
            cert_path: None,
            last_known_good: None,
        }
    }
}

/// Without the tokens.
impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let secret = |given: &Option<String>| given.as_ref().map(|_| "<redacted>");
        f.debug_struct("Options")
            .field("mode", &self.mode)
            .field("url", &shown(&self.url))
            .field("features", &shown(&self.features))
            .field("token", &secret(&self.token))
            .field("jwt", &secret(&self.jwt))
            .field("namespace", &self.namespace)
            .field("environment", &self.environment)
            .finish_non_exhaustive()
    }
}

/// An address without what may be secret in it.
fn shown(address: &str) -> String {
    Origin::new("flipt", address, Map::new()).to_string()
}

impl Options {
    /// The `Authorization` header's value.
    pub(crate) fn authorization(&self) -> Option<String> {
        let jwt = self.jwt.as_ref().map(|jwt| format!("JWT {jwt}"));
        jwt.or_else(|| self.token.as_ref().map(|token| format!("Bearer {token}")))
    }

    /// The server as an origin of a store.
    ///
    /// # Errors
    /// There is no address.
    pub(crate) fn server(&self) -> Result<Origin, OptionsError> {
        if !self.url.starts_with("http://") && !self.url.starts_with("https://") {
            return Err(OptionsError("the url must begin with http:// or https://".to_owned()));
        }
        Ok(Origin::new("flipt", &self.url, self.origin_options()))
    }

    /// The files as an origin of a store, of the kind that their address says.
    pub(crate) fn files(&self) -> Origin {
        let address = self.features.strip_prefix("file:").unwrap_or(&self.features);
        let provider = match address.split_once("://") {
            Some((scheme, _)) if scheme.starts_with("git+") => "git",
            Some(("http" | "https", _)) => "http",
            _ => "file",
        };
        Origin::new(provider, address, self.origin_options())
    }

    fn origin_options(&self) -> Map<String, Value> {
        let values = match self.values {
            Values::Key => "key",
            Values::Attachment => "attachment",
        };
        let path = self.cert_path.as_ref().map(|path| path.to_string_lossy().into_owned());
        let all = [
            ("authHeader", self.authorization().map(Value::from)),
            ("certPath", path.map(Value::from)),
            ("namespace", Some(self.namespace.as_str().into())),
            ("environment", self.environment.clone().map(Value::from)),
            ("values", Some(values.into())),
            ("requireTargetingKey", Some(self.require_targeting_key.into())),
            ("streaming", Some(self.streaming.into())),
            ("interval", Some(self.interval.as_secs().max(1).into())),
            ("timeoutS", Some(self.timeout.as_secs().max(1).into())),
        ];
        all.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
    }
}
