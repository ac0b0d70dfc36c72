//! Flags that the server evaluates, asked each time (contract 1.1).

use std::time::Duration;

use http::{HeaderName, Method, StatusCode};
use kit::http::reqwest::Url;
use kit::http::{Client, HttpError, Response, Settings};
use kit::{Answer, Emitter, Provider, Resolver, Task, Type, error};
use open_feature::{EvaluationContext, EvaluationError};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use super::NAME;
use super::answer::{Asked, Batch, Evaluation};
use crate::client::Api;
use crate::mapping::Values;
use crate::options::{Options, OptionsError, SourceOptions};
use crate::rules::Attributes;

/// How long until the server is tried again that could not be asked.
const RETRY: Duration = Duration::from_secs(5);
/// The most flags that are asked for at once.
const MOST_FLAGS: usize = 1_000;
/// What the server sees as the targeting key beside the entity: constraints can name it.
const TARGETING_KEY: &str = "targetingKey";

/// Resolves flags by asking the server.
#[derive(Debug)]
pub struct Remote {
    server: Server,
    namespace: String,
    values: Values,
    require_targeting_key: bool,
    emitter: Emitter,
    _task: Task,
}

/// Where to ask, and how.
#[derive(Clone, Debug)]
struct Server {
    api: Api,
    http: Client,
    environment: Option<String>,
}

/// What the server says that refuses.
#[derive(Default, Deserialize)]
struct Refusal {
    #[serde(default)]
    message: String,
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
        // Ready when the server has answered once; what comes later is told by each answer.
        while let Err(why) = asked.is_there().await {
            told.failed(why);
            tokio::time::sleep(RETRY).await;
        }
        told.became_ready();
    })
    .map_err(|error| OptionsError(error.to_string()))?;
    Ok(Provider::new(Remote {
        server,
        namespace: options.namespace.clone(),
        values: options.values,
        require_targeting_key: options.require_targeting_key,
        emitter,
        _task: task,
    }))
}

impl Server {
    fn new(options: &Options) -> Result<Self, OptionsError> {
        let origin = options.server()?;
        let wrong = |error: store::OriginError| OptionsError(error.to_string());
        let (api, ..) = Api::open(&origin, &SourceOptions::of(&origin).map_err(wrong)?).map_err(wrong)?;
        let mut settings = Settings {
            timeout: options.timeout,
            connect_timeout: options.timeout.min(Duration::from_secs(5)),
            authority: options.cert_path.clone(),
            user_agent: concat!("hoist-flipt/", env!("CARGO_PKG_VERSION")).to_owned(),
            ..Settings::default()
        };
        let wrong = |error: HttpError| OptionsError(error.to_string());
        if let Some(authorization) = options.authorization() {
            settings = settings.header("authorization", &authorization).map_err(wrong)?;
        }
        if let Some(environment) = &options.environment {
            settings = settings.header("x-flipt-environment", environment).map_err(wrong)?;
        }
        let http = Client::new(settings).map_err(wrong)?;
        Ok(Self { api, http, environment: options.environment.clone() })
    }

    /// Whether the server answers at all; what stands before it may not let everybody ask how it is.
    async fn is_there(&self) -> Result<(), String> {
        let answer = self.http.send(self.http.request(Method::GET, self.api.health())).await;
        match answer.map_err(|error| error.to_string())?.status {
            status if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS => {
                Err(format!("the server answered {status}"))
            }
            _ => Ok(()),
        }
    }

    async fn post(&self, url: Url, body: &Value) -> Result<Response, HttpError> {
        let request = self.http.request(Method::POST, url);
        let request = request.header(HeaderName::from_static("content-type"), "application/json");
        self.http.send(request.body(body.to_string())).await
    }
}

