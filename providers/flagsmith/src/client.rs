//! The vendor's API as the source uses it: where the environment document is, and where usage is told (contract 2.1).

use std::collections::HashMap;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, StatusCode};
use serde_json::{Map, Value};
use store::{Http, Origin, OriginError, Schedule};

/// The header with the environment's key.
pub(crate) const KEY: &str = "x-environment-key";
/// The header with the exact time of a document, in seconds with a fraction.
const UPDATED: HeaderName = HeaderName::from_static("x-flagsmith-document-updated-at");

/// Why usage was not taken.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failed {
    /// The server said no.
    #[error("the server answered {0}")]
    Status(StatusCode),
    /// There was no answer.
    #[error("{0}")]
    Other(String),
}

/// Where a Flagsmith is and how to speak to it.
#[derive(Clone, Debug)]
pub(crate) struct Api {
    base: Box<str>,
    headers: HeaderMap,
    client: Client,
    timeout: Duration,
}

impl Api {
    /// The API of `origin`, with the poller of its environment document and when to poll. The origin's `authHeader` is the
    /// environment's key, and goes where Flagsmith looks for it.
    ///
    /// # Errors
    /// The URL or an option cannot be used.
    pub(crate) fn open(origin: &Origin) -> Result<(Self, Http, Schedule), OriginError> {
        let mut options: Map<String, Value> = origin.options()?;
        let mut headers = HeaderMap::new();
        if let Some(Value::String(key)) = options.remove("authHeader") {
            let mut value = HeaderValue::from_str(&key).map_err(|_| {
                OriginError(format!("source {origin}: the environment key is no header value"))
            })?;
            value.set_sensitive(true);
            headers.insert(KEY, value);
        }
        let base = origin.name().trim_end_matches('/');
        let keyed = Origin::new(origin.provider(), origin.name(), options);
        // Without the slash at its end the server answers with a redirect.
        let (http, schedule) = Http::of_vendor(&keyed, &format!("{base}/environment-document/"), headers)?;
        let api = Self {
            base: base.into(),
            headers: http.headers().clone(),
            client: http.client().clone(),
            timeout: http.timeout(),
        };
        Ok((api, http.by_date(UPDATED), schedule))
    }

    /// Says how often each feature was asked for.
    ///
    /// # Errors
    /// The server did not take it.
    pub(crate) async fn report(&self, counts: &HashMap<Box<str>, u64>) -> Result<(), Failed> {
        let said = |error: reqwest::Error| Failed::Other(error.without_url().to_string());
        let body = serde_json::to_vec(counts).map_err(|error| Failed::Other(error.to_string()))?;
        let request = self.client.post(format!("{}/analytics/flags/", self.base));
        let request = request.headers(self.headers.clone()).timeout(self.timeout);
        let request = request.header(http::header::CONTENT_TYPE, "application/json").body(body);
        match request.send().await.map_err(said)?.status() {
            status if status.is_success() => Ok(()),
            status => Err(Failed::Status(status)),
        }
    }
}
