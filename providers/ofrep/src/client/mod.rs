//! The protocol: questions out, answers in. Nothing is kept but what the kit's client keeps, the server's wish to be left
//! alone for a while.

mod body;
mod said;

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use http::header::{
    ACCEPT, AUTHORIZATION, CONTENT_TYPE, ETAG, HeaderMap, HeaderName, HeaderValue, IF_NONE_MATCH,
};
use http::{Method, StatusCode};
use kit::http::reqwest::{RequestBuilder, Url};
use kit::http::{HttpError, Response, Settings, retry_after};
use open_feature::EvaluationContext;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::fault::Fault;
use crate::model::{BulkEvaluation, Evaluation, EventStream, Notice};
use crate::options::{Options, OptionsError};

/// How long connecting may take.
const CONNECT: Duration = Duration::from_secs(5);
/// What a flag's key may hold in a path as it is.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// A client of one server.
pub(crate) struct Client {
    http: kit::http::Client,
    /// Ends in a slash.
    base: Url,
    /// Sent to the server alone, and to nobody its event streams may name.
    headers: HeaderMap,
    context: EvaluationContext,
    text_attributes: bool,
    require_targeting_key: bool,
}

/// All flags, and where to hear of changes.
pub(crate) struct Bulk {
    pub(crate) evaluation: BulkEvaluation,
    pub(crate) etag: Option<HeaderValue>,
}

impl Client {
    pub(crate) fn new(options: &Options) -> Result<Self, OptionsError> {
        if options.timeout.is_zero() {
            return Err(OptionsError::Timeout("zero".to_owned()));
        }
        let settings = Settings {
            timeout: options.timeout,
            connect_timeout: options.timeout.min(CONNECT),
            body_limit: options.max_response_bytes,
            authority: options.cert_path.clone(),
            user_agent: concat!("hoist-ofrep/", env!("CARGO_PKG_VERSION")).to_owned(),
            ..Settings::default()
        };
        Ok(Self {
            base: base(&options.base_url)?,
            headers: headers(options)?,
            http: kit::http::Client::new(settings)
                .map_err(|error| OptionsError::Client(error.to_string()))?,
            context: options.context.clone(),
            text_attributes: options.text_attributes,
            require_targeting_key: options.require_targeting_key,
        })
    }

    /// What `context` is with the options' attributes under it.
    pub(crate) fn complete(&self, context: &EvaluationContext) -> EvaluationContext {
        let mut context = context.clone();
        context.merge_missing(&self.context);
        context
    }

    /// The body of a question under `context`, the same for the same attributes.
    pub(crate) fn body(&self, key: &str, context: &EvaluationContext) -> Result<Bytes, Fault> {
        if self.require_targeting_key && context.targeting_key.as_ref().is_none_or(String::is_empty) {
            return Err(Fault::Context(kit::error::targeting_key_missing(key)));
        }
        let attributes = kit::context_to_json(context).map_err(Fault::Context)?;
        let attributes: BTreeMap<_, _> = attributes
            .into_iter()
            .map(|(key, value)| (key, if self.text_attributes { body::as_text(value) } else { value }))
            .collect();
        let body = serde_json::to_vec(&BTreeMap::from([("context", attributes)]));
        body.map(Bytes::from).map_err(|error| Fault::Broken(format!("the context is no JSON: {error}")))
    }

    /// Asks for one flag.
    pub(crate) async fn one(&self, key: &str, context: &EvaluationContext) -> Result<Evaluation, Fault> {
        let body = self.body(key, &self.complete(context))?;
        let path = format!("ofrep/v1/evaluate/flags/{}", utf8_percent_encode(key, PLAIN));
        let Response { status, body, .. } = self.ask(self.post(&path, &[], body)?).await?;
        let parsed = serde_json::from_slice::<Evaluation>(&body);
        if status == StatusCode::OK {
            return parsed
                .map_err(|error| Fault::Broken(format!("the server's answer cannot be read: {error}")));
        }
        Err(said::refusal(status, parsed.ok(), &body))
    }

