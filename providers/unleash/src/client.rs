//! The vendor's client API: where it is, what every request says, and what a proxy tells and asks it.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use http::{HeaderMap, HeaderValue};
use reqwest::{Client, StatusCode};
use serde::Serialize;
use serde_json::{Value, json};
use store::{Http, Origin, OriginError, Schedule};

use crate::options::SourceOptions;

/// The version of the client specification that is spoken; from 4.2 on servers send segments by id.
pub const SPECIFICATION: &str = "6.1.0";
/// This library, as servers list it.
pub const SDK: &str = concat!("hoist-unleash:", env!("CARGO_PKG_VERSION"));
/// The most of an answer that is read, where a word or two are expected.
const MOST_BYTES: usize = 1 << 20;

/// What became of a request.
#[derive(Debug, thiserror::Error)]
pub enum Failed {
    /// The server said no.
    #[error("the server answered {0}")]
    Status(StatusCode),
    /// There was no answer, or none that can be read.
    #[error("{0}")]
    Other(String),
}

/// Where an Unleash is and how to speak to it.
#[derive(Clone, Debug)]
pub struct Api {
    base: Box<str>,
    query: Box<str>,
    headers: HeaderMap,
    client: Client,
    timeout: Duration,
    /// Who we are in reports.
    pub app_name: Box<str>,
    /// Which of us.
    pub instance_id: Box<str>,
    /// This process.
    pub connection_id: Box<str>,
}

