//! A document behind an `http` or `https` URL, asked for again and again (contract 9.2).
//!
//! Conditional requests keep an unchanged document off the wire. A slow, endless or hostile server costs a bounded amount
//! of time and memory; a redirect never changes the scheme and never carries credentials to another host.

pub(super) mod client;
mod dates;
mod oauth;

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use reqwest::header::{
    ACCEPT, AUTHORIZATION, CONTENT_TYPE, DATE, ETAG, HeaderMap, HeaderName, HeaderValue, IF_MODIFIED_SINCE,
    IF_NONE_MATCH, RETRY_AFTER,
};
use reqwest::{Client, Response, StatusCode, Url};
use serde::Deserialize;

use crate::document::Format;
use crate::origin::{Origin, OriginError, redacted};
use crate::schedule::Schedule;
use crate::source::{Fetch, Fetched, Poll, Retry, SourceError, SourceKind};
use dates::Dates;
use oauth::Oauth;

/// The most of a `Retry-After` that is honoured.
pub(super) const LONGEST_REST: Duration = Duration::from_secs(600);
/// How long a request may take when nothing else is said.
const TIMEOUT: Duration = Duration::from_secs(30);
/// How often a document is asked for when nothing else is said (flagd's default).
const INTERVAL: Duration = Duration::from_secs(5);

/// The HTTP source.
pub(crate) static KIND: SourceKind = SourceKind { providers: &["http"], build };

/// What the source understands, under flagd's names (contract 1.5).
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Options {
    auth_header: Option<String>,
    headers: BTreeMap<String, String>,
    cert_path: Option<PathBuf>,
    interval: Option<u64>,
    interval_seed: Option<String>,
    #[serde(rename = "timeoutS")]
    timeout: Option<u64>,
    oauth: Option<oauth::Options>,
}

/// A URL with all it takes to ask it. A [`Fetch`], for sources of vendors as well.
pub struct Http {
    url: Url,
    shown: String,
    headers: HeaderMap,
    timeout: Duration,
    client: Client,
    oauth: Option<Oauth>,
    /// What answers are written in, if neither the path nor the media type has a say.
    format: Option<Format>,
    /// How versions are told apart, if not by ETag.
    dates: Option<Dates>,
}

fn build(origin: &Origin) -> Result<Box<dyn crate::source::Source>, OriginError> {
    let (http, schedule) = Http::new(origin, origin.name(), HeaderMap::new(), None)?;
    Ok(Box::new(Poll::new(http, schedule)))
}

/// What the server of an `http` origin says the time is, if it says so within `timeout`.
pub async fn http_date(origin: &Origin, timeout: Duration) -> Option<SystemTime> {
    let options: Options = origin.options().ok()?;
    let client = client::build(options.cert_path.as_deref(), true).ok()?;
    let answer = client.head(Url::parse(origin.name()).ok()?).timeout(timeout).send().await.ok()?;
    httpdate::parse_http_date(answer.headers().get(DATE)?.to_str().ok()?).ok()
}

/// The headers of each request; the configured ones override the source's own.
fn headers(options: &Options) -> Result<HeaderMap, String> {
    let mut headers = HeaderMap::new();
    let value = |name: &str, text: &str| {
        let mut value = HeaderValue::from_str(text)
            .map_err(|_| format!("the value of header {name} is no header value"))?;
        value.set_sensitive(true);
        Ok::<_, String>(value)
    };
    if let Some(text) = &options.auth_header {
        headers.insert(AUTHORIZATION, value("Authorization", text)?);
    }
    for (name, text) in &options.headers {
        let known =
            HeaderName::from_bytes(name.as_bytes()).map_err(|_| format!("{name:?} is no header name"))?;
        headers.insert(known, value(name, text)?);
    }
    Ok(headers)
}

impl Fetch for Http {
    async fn fetch(&mut self, seen: Option<&str>, most: usize) -> Result<Option<Fetched>, SourceError> {
        let mut answer = self.ask(seen).await?;
        if answer.status() == StatusCode::UNAUTHORIZED && self.oauth.as_mut().is_some_and(Oauth::forget) {
            // The token may have been withdrawn before its time: once more, with a new one.
            answer = self.ask(seen).await?;
        }
        match answer.status() {
            StatusCode::NOT_MODIFIED => Ok(None),
            status if status.is_success() => self.read(answer, most).await.map(Some),
            status => Err(self.refused(status, answer.headers())),
        }
    }
}

/// Nothing secret.
impl fmt::Debug for Http {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Http").field("url", &self.shown).finish_non_exhaustive()
    }
}

impl Http {
    /// Asks `url` of a vendor for JSON, with the options that every HTTP source has (`authHeader`, `headers`, `certPath`,
    /// `timeoutS`, `oauth`), and `headers` where these say nothing; also tells when to ask (`interval`, `intervalSeed`).
    ///
    /// # Errors
    /// `url` or an option cannot be used.
    pub fn of_vendor(
        origin: &Origin,
        url: &str,
        headers: HeaderMap,
    ) -> Result<(Self, Schedule), OriginError> {
        Self::new(origin, url, headers, Some(Format::Json))
    }

