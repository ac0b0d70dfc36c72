//! Flags that the server evaluates, asked each time: `identities/` with a targeting key, `flags/` without (contract 2.1).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use kit::http::reqwest::header::CONTENT_TYPE;
use kit::http::reqwest::{Method, StatusCode, Url};
use kit::http::{Client, HttpError, Response, Settings};
use kit::{Answer, Backoff, Emitter, Provider, Resolver, Task, Type, error};
use open_feature::{EvaluationContext, EvaluationError};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use super::NAME;
use super::answer::{OfIdentity, Said};
use crate::client::KEY;
use crate::mapping::Mapping;
use crate::options::{Options, OptionsError};

/// The attribute whose fields are traits as well, as Flagsmith's providers have it.
const TRAITS: &str = "traits";
/// How long until the server is tried again that could not be asked, at first and at most.
const RETRY: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(60)];

/// Resolves flags by asking the server.
#[derive(Debug)]
pub struct Remote {
    server: Server,
    mapping: Mapping,
    transient: bool,
    /// Whether it was said that a structure is no trait.
    warned: AtomicBool,
    emitter: Emitter,
    _task: Task,
}

/// Where to ask, and how.
#[derive(Clone, Debug)]
struct Server {
    base: Arc<str>,
    http: Client,
}

/// A provider that has the server evaluate. Must be called in a Tokio runtime.
///
/// # Errors
/// An option that cannot be used, or there is no runtime.
pub fn remote(options: &Options) -> Result<Provider<Remote>, OptionsError> {
    let server = Server::new(options)?;
    let emitter = Emitter::new(NAME);
    let (asked, told) = (server.clone(), emitter.clone());
    let task = Task::spawn(async move {
        let [first, longest] = RETRY;
        let mut backoff = Backoff::new(first, longest);
        // Ready when the server has answered once; what comes later is told by each answer.
        while let Err(why) = asked.is_there().await {
            told.failed(why);
            tokio::time::sleep(backoff.fail()).await;
        }
        told.became_ready();
    })
    .map_err(|error| OptionsError(error.to_string()))?;
    Ok(Provider::new(Remote {
        server,
        mapping: options.mapping(),
        transient: options.transient_identities,
        warned: AtomicBool::new(false),
        emitter,
        _task: task,
    }))
}

impl Server {
    fn new(options: &Options) -> Result<Self, OptionsError> {
        let wrong = |error: HttpError| OptionsError(error.to_string());
        // It says what is wrong with the address.
        options.origin()?;
        let mut settings = Settings {
            timeout: options.timeout,
            connect_timeout: options.timeout.min(Duration::from_secs(5)),
            authority: options.cert_path.clone(),
            user_agent: concat!("hoist-flagsmith/", env!("CARGO_PKG_VERSION")).to_owned(),
            ..Settings::default()
        };
        if let Some(key) = &options.environment_key {
            settings = settings.header(KEY, key).map_err(wrong)?;
        }
        let server = Self {
            base: options.url.trim_end_matches('/').into(),
            http: Client::new(settings).map_err(wrong)?,
        };
        server.url("flags/").map_err(|_| OptionsError("the url is none".to_owned()))?;
        Ok(server)
    }

    fn url(&self, path: &str) -> Result<Url, EvaluationError> {
        Url::parse(&format!("{}/{path}", self.base)).map_err(|error| error::general(error.to_string()))
    }

    /// Whether the server answers, and takes the key.
    async fn is_there(&self) -> Result<(), String> {
        let url = self.url("flags/").map_err(|error| error.message.unwrap_or_default())?;
        let answer = self.http.send(self.http.request(Method::GET, url)).await;
        match answer.map_err(|error| error.to_string())?.status {
            status if status.is_success() => Ok(()),
            status => Err(said(status)),
        }
    }
}

/// A status with what can be done about it.
fn said(status: StatusCode) -> String {
    let hint = match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => "; check the environment key",
        StatusCode::NOT_FOUND => "; check the url",
        _ => "",
    };
    format!("the server answered {status}{hint}")
}