impl Api {
    /// The API of `origin`, with the poller of its flags and when to poll.
    ///
    /// # Errors
    /// The URL or an option cannot be used.
    pub fn open(origin: &Origin, options: &SourceOptions) -> Result<(Self, Http, Schedule), OriginError> {
        let (base, query) = split(origin.name());
        let app_name = options.app_name.clone().unwrap_or_else(|| "hoistd".to_owned());
        let connection_id = identifier();
        let instance_id = options.instance_id.clone().unwrap_or_else(|| connection_id.clone());
        let mut headers = HeaderMap::new();
        let mut put = |name: &'static str, text: &str| {
            let mut value = HeaderValue::from_str(text)
                .map_err(|_| OriginError(format!("source {origin}: {name} is no header value")))?;
            // GitLab takes the instance id as the secret.
            value.set_sensitive(name == "unleash-instanceid");
            headers.insert(name, value);
            Ok::<_, OriginError>(())
        };
        put("unleash-client-spec", SPECIFICATION)?;
        put("unleash-appname", &app_name)?;
        put("unleash-instanceid", &instance_id)?;
        put("unleash-connection-id", &connection_id)?;
        put("unleash-sdk", SDK)?;
        let interval = options.interval.unwrap_or(5).saturating_mul(1_000);
        put("unleash-interval", &interval.to_string())?;
        let path = if options.delta { "delta" } else { "features" };
        let url = format!("{base}/client/{path}{query}");
        let (http, schedule) = Http::of_vendor(origin, &url, headers)?;
        let api = Self {
            base: base.into(),
            query: query.into(),
            headers: http.headers().clone(),
            client: http.client().clone(),
            timeout: http.timeout(),
            app_name: app_name.into(),
            instance_id: instance_id.into(),
            connection_id: connection_id.into(),
        };
        Ok((api, http, schedule))
    }

    /// The part of the origin's URL that chooses flags, such as `?project=shop`; empty if there is none.
    pub fn query(&self) -> &str {
        &self.query
    }

    /// The token of every request.
    pub fn token(&self) -> Option<&str> {
        self.headers.get(http::header::AUTHORIZATION).and_then(|value| value.to_str().ok())
    }

    /// Says that this application is there.
    ///
    /// # Errors
    /// The server did not take it.
    pub async fn register(&self, started: &str, interval: Duration) -> Result<(), Failed> {
        let known = [
            "default",
            "flexibleRollout",
            "userWithId",
            "remoteAddress",
            "gradualRolloutUserId",
            "gradualRolloutSessionId",
            "gradualRolloutRandom",
        ];
        let body = json!({
            "appName": self.app_name, "instanceId": self.instance_id, "connectionId": self.connection_id,
            "sdkVersion": SDK, "strategies": known, "started": started,
            "interval": u64::try_from(interval.as_millis()).unwrap_or(u64::MAX),
            "specVersion": SPECIFICATION, "platformName": "rust",
        });
        self.post("/client/register", &body).await.map(drop)
    }

    /// Posts JSON to a path of the API; gives the answer's JSON, `null` if there is none.
    ///
    /// # Errors
    /// The server did not take it.
    pub async fn post(&self, path: &str, body: &impl Serialize) -> Result<Value, Failed> {
        let body = serde_json::to_vec(body).map_err(|error| Failed::Other(error.to_string()))?;
        let request = self.client.post(format!("{}{path}", self.base)).headers(self.headers.clone());
        self.send(request.body(body)).await
    }

    /// Posts JSON to a path beside the API, such as `/edge/validate`, which stands above `/api`. Without the token: the server
    /// refuses a token that is not meant for the path, and takes none.
    ///
    /// # Errors
    /// The server did not take it.
    pub async fn post_beside(&self, path: &str, body: &impl Serialize) -> Result<Value, Failed> {
        let root = self.base.strip_suffix("/api").unwrap_or(&self.base);
        let body = serde_json::to_vec(body).map_err(|error| Failed::Other(error.to_string()))?;
        let mut headers = self.headers.clone();
        headers.remove(http::header::AUTHORIZATION);
        let request = self.client.post(format!("{root}{path}")).headers(headers);
        self.send(request.body(body)).await
    }

    /// Gets JSON from a path of the API, as whoever has `token`.
    ///
    /// # Errors
    /// The server did not give it.
    pub async fn get_as(&self, path: &str, token: &str) -> Result<Value, Failed> {
        let mut headers = self.headers.clone();
        let mut value = HeaderValue::from_str(token).map_err(|_| Failed::Status(StatusCode::UNAUTHORIZED))?;
        value.set_sensitive(true);
        headers.insert(http::header::AUTHORIZATION, value);
        self.send(self.client.get(format!("{}{path}", self.base)).headers(headers)).await
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> Result<Value, Failed> {
        let said = |error: reqwest::Error| Failed::Other(error.without_url().to_string());
        let request = request.timeout(self.timeout).header(http::header::CONTENT_TYPE, "application/json");
        let mut answer = request.send().await.map_err(said)?;
        if !answer.status().is_success() {
            return Err(Failed::Status(answer.status()));
        }
        let mut bytes = Vec::new();
        while let Some(piece) = answer.chunk().await.map_err(said)? {
            bytes.extend_from_slice(&piece);
            if bytes.len() > MOST_BYTES {
                return Err(Failed::Other(format!("the answer is larger than {MOST_BYTES} bytes")));
            }
        }
        Ok(serde_json::from_slice(&bytes).unwrap_or_default())
    }
}

/// The API's address and what follows the `?`, that with it.
fn split(url: &str) -> (&str, &str) {
    let (base, query) = url.split_at(url.find('?').unwrap_or(url.len()));
    (base.trim_end_matches('/'), query)
}

/// A random identifier in the form of a version 4 UUID.
fn identifier() -> String {
    // Each state has keys of its own, seeded by the system.
    let half = || RandomState::new().hash_one(0_u8);
    let bits = (u128::from(half()) << 64) | u128::from(half());
    let bits = (bits & !(0xf << 76) & !(0x3 << 62)) | (0x4 << 76) | (0x2 << 62);
    let hex = format!("{bits:032x}");
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_taken_apart() {
        assert_eq!(split("https://h/api/"), ("https://h/api", ""));
        assert_eq!(
            split("https://h/api?project=a&namePrefix=b"),
            ("https://h/api", "?project=a&namePrefix=b")
        );
    }

    #[test]
    fn identifiers_look_like_uuids_and_differ() {
        let one = identifier();
        assert_eq!((one.len(), &one[14..15]), (36, "4"));
        assert!(["8", "9", "a", "b"].contains(&&one[19..20]), "{one}");
        assert_ne!(one, identifier());
    }
}
