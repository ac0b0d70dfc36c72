//! Options of the provider.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Map, Value};
use store::Origin;

use super::SourceOptions;

/// How to reach an Unleash, and who asks.
#[derive(Clone)]
pub struct Options {
    /// The API's address, such as `https://unleash.example.com/api`; a query such as `?project=shop` chooses flags.
    pub url: String,
    /// The token: a backend one for evaluation here, a frontend one for evaluation there. GitLab needs none.
    pub token: Option<String>,
    /// The application's name.
    pub app_name: String,
    /// Which instance this is; made up if not given. For GitLab it is the secret.
    pub instance_id: Option<String>,
    /// The `environment` of contexts that have none.
    pub environment: Option<String>,
    /// Time between polls.
    pub interval: Duration,
    /// Longest time for one request.
    pub timeout: Duration,
    /// Whether to register, and to report how often flags are asked for.
    pub report_usage: bool,
    /// Whether a payload or a variant's name of `true` or `false` is the boolean, instead of the flag's being on.
    pub bool_variant: bool,
    /// Where the last good flags are kept, for a start without the server.
    pub last_known_good: Option<PathBuf>,
}

/// An option that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unleash: {0}")]
pub struct OptionsError(pub(crate) String);

impl Default for Options {
    fn default() -> Self {
        Self {
            url: "http://localhost:4242/api".to_owned(),
            token: None,
            app_name: "hoist".to_owned(),
            instance_id: None,
            environment: None,
            interval: Duration::from_secs(15),
            timeout: Duration::from_secs(10),
            report_usage: true,
            bool_variant: false,
            last_known_good: None,
        }
    }
}

/// Without the token and the instance id, which GitLab takes for one.
impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let secret = |given: &Option<String>| given.as_ref().map(|_| "<redacted>");
        f.debug_struct("Options")
            .field("url", &self.url.split(['?', '@']).next_back())
            .field("token", &secret(&self.token))
            .field("app_name", &self.app_name)
            .field("instance_id", &secret(&self.instance_id))
            .finish_non_exhaustive()
    }
}

impl Options {
    /// The server as an origin of a store.
    ///
    /// # Errors
    /// There is no address.
    pub(crate) fn origin(&self) -> Result<Origin, OptionsError> {
        if !self.url.starts_with("http://") && !self.url.starts_with("https://") {
            return Err(OptionsError("the url must begin with http:// or https://".to_owned()));
        }
        let mut all = Map::new();
        let mut put = |name: &str, value: Option<Value>| {
            if let Some(value) = value {
                all.insert(name.to_owned(), value);
            }
        };
        put("authHeader", self.token.clone().map(Value::from));
        put("appName", Some(self.app_name.as_str().into()));
        put("instanceId", self.instance_id.clone().map(Value::from));
        put("environment", self.environment.clone().map(Value::from));
        put("interval", Some(self.interval.as_secs().max(1).into()));
        put("timeoutS", Some(self.timeout.as_secs().max(1).into()));
        put("reportUsage", Some(self.report_usage.into()));
        put("boolVariant", Some(self.bool_variant.into()));
        Ok(Origin::new("unleash", &self.url, all))
    }

    /// The same for the source.
    pub(crate) fn of_source(&self) -> SourceOptions {
        SourceOptions {
            interval: Some(self.interval.as_secs().max(1)),
            app_name: Some(self.app_name.clone()),
            instance_id: self.instance_id.clone(),
            environment: self.environment.clone(),
            report_usage: self.report_usage,
            bool_variant: self.bool_variant,
            ..SourceOptions::default()
        }
    }
}
