//! HTTP towards a backend: ring for TLS, bounded bodies and times, and a `Retry-After` that is kept to.
//!
//! Each [`Client`] keeps to what its own server said; there is nothing shared between two of them.

mod error;
mod retry_after;
mod tls;

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::redirect::Policy;
use reqwest::{Method, RequestBuilder, StatusCode, Url};
use tokio::time::Instant;

pub use error::HttpError;
pub use reqwest;
pub use retry_after::retry_after;

/// The most of a `Retry-After` that is honoured.
const LONGEST_REST: Duration = Duration::from_secs(600);
/// How many redirects are followed.
const REDIRECTS: usize = 5;

/// How a client behaves.
#[derive(Clone)]
pub struct Settings {
    /// What a request may take, its body included.
    pub timeout: Duration,
    /// What connecting may take.
    pub connect_timeout: Duration,
    /// The largest body that is read, in bytes.
    pub body_limit: usize,
    /// Sent with every request.
    pub headers: HeaderMap,
    /// A PEM file of authorities to trust besides the platform's.
    pub authority: Option<PathBuf>,
    /// What the client calls itself.
    pub user_agent: String,
}

impl Default for Settings {
    /// Ten seconds, four mebibytes.
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(10),
            connect_timeout: Duration::from_secs(5),
            body_limit: 4 << 20,
            headers: HeaderMap::new(),
            authority: None,
            user_agent: concat!("hoist/", env!("CARGO_PKG_VERSION")).to_owned(),
        }
    }
}

impl Settings {
    /// Adds a header, and keeps its value out of every log.
    ///
    /// # Errors
    /// Name or value cannot be a header's. The value is not in the message.
    pub fn header(mut self, name: &str, value: &str) -> Result<Self, HttpError> {
        let known = HeaderName::from_bytes(name.as_bytes())
            .map_err(|_| HttpError::Settings(format!("{name:?} is no header name")))?;
        let mut value = HeaderValue::from_str(value)
            .map_err(|_| HttpError::Settings(format!("the value of header {name} is no header value")))?;
        value.set_sensitive(true);
        self.headers.append(known, value);
        Ok(self)
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.headers.keys().map(HeaderName::as_str).collect();
        f.debug_struct("Settings")
            .field("timeout", &self.timeout)
            .field("connect_timeout", &self.connect_timeout)
            .field("body_limit", &self.body_limit)
            .field("headers", &names)
            .field("authority", &self.authority)
            .finish_non_exhaustive()
    }
}

/// A client of one backend. Clones share their connections and what the server said about waiting.
#[derive(Clone, Debug)]
pub struct Client {
    inner: reqwest::Client,
    timeout: Duration,
    body_limit: usize,
    resting: Arc<Mutex<Option<Instant>>>,
}

/// An answer that was read to its end.
#[derive(Clone, Debug)]
pub struct Response {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body, at most [`Settings::body_limit`] bytes.
    pub body: Bytes,
}

impl Response {
    /// A header's text, if there is one and it is text.
    pub fn header(&self, name: &HeaderName) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

impl Client {
    /// A client that behaves as `settings` say. Does no I/O towards the backend.
    ///
    /// # Errors
    /// The authority cannot be read, or TLS cannot be set up.
    pub fn new(settings: Settings) -> Result<Self, HttpError> {
        // A scheme that changes would send what was meant to be secret in the clear, and another host would get the headers.
        let redirects = Policy::custom(|attempt| match attempt.previous().last() {
            Some(from) if !same_origin(from, attempt.url()) => attempt.stop(),
            _ if attempt.previous().len() > REDIRECTS => attempt.stop(),
            _ => attempt.follow(),
        });
        let inner = reqwest::Client::builder()
            .tls_backend_preconfigured(tls::config(settings.authority.as_deref())?)
            .connect_timeout(settings.connect_timeout)
            .redirect(redirects)
            .default_headers(settings.headers)
            .user_agent(settings.user_agent)
            .build()
            .map_err(|error| HttpError::Settings(error::said(error)))?;
        let (timeout, body_limit) = (settings.timeout, settings.body_limit);
        Ok(Self { inner, timeout, body_limit, resting: Arc::default() })
    }

    /// Begins a request.
    pub fn request(&self, method: Method, url: Url) -> RequestBuilder {
        self.inner.request(method, url)
    }

    /// Sends a request and reads the answer, whatever its status.
    ///
    /// # Errors
    /// The server asked for a rest that is not over, it did not answer in time or at all, or its body is too large.
    pub async fn send(&self, request: RequestBuilder) -> Result<Response, HttpError> {
        let answer = self.open(request.timeout(self.timeout)).await?;
        let (status, headers) = (answer.status(), answer.headers().clone());
        let body = self.read(answer).await?;
        Ok(Response { status, headers, body })
    }

    /// Sends a request and leaves the body to the caller, for streams that do not end. Only the head has to come in time.
    ///
    /// # Errors
    /// As [`Client::send`], apart from the body.
    pub async fn stream(&self, request: RequestBuilder) -> Result<reqwest::Response, HttpError> {
        match tokio::time::timeout(self.timeout, self.open(request)).await {
            Ok(answer) => answer,
            Err(_) => Err(HttpError::Timeout),
        }
    }

    /// How long the server still wants to be left alone.
    pub fn rest(&self) -> Option<Duration> {
        let until = (*self.resting.lock().unwrap_or_else(PoisonError::into_inner))?;
        until.checked_duration_since(Instant::now()).filter(|rest| !rest.is_zero())
    }

    async fn open(&self, request: RequestBuilder) -> Result<reqwest::Response, HttpError> {
        if let Some(rest) = self.rest() {
            return Err(HttpError::Resting(rest));
        }
        let answer = request.send().await.map_err(HttpError::from)?;
        if matches!(answer.status(), StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE)
            && let Some(rest) = retry_after(answer.headers())
        {
            let until = Instant::now() + rest.min(LONGEST_REST);
            *self.resting.lock().unwrap_or_else(PoisonError::into_inner) = Some(until);
        }
        Ok(answer)
    }

    /// Reads the body, and stops at the first piece beyond the limit.
    async fn read(&self, mut answer: reqwest::Response) -> Result<Bytes, HttpError> {
        let too_large = HttpError::TooLarge { limit: self.body_limit };
        if answer.content_length().is_some_and(|length| length > self.body_limit as u64) {
            return Err(too_large);
        }
        let mut body = BytesMut::new();
        while let Some(piece) = answer.chunk().await.map_err(HttpError::from)? {
            if body.len() + piece.len() > self.body_limit {
                return Err(too_large);
            }
            body.extend_from_slice(&piece);
        }
        Ok(body.freeze())
    }
}

fn same_origin(from: &Url, to: &Url) -> bool {
    from.scheme() == to.scheme()
        && from.host() == to.host()
        && from.port_or_known_default() == to.port_or_known_default()
}
