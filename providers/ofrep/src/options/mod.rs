//! What the provider is told.

mod from_env;

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use open_feature::EvaluationContext;

/// Options of the provider. [`Default`] reads no environment; [`Options::from_env`] does.
#[derive(Clone)]
pub struct Options {
    /// The server's address, `http://` or `https://`, with a path in front of `/ofrep` where there is one.
    pub base_url: String,
    /// Headers of every request, by name and value.
    pub headers: Vec<(String, String)>,
    /// Sent as `Authorization: Bearer ...`.
    pub bearer_token: Option<String>,
    /// How long one request may take, its answer read.
    pub timeout: Duration,
    /// One request for each evaluation, or all flags at once.
    pub mode: Mode,
    /// Attributes under those of every evaluation; in [`Mode::Bulk`] the static context, the SDK's global one included.
    pub context: EvaluationContext,
    /// Sends attributes as text: what Flipt asks for.
    pub text_attributes: bool,
    /// Refuses evaluations without a targeting key, with `TARGETING_KEY_MISSING`, before the server sees them.
    pub require_targeting_key: bool,
    /// How many bytes an answer may have.
    pub max_response_bytes: usize,
    /// A PEM file of certificate authorities that are trusted beside the platform's.
    pub cert_path: Option<PathBuf>,
}

/// How flags are asked for.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Mode {
    /// Each evaluation is one request.
    #[default]
    PerRequest,
    /// All flags at once under the static context, kept and followed.
    Bulk(Bulk),
}

/// How flags that are kept stay current.
#[derive(Clone, Debug, PartialEq)]
pub struct Bulk {
    /// How often the server is asked whether flags changed; zero is never. While an event stream lives, ten times as rarely.
    pub poll_interval: Duration,
    /// Follows the event stream that the server names.
    pub event_stream: bool,
    /// How long a stream may be silent before it is taken for dead. hoistd and flagd say something every 15 to 20 s.
    pub stream_silence: Duration,
    /// How long the server may be away before `STALE` becomes `ERROR`. What is kept answers in both.
    pub grace_period: Duration,
    /// What happens to evaluations whose context says more than the static one.
    pub other_contexts: OtherContexts,
}

/// What happens to evaluations whose context says more than the static one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OtherContexts {
    /// They are asked for by themselves, one request each.
    #[default]
    Ask,
    /// They are answered as the static context is: what OFREP's clients for one user do.
    Ignore,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            base_url: "http://localhost:8016".to_owned(),
            headers: Vec::new(),
            bearer_token: None,
            timeout: Duration::from_secs(10),
            mode: Mode::PerRequest,
            context: EvaluationContext::default(),
            text_attributes: false,
            require_targeting_key: false,
            max_response_bytes: 16 << 20,
            cert_path: None,
        }
    }
}

impl Default for Bulk {
    fn default() -> Self {
        Self {
            poll_interval: Duration::from_secs(30),
            event_stream: true,
            stream_silence: Duration::from_secs(90),
            grace_period: Duration::from_secs(60),
            other_contexts: OtherContexts::Ask,
        }
    }
}

/// Options that can never work.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OptionsError {
    /// The address is none.
    #[error("base_url (OFREP_ENDPOINT): {0}; write it as https://host:port")]
    BaseUrl(String),
    /// A header cannot be sent. Its value is not told.
    #[error("headers (OFREP_HEADERS): `{0}` {1}")]
    Header(String, &'static str),
    /// The token cannot be sent.
    #[error("bearer_token: not printable ASCII, so it cannot be a header; check for line ends")]
    Token,
    /// The timeout is none.
    #[error("timeout (OFREP_TIMEOUT_MS): {0}; give milliseconds above 0")]
    Timeout(String),
    /// The HTTP client cannot be made: the certificates cannot be read.
    #[error("cert_path: {0}")]
    Client(String),
    /// Background work without a runtime.
    #[error("bulk mode works in the background: {0}")]
    Runtime(#[from] kit::NoRuntime),
}

/// Without what is secret: values of headers, the token, attributes.
impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.headers.iter().map(|(name, _)| name.as_str()).collect();
        let url = kit::http::reqwest::Url::parse(&self.base_url).ok().map(|mut url| {
            // A URL that cannot hold a password has none to hide.
            let _ = url.set_password(None);
            url.set_query(None);
            url.to_string()
        });
        f.debug_struct("Options")
            .field("base_url", &url)
            .field("headers", &names)
            .field("bearer_token", &self.bearer_token.as_ref().map(|_| ".."))
            .field("timeout", &self.timeout)
            .field("mode", &self.mode)
            .field("text_attributes", &self.text_attributes)
            .field("require_targeting_key", &self.require_targeting_key)
            .field("max_response_bytes", &self.max_response_bytes)
            .field("cert_path", &self.cert_path)
            .finish_non_exhaustive()
    }
}
