//! OAuth 2.0 client credentials (RFC 6749 section 4.4), sent as flagd sends them: in the body of a form (contract 9.2).

use std::path::PathBuf;
use std::time::{Duration, Instant};

use reqwest::header::{CONTENT_TYPE, HeaderValue};
use reqwest::{Client, Url};
use serde::Deserialize;

use super::client::said;

/// The largest answer of a token server that is read.
const LARGEST: usize = 64 << 10;
/// How long a token is used that does not say when it ends.
const UNSAID: Duration = Duration::from_secs(300);
/// How long before its end a token is given up.
const MARGIN: Duration = Duration::from_secs(10);

/// Where tokens come from, under flagd's names (contract 1.5).
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Options {
    #[serde(rename = "clientID")]
    client_id: Option<String>,
    client_secret: Option<String>,
    #[serde(alias = "tokenURL")]
    token_url: String,
    folder: Option<PathBuf>,
    #[serde(rename = "reloadDelayS")]
    reload_delay: u64,
}

/// Gets tokens, and keeps the latest for as long as it lasts.
pub(super) struct Oauth {
    options: Options,
    token_url: Url,
    client: Client,
    timeout: Duration,
    token: Option<Token>,
}

struct Token {
    authorization: HeaderValue,
    /// When another one is fetched.
    ends: Instant,
}

#[derive(Deserialize)]
struct Answer {
    access_token: String,
    expires_in: Option<u64>,
}

impl Oauth {
    /// # Errors
    /// The token URL is not one, or there are no credentials.
    pub(super) fn new(options: Options, client: Client, timeout: Duration) -> Result<Self, String> {
        let token_url = Url::parse(&options.token_url)
            .map_err(|error| format!("oauth.tokenUrl is not a URL: {error}"))?;
        if options.folder.is_none() && (options.client_id.is_none() || options.client_secret.is_none()) {
            return Err("oauth needs clientID and clientSecret, or folder".to_owned());
        }
        Ok(Self { options, token_url, client, timeout, token: None })
    }

    /// The value of the `Authorization` header.
    pub(super) async fn token(&mut self) -> Result<HeaderValue, String> {
        if let Some(token) = self.token.as_ref().filter(|token| Instant::now() < token.ends) {
            return Ok(token.authorization.clone());
        }
        let token = self.request().await.map_err(|what| format!("no token from the oauth server: {what}"))?;
        Ok(self.token.insert(token).authorization.clone())
    }

    /// Gives the token up, if there is one that is not from a moment ago.
    pub(super) fn forget(&mut self) -> bool {
        self.token.take().is_some()
    }

    async fn request(&self) -> Result<Token, String> {
        let (id, secret) = self.credentials().await?;
        let body = Url::parse_with_params(
            "form:",
            [
                ("client_id", id.as_str()),
                ("client_secret", secret.as_str()),
                ("grant_type", "client_credentials"),
            ],
        );
        let body = body.map_err(|error| error.to_string())?.query().unwrap_or_default().to_owned();
        let request = self.client.post(self.token_url.clone()).timeout(self.timeout);
        let request = request.header(CONTENT_TYPE, "application/x-www-form-urlencoded").body(body);
        let mut answer = request.send().await.map_err(said)?;
        let status = answer.status();
        let mut bytes = Vec::new();
        while let Some(piece) = answer.chunk().await.map_err(said)? {
            if bytes.len() + piece.len() > LARGEST {
                return Err(format!("its answer is larger than {LARGEST} bytes"));
            }
            bytes.extend_from_slice(&piece);
        }
        if !status.is_success() {
            return Err(format!("it answered {status}; check clientID and clientSecret"));
        }
        let answer: Answer =
            serde_json::from_slice(&bytes).map_err(|_| "its answer has no access_token".to_owned())?;
        self.accept(&answer)
    }

    fn accept(&self, answer: &Answer) -> Result<Token, String> {
        let mut authorization = HeaderValue::from_str(&format!("Bearer {}", answer.access_token))
            .map_err(|_| "its token is no header value".to_owned())?;
        authorization.set_sensitive(true);
        let lasts = answer.expires_in.map_or(UNSAID, Duration::from_secs).saturating_sub(MARGIN);
        // Rotated credentials are to be seen within the delay, whatever the token's own life.
        let lasts = match self.options.reload_delay {
            0 => lasts,
            seconds => lasts.min(Duration::from_secs(seconds)),
        };
        Ok(Token { authorization, ends: Instant::now() + lasts })
    }

    /// Id and secret; from the folder they are read each time, so that rotation needs no restart.
    async fn credentials(&self) -> Result<(String, String), String> {
        let Some(folder) = &self.options.folder else {
            let given = |text: &Option<String>| text.clone().unwrap_or_default();
            return Ok((given(&self.options.client_id), given(&self.options.client_secret)));
        };
        let read = async |name: &str| {
            let path = folder.join(name);
            let text = tokio::fs::read_to_string(&path).await;
            text.map(|text| text.trim().to_owned()).map_err(|error| format!("{}: {error}", path.display()))
        };
        Ok((read("client-id").await?, read("client-secret").await?))
    }
}
