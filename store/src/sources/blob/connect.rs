//! How object stores are spoken to: with this crate's own HTTP client, so that there is one TLS and one set of limits.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use http_body_util::BodyExt;
use object_store::ClientOptions;
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpResponseBody,
    HttpService,
};
use reqwest::header::RETRY_AFTER;
use reqwest::{Client, StatusCode, Url};

/// Sends requests, and remembers how the last one went: the store's own errors do not say.
#[derive(Clone, Debug)]
pub(super) struct Connector {
    client: Client,
    last: Arc<Mutex<Last>>,
}

/// How a request went.
#[derive(Clone, Debug, Default)]
pub(super) struct Last {
    /// Who was asked: the store, or whoever gives out credentials.
    pub(super) host: String,
    /// The status of the answer, if one came.
    pub(super) status: Option<StatusCode>,
    /// How long the server wants to be left alone.
    pub(super) rest: Option<Duration>,
}

impl Connector {
    pub(super) fn new(client: Client) -> Self {
        Self { client, last: Arc::default() }
    }

    /// How the last request went.
    pub(super) fn last(&self) -> Last {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn remember(&self, last: Last) {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = last;
    }
}

impl HttpConnector for Connector {
    fn connect(&self, _options: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(self.clone()))
    }
}

#[async_trait]
impl HttpService for Connector {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let (head, body) = request.into_parts();
        let url = Url::parse(&head.uri.to_string())
            .map_err(|error| HttpError::new(HttpErrorKind::Unknown, error))?;
        let host = url.host_str().unwrap_or_default().to_owned();
        let mut request = reqwest::Request::new(head.method, url);
        *request.headers_mut() = head.headers;
        *request.body_mut() =
            body.as_bytes().filter(|bytes| !bytes.is_empty()).map(|bytes| bytes.clone().into());
        self.remember(Last { host: host.clone(), ..Last::default() });
        let answer = self.client.execute(request).await.map_err(failed)?;
        let rest = answer.headers().get(RETRY_AFTER).and_then(|text| text.to_str().ok()?.trim().parse().ok());
        self.remember(Last { host, status: Some(answer.status()), rest: rest.map(Duration::from_secs) });
        let (head, body) = http::Response::<reqwest::Body>::from(answer).into_parts();
        Ok(HttpResponse::from_parts(head, HttpResponseBody::new(body.map_err(failed))))
    }
}

/// Without the URL: it may hold a signature.
fn failed(error: reqwest::Error) -> HttpError {
    let kind = match &error {
        error if error.is_timeout() => HttpErrorKind::Timeout,
        error if error.is_connect() => HttpErrorKind::Connect,
        _ => HttpErrorKind::Unknown,
    };
    HttpError::new(kind, error.without_url())
}
