//! The two requests that following takes: list, and watch.

use std::time::Duration;

use reqwest::header::{ACCEPT, AUTHORIZATION, HeaderValue, RETRY_AFTER};
use reqwest::redirect::Policy;
use reqwest::{RequestBuilder, Response, Url};

use super::cluster::{Cluster, Token};
use super::wire::Status;
use crate::sources::http::{LONGEST_REST, client::said};

/// How long connecting may take.
const CONNECT: Duration = Duration::from_secs(5);
/// How often a connection that carries nothing is tried.
const ALIVE: Duration = Duration::from_secs(20);
/// The largest complaint of a server that is read, and the largest token.
const LARGEST: usize = 64 << 10;

/// Asks one API server for one object.
pub(super) struct Client {
    http: reqwest::Client,
    url: Url,
    token: Token,
    timeout: Duration,
}

/// Why there is no answer that can be used.
pub(super) struct Failure {
    pub(super) what: String,
    pub(super) status: Option<u16>,
    /// How long the server wants to be left alone.
    pub(super) rest: Option<Duration>,
}

impl Client {
    /// # Errors
    /// The cluster's certificates cannot be used.
    pub(super) fn new(
        cluster: Cluster,
        namespace: &str,
        name: &str,
        timeout: Duration,
    ) -> Result<Self, String> {
        let mut url = cluster.server.clone();
        url.path_segments_mut()
            .map_err(|()| "the cluster's server is no http or https URL".to_owned())?
            .pop_if_empty()
            .extend(["apis", "core.openfeature.dev", "v1beta1", "namespaces", namespace, "featureflags"]);
        // Permissions that name the resource hold for lists and watches too if they select by name.
        url.query_pairs_mut().clear().append_pair("fieldSelector", &format!("metadata.name={name}"));
        let http = reqwest::Client::builder()
            .tls_backend_preconfigured(cluster.tls()?)
            .connect_timeout(CONNECT)
            .redirect(Policy::none())
            .tcp_keepalive(ALIVE)
            .http2_keep_alive_interval(ALIVE)
            .http2_keep_alive_timeout(CONNECT)
            .user_agent(concat!("hoistd/", env!("CARGO_PKG_VERSION")));
        Ok(Self { http: http.build().map_err(said)?, url, token: cluster.token, timeout })
    }

    /// The list that holds the object, if it is there; a few bytes more than `most` if it is larger.
    pub(super) async fn list(&self, most: usize) -> Result<Vec<u8>, Failure> {
        let request = self.http.get(self.url.clone()).timeout(self.timeout);
        let mut answer = self.send(request).await?;
        let mut bytes = Vec::new();
        while let Some(piece) = answer.chunk().await.map_err(|error| Failure::of(said(error)))? {
            bytes.extend_from_slice(&piece);
            if bytes.len() > most {
                break;
            }
        }
        Ok(bytes)
    }

    /// Events after `version`, for as long as `lasts`.
    pub(super) async fn watch(&self, version: &str, lasts: Duration) -> Result<Watch, Failure> {
        let mut url = self.url.clone();
        url.query_pairs_mut()
            .append_pair("watch", "1")
            .append_pair("allowWatchBookmarks", "true")
            .append_pair("resourceVersion", version)
            .append_pair("timeoutSeconds", &lasts.as_secs().to_string());
        let sent = tokio::time::timeout(self.timeout, self.send(self.http.get(url))).await;
        let answer =
            sent.unwrap_or_else(|_| Err(Failure::of(format!("no answer within {:?}", self.timeout))))?;
        Ok(Watch { answer, read: Vec::new(), searched: 0 })
    }

    async fn send(&self, request: RequestBuilder) -> Result<Response, Failure> {
        let mut request = request.header(ACCEPT, "application/json");
        if let Some(token) = self.token.read(LARGEST).await.map_err(Failure::of)? {
            let value = HeaderValue::from_str(&token);
            let mut value = value.map_err(|_| Failure::of("the token is no header value".to_owned()))?;
            value.set_sensitive(true);
            request = request.header(AUTHORIZATION, value);
        }
        let answer = request.send().await.map_err(|error| Failure::of(said(error)))?;
        if answer.status().is_success() { Ok(answer) } else { Err(complaint(answer).await) }
    }
}

/// What a server says that does not do as asked.
async fn complaint(mut answer: Response) -> Failure {
    let status = answer.status();
    let rest = answer.headers().get(RETRY_AFTER).and_then(|text| text.to_str().ok()?.trim().parse().ok());
    let mut bytes = Vec::new();
    while let Ok(Some(piece)) = answer.chunk().await {
        bytes.extend_from_slice(&piece);
        if bytes.len() > LARGEST {
            break;
        }
    }
    let said: Status = serde_json::from_slice(&bytes).unwrap_or_default();
    let message = if said.message.is_empty() { String::new() } else { format!(": {}", said.message) };
    Failure {
        what: format!("the API server answered {status}{message}"),
        status: Some(status.as_u16()),
        rest: rest.map(|seconds| Duration::from_secs(seconds).min(LONGEST_REST)),
    }
}

impl Failure {
    fn of(what: String) -> Self {
        Self { what, status: None, rest: None }
    }

    /// Whether the server no longer knows the version that was asked for.
    pub(super) fn is_gone(&self) -> bool {
        self.status == Some(410)
    }
}

/// A watch under way.
pub(super) struct Watch {
    answer: Response,
    read: Vec<u8>,
    /// How much of what was read has no end of a line.
    searched: usize,
}

/// What a watch brings.
pub(super) enum Lines {
    Line(Vec<u8>),
    /// A line has more bytes than it may.
    TooLong,
    End,
}

impl Watch {
    /// The next line of at most `most` bytes. Nothing is lost if the future is dropped.
    pub(super) async fn next(&mut self, most: usize) -> Result<Lines, String> {
        loop {
            let end = self.read[self.searched..].iter().position(|byte| *byte == b'\n');
            if let Some(end) = end.map(|end| self.searched + end) {
                let rest = self.read.split_off(end + 1);
                let mut line = std::mem::replace(&mut self.read, rest);
                self.searched = 0;
                line.pop();
                if line.trim_ascii().is_empty() {
                    continue;
                }
                return Ok(Lines::Line(line));
            }
            self.searched = self.read.len();
            if self.read.len() > most {
                return Ok(Lines::TooLong);
            }
            match self.answer.chunk().await.map_err(said)? {
                Some(piece) => self.read.extend_from_slice(&piece),
                None if self.read.trim_ascii().is_empty() => return Ok(Lines::End),
                None => return Err("the watch ended in the middle of an event".to_owned()),
            }
        }
    }
}