    fn new(
        origin: &Origin,
        url: &str,
        mut under: HeaderMap,
        format: Option<Format>,
    ) -> Result<(Self, Schedule), OriginError> {
        let options: Options = origin.options()?;
        let wrong = |what: String| OriginError(format!("source {origin}: {what}"));
        let parsed = Url::parse(url).map_err(|error| wrong(format!("not a URL: {error}")))?;
        let over = headers(&options).map_err(wrong)?;
        let credentials =
            !over.is_empty() || !under.is_empty() || options.oauth.is_some() || !parsed.username().is_empty();
        for (name, value) in &over {
            under.insert(name, value.clone());
        }
        let client = client::build(options.cert_path.as_deref(), credentials).map_err(wrong)?;
        let interval = options.interval.filter(|seconds| *seconds > 0).map_or(INTERVAL, Duration::from_secs);
        let timeout = options.timeout.filter(|seconds| *seconds > 0).map_or(TIMEOUT, Duration::from_secs);
        let oauth = options.oauth.map(|oauth| Oauth::new(oauth, client.clone(), timeout));
        let oauth = oauth.transpose().map_err(wrong)?;
        let shown = redacted(url).into_owned();
        let schedule = Schedule::of(interval, options.interval_seed.as_deref());
        Ok((
            Self { url: parsed, shown, headers: under, timeout, client, oauth, format, dates: None },
            schedule,
        ))
    }

    /// The same for a server that tells versions by date and not by ETag. Versions are named by `exact`, the header with a time
    /// that is more exact than `Last-Modified`.
    #[must_use]
    pub fn by_date(self, exact: HeaderName) -> Self {
        Self { dates: Some(Dates::new(exact)), ..self }
    }

    /// The client behind it, which trusts what the options say, for whatever else a vendor is told or asked.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// The headers of every request, credentials included.
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// How long a request may take.
    pub fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Asks another URL of the same server, with the same credentials, for something that is read as it comes: only the head
    /// of the answer is bounded in time. The status may be any.
    ///
    /// # Errors
    /// There is no answer.
    pub async fn open(&mut self, url: Url) -> Result<Response, SourceError> {
        let shown = redacted(url.as_str()).into_owned();
        let mut request = self.client.get(url);
        if let Some(token) = self.token().await? {
            request = request.header(AUTHORIZATION, token);
        }
        let answer = tokio::time::timeout(self.timeout, request.headers(self.headers.clone()).send()).await;
        let answer = answer.map_err(|_| failed(&shown, format!("no answer within {:?}", self.timeout)))?;
        answer.map_err(|error| failed(&shown, client::said(error)))
    }

    async fn token(&mut self) -> Result<Option<HeaderValue>, SourceError> {
        let Some(oauth) = &mut self.oauth else { return Ok(None) };
        oauth.token().await.map(Some).map_err(|what| failed(&self.shown, what))
    }

    async fn ask(&mut self, seen: Option<&str>) -> Result<Response, SourceError> {
        let mut request = self.client.get(self.url.clone()).timeout(self.timeout);
        if let Some(token) = self.token().await? {
            request = request.header(AUTHORIZATION, token);
        }
        if !self.headers.contains_key(ACCEPT) {
            request = request.header(ACCEPT, "application/json, application/yaml");
        }
        let condition = match &mut self.dates {
            Some(dates) => dates.condition(seen).map(|date| (IF_MODIFIED_SINCE, date)),
            None => seen.and_then(|etag| Some((IF_NONE_MATCH, HeaderValue::from_str(etag).ok()?))),
        };
        if let Some((name, value)) = condition {
            request = request.header(name, value);
        }
        let answer = request.headers(self.headers.clone()).send().await;
        answer.map_err(|error| failed(&self.shown, client::said(error)))
    }

    /// Reads the body, and stops at the first piece beyond `most`.
    async fn read(&mut self, mut answer: Response, most: usize) -> Result<Fetched, SourceError> {
        let format = self.format(answer.headers()).map_err(|what| failed(&self.shown, what))?;
        let revision = match &mut self.dates {
            Some(dates) => dates.remember(answer.headers()),
            None => answer.headers().get(ETAG).and_then(|etag| etag.to_str().ok()).map(str::to_owned),
        };
        let mut bytes = Vec::new();
        while let Some(piece) =
            answer.chunk().await.map_err(|error| failed(&self.shown, client::said(error)))?
        {
            bytes.extend_from_slice(&piece);
            if bytes.len() > most {
                break;
            }
        }
        Ok(Fetched { bytes, format, revision })
    }

    /// The path's extension decides, and where it has none the media type.
    fn format(&self, headers: &HeaderMap) -> Result<Format, String> {
        if let Some(format) = self.format {
            return Ok(format);
        }
        Format::of_path(self.url.path()).or_else(|unknown| {
            let Some(media_type) = headers.get(CONTENT_TYPE) else { return Err(unknown) };
            Format::of_media_type(&String::from_utf8_lossy(media_type.as_bytes()))
        })
    }

    fn refused(&self, status: StatusCode, headers: &HeaderMap) -> SourceError {
        let hint = match status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                "; check authHeader, headers or oauth of this source"
            }
            StatusCode::NOT_FOUND => "; check the URL's path",
            _ => "",
        };
        let (what, retry) = (format!("the server answered {status}{hint}"), retry_after(headers));
        SourceError { what, place: self.shown.clone(), retry }
    }
}

/// When a server that refuses wants to be asked again.
pub(super) fn retry_after(headers: &HeaderMap) -> Retry {
    let rest = headers.get(RETRY_AFTER).and_then(|seconds| seconds.to_str().ok()?.trim().parse().ok());
    match rest {
        Some(seconds) => Retry::After(Duration::from_secs(seconds).min(LONGEST_REST)),
        None => Retry::Backoff,
    }
}

fn failed(place: &str, what: String) -> SourceError {
    SourceError { what, place: place.to_owned(), retry: Retry::Backoff }
}