    /// Asks for all flags; `None` if they are those that `etag` stands for.
    pub(crate) async fn all(
        &self,
        body: Bytes,
        etag: Option<&HeaderValue>,
        notice: Option<&Notice>,
    ) -> Result<Option<Bulk>, Fault> {
        let query = notice.map(said::query).unwrap_or_default();
        let mut request = self.post("ofrep/v1/evaluate/flags", &query, body)?;
        if let Some(etag) = etag {
            request = request.header(IF_NONE_MATCH, etag);
        }
        let Response { status, headers, body } = self.ask(request).await?;
        if status == StatusCode::NOT_MODIFIED {
            return Ok(None);
        }
        if status != StatusCode::OK {
            return Err(said::refusal(status, serde_json::from_slice(&body).ok(), &body));
        }
        let unreadable = |what: String| Fault::Broken(format!("the server's answer cannot be read: {what}"));
        let evaluation: BulkEvaluation =
            serde_json::from_slice(&body).map_err(|error| unreadable(error.to_string()))?;
        if evaluation.flags.is_none() {
            return Err(unreadable("no `flags` in it".to_owned()));
        }
        Ok(Some(Bulk { evaluation, etag: headers.get(ETAG).cloned() }))
    }

    /// Where `stream` is, seen from the server.
    pub(crate) fn locate(&self, stream: &EventStream) -> Option<Url> {
        let url = match (&stream.url, &stream.endpoint) {
            (Some(url), _) => self.base.join(url),
            (None, Some(endpoint)) => {
                let origin = endpoint.origin.as_deref().map_or_else(|| Ok(self.base.clone()), Url::parse);
                origin.and_then(|origin| origin.join(&endpoint.request_uri))
            }
            (None, None) => return None,
        };
        url.ok().filter(|url| stream.kind == "sse" && matches!(url.scheme(), "http" | "https"))
    }

    /// Opens an event stream. Its body has no end, so only its head has a deadline.
    pub(crate) async fn open(
        &self,
        url: &Url,
        last_event: Option<&HeaderValue>,
    ) -> Result<kit::http::reqwest::Response, Fault> {
        let mut request = self.http.request(Method::GET, url.clone()).header(ACCEPT, "text/event-stream");
        if url.origin() == self.base.origin() {
            request = request.headers(self.headers.clone());
        }
        if let Some(id) = last_event {
            request = request.header(LAST_EVENT_ID, id);
        }
        let response = self.http.stream(request).await?;
        let kind = response.headers().get(CONTENT_TYPE);
        let is_stream = kind.is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream"));
        match response.status() {
            StatusCode::OK if is_stream => Ok(response),
            status => match retry_after(response.headers()) {
                Some(rest) => Err(Fault::Wait(rest)),
                None => {
                    Err(Fault::Broken(format!("the event stream's address answered {status}, no stream")))
                }
            },
        }
    }

    fn post(&self, path: &str, query: &[(&str, String)], body: Bytes) -> Result<RequestBuilder, Fault> {
        let mut url = self.base.join(path).map_err(|error| Fault::Broken(error.to_string()))?;
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let request = self.http.request(Method::POST, url).headers(self.headers.clone());
        Ok(request.header(CONTENT_TYPE, "application/json").header(ACCEPT, "application/json").body(body))
    }

    async fn ask(&self, request: RequestBuilder) -> Result<Response, Fault> {
        let response = self.http.send(request).await?;
        let busy = matches!(response.status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE);
        match retry_after(&response.headers).filter(|_| busy) {
            Some(rest) => Err(Fault::Wait(rest)),
            None => Ok(response),
        }
    }
}

impl From<HttpError> for Fault {
    fn from(error: HttpError) -> Self {
        match error {
            HttpError::Resting(rest) => Self::Wait(rest),
            HttpError::TooLarge { .. } => Self::Broken(format!("{error}: max_response_bytes")),
            _ => Self::Broken(error.to_string()),
        }
    }
}

fn base(text: &str) -> Result<Url, OptionsError> {
    let mut url = Url::parse(text).map_err(|error| OptionsError::BaseUrl(error.to_string()))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(OptionsError::BaseUrl(format!("scheme `{}`", url.scheme())));
    }
    url.set_query(None);
    url.set_fragment(None);
    let path = format!("{}/", url.path().trim_end_matches('/'));
    url.set_path(&path);
    Ok(url)
}

fn headers(options: &Options) -> Result<HeaderMap, OptionsError> {
    let mut headers = HeaderMap::new();
    for (name, value) in &options.headers {
        let failed = |why| OptionsError::Header(name.clone(), why);
        let parsed = HeaderName::try_from(name).map_err(|_| failed("is not the name of a header"))?;
        let mut value =
            HeaderValue::try_from(value).map_err(|_| failed("has a value that cannot be sent"))?;
        value.set_sensitive(true);
        headers.append(parsed, value);
    }
    if let Some(token) = &options.bearer_token {
        let mut value = HeaderValue::try_from(format!("Bearer {token}")).map_err(|_| OptionsError::Token)?;
        value.set_sensitive(true);
        headers.insert(AUTHORIZATION, value);
    }
    Ok(headers)
}