impl Remote {
    /// What the environment says of one feature.
    async fn of_environment(&self, key: &str) -> Result<Said, EvaluationError> {
        let mut url = self.server.url("flags/")?;
        url.query_pairs_mut().append_pair("feature", key);
        let answer = self.server.http.send(self.server.http.request(Method::GET, url)).await;
        self.read(answer, key)
    }

    /// What an identity gets.
    async fn of_identity(
        &self,
        key: &str,
        identifier: &str,
        attributes: Map<String, Value>,
    ) -> Result<Said, EvaluationError> {
        let traits = self.traits(attributes);
        let body = json!({"identifier": identifier, "traits": traits, "transient": self.transient});
        let request = self.server.http.request(Method::POST, self.server.url("identities/")?);
        let request = request.header(CONTENT_TYPE, "application/json").body(body.to_string());
        let all: OfIdentity = self.read(self.server.http.send(request).await, key)?;
        let found = all.flags.into_iter().find(|said| said.feature.name == key);
        found.ok_or_else(|| error::not_found(key))
    }

    /// Attributes as traits: the fields of `traits` over the others.
    fn traits(&self, mut attributes: Map<String, Value>) -> Vec<Value> {
        if let Some(Value::Object(nested)) = attributes.get(TRAITS) {
            let nested = nested.clone();
            attributes.remove(TRAITS);
            attributes.extend(nested);
        }
        let traits = attributes.into_iter().filter_map(|(name, value)| {
            let value = match value {
                Value::Null => return None,
                structure @ (Value::Array(_) | Value::Object(_)) => {
                    if !self.warned.swap(true, Ordering::Relaxed) {
                        tracing::warn!(
                            attribute = name,
                            "flagsmith: a structure is no trait; its JSON text is"
                        );
                    }
                    structure.to_string().into()
                }
                value => value,
            };
            Some(json!({"trait_key": name, "trait_value": value, "transient": self.transient}))
        });
        traits.collect()
    }

    fn read<T: DeserializeOwned>(
        &self,
        answer: Result<Response, HttpError>,
        key: &str,
    ) -> Result<T, EvaluationError> {
        let failed = |what: &str| {
            self.emitter.became_stale(what.to_owned());
            error::general(format!("{NAME}: {what}"))
        };
        let answer = answer.map_err(|error| failed(&error.to_string()))?;
        match answer.status {
            status if status.is_success() => {
                self.emitter.became_ready();
                let unreadable = |why| error::general(format!("{NAME}: the answer cannot be read: {why}"));
                serde_json::from_slice(&answer.body).map_err(unreadable)
            }
            StatusCode::NOT_FOUND if is_about_the_feature(&answer.body) => Err(error::not_found(key)),
            status @ (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) => {
                let what = said(status);
                self.emitter.failed(what.clone());
                Err(error::fatal(format!("{NAME}: {what}")))
            }
            // The question is wrong, such as by a trait that is too long; the server is not.
            StatusCode::BAD_REQUEST => {
                Err(error::invalid_context(format!("{NAME}: {}", said(StatusCode::BAD_REQUEST))))
            }
            status => Err(failed(&said(status))),
        }
    }
}

/// Whether "not found" is said of the feature, and not of the address.
fn is_about_the_feature(body: &[u8]) -> bool {
    let said: Value = serde_json::from_slice(body).unwrap_or_default();
    said["detail"].as_str().is_some_and(|detail| detail.contains("feature"))
}

impl Resolver for Remote {
    const NAME: &'static str = NAME;

    async fn resolve(
        &self,
        key: &str,
        want: Type,
        context: &EvaluationContext,
    ) -> Result<Answer, EvaluationError> {
        let mut attributes = kit::context_to_json(context)?;
        let identifier = attributes.remove(kit::TARGETING_KEY);
        match identifier.as_ref().and_then(Value::as_str).filter(|identifier| !identifier.is_empty()) {
            Some(identifier) => {
                let said = self.of_identity(key, identifier, attributes).await?;
                said.answer(want, true, &self.mapping)
            }
            None => self.of_environment(key).await?.answer(want, false, &self.mapping),
        }
    }

    fn events(&self) -> &Emitter {
        &self.emitter
    }
}