impl Remote {
    /// The answers for several flags of the namespace, in the order of `keys`, each of the type that it has; one request.
    ///
    /// # Errors
    /// The server does not answer, or `keys` are more than a thousand. That a flag does not exist is its own answer.
    pub async fn batch(
        &self,
        keys: &[&str],
        context: &EvaluationContext,
    ) -> Result<Vec<Result<Answer, EvaluationError>>, EvaluationError> {
        if keys.len() > MOST_FLAGS {
            return Err(error::general(format!("{NAME}: more than {MOST_FLAGS} flags at once")));
        }
        let questions = keys.iter().map(|key| self.question(key, context));
        let questions = questions.collect::<Result<Vec<_>, _>>()?;
        let requests: Vec<&Value> = questions.iter().map(|(_, body)| body).collect();
        let said: Batch = self.ask("batch", &json!({ "requests": requests }), None).await?;
        if said.responses.len() != keys.len() {
            return Err(error::general(format!(
                "{NAME}: the server answered other questions than were asked"
            )));
        }
        Ok(questions.iter().zip(&said.responses).map(|((asked, _), said)| asked.either(said)).collect())
    }

    /// A question as the server takes it. A key such as `shop/new-cart` names another namespace than the provider's.
    fn question<'a>(
        &'a self,
        key: &'a str,
        context: &EvaluationContext,
    ) -> Result<(Asked<'a>, Value), EvaluationError> {
        let (namespace, key) = key.split_once('/').unwrap_or((&self.namespace, key));
        let attributes = kit::context_to_json(context)?;
        let entity = attributes.get(TARGETING_KEY).and_then(Value::as_str).unwrap_or_default();
        if self.require_targeting_key && entity.is_empty() {
            return Err(error::targeting_key_missing(key));
        }
        // The server takes nothing but text.
        let texts: Map<String, Value> = attributes
            .keys()
            .filter_map(|name| Some((name.clone(), Attributes::get(&attributes, name)?.into_text().into())))
            .collect();
        let mut body =
            json!({"namespaceKey": namespace, "flagKey": key, "entityId": entity, "context": texts});
        if let Some(environment) = &self.server.environment {
            body["environmentKey"] = environment.as_str().into();
        }
        let environment = self.server.environment.as_deref();
        Ok((Asked { key, namespace, environment, values: self.values }, body))
    }

    async fn ask<T: DeserializeOwned>(
        &self,
        what: &str,
        body: &Value,
        key: Option<&str>,
    ) -> Result<T, EvaluationError> {
        let answer = match self.server.post(self.server.api.evaluate(what), body).await {
            Ok(answer) => answer,
            Err(failed) => {
                self.emitter.failed(failed.to_string());
                return Err(error::general(format!("{NAME}: {failed}")));
            }
        };
        if answer.status.is_success() {
            self.emitter.became_ready();
            let unreadable = |why| error::general(format!("{NAME}: the answer cannot be read: {why}"));
            return serde_json::from_slice(&answer.body).map_err(unreadable);
        }
        Err(self.refused(&answer, key.unwrap_or_default()))
    }

    /// A refusal as OpenFeature's; those that are not about the question are the provider's state too.
    fn refused(&self, answer: &Response, key: &str) -> EvaluationError {
        let said: Refusal = serde_json::from_slice(&answer.body).unwrap_or_default();
        let message = format!("{NAME}: the server answered {}: {}", answer.status, said.message);
        match answer.status {
            StatusCode::NOT_FOUND => error::not_found(key),
            StatusCode::BAD_REQUEST if said.message.contains("flag type") => error::unfit(message),
            StatusCode::BAD_REQUEST => error::invalid_context(message),
            _ => {
                self.emitter.failed(message.clone());
                error::general(message)
            }
        }
    }
}

impl Resolver for Remote {
    const NAME: &'static str = NAME;

    async fn resolve(
        &self,
        key: &str,
        want: Type,
        context: &EvaluationContext,
    ) -> Result<Answer, EvaluationError> {
        let (asked, body) = self.question(key, context)?;
        let what = if want == Type::Bool { "boolean" } else { "variant" };
        let said: Evaluation = self.ask(what, &body, Some(key)).await?;
        if want == Type::Bool { Ok(asked.boolean(&said)) } else { asked.variant(&said, Some(want)) }
    }

    fn events(&self) -> &Emitter {
        &self.emitter
    }
}
