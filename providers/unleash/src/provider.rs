//! The OpenFeature provider: flags evaluated here, or asked of the server's frontend API.

use std::time::Duration;

use kit::{Answer, Emitter, Provider, Resolver, Task, Type, error};
use local::{Keeping, Named};
use open_feature::{EvaluationContext, EvaluationError, EvaluationReason};
use serde_json::{Map, Value, json};
use store::Origin;
use unleash_types::client_features::Payload;

use crate::client::{Api, Failed};
use crate::options::{Options, OptionsError};
use crate::rules::payload_value;
use crate::source;

/// The provider's name.
pub const NAME: &str = "unleash";

/// How long until the server is tried again that could not be asked.
const RETRY: Duration = Duration::from_secs(5);

/// Resolves flags by evaluating them here.
pub type InProcess = local::InProcess<Unleash>;

/// Flags of Unleash.
#[derive(Debug)]
pub enum Unleash {}

impl Named for Unleash {
    const NAME: &'static str = NAME;
}

/// A provider that gets the definitions and evaluates them itself, as Unleash's own SDKs do. Must be called in a Tokio runtime.
///
/// # Errors
/// An option that cannot be used, or there is no runtime.
pub fn provider(options: &Options) -> Result<Provider<InProcess>, OptionsError> {
    let origin = options.origin()?;
    let source = source::build(&origin).map_err(|error| OptionsError(error.to_string()))?;
    let keeping = Keeping { last_known_good: options.last_known_good.as_deref(), stale_after: None };
    InProcess::provider((origin, source), keeping).map_err(|error| OptionsError(error.to_string()))
}

/// Resolves flags by asking the frontend API each time. It lists only the flags that are on, so that a flag that does not
/// exist is off and not an error.
#[derive(Debug)]
pub struct Remote {
    api: Api,
    emitter: Emitter,
    _task: Task,
}

/// A provider that has the server evaluate. The token must be one for the frontend API. Must be called in a Tokio runtime.
///
/// # Errors
/// An option that cannot be used, or there is no runtime.
pub fn remote(options: &Options) -> Result<Provider<Remote>, OptionsError> {
    let origin: Origin = options.origin()?;
    let (api, ..) =
        Api::open(&origin, &options.of_source()).map_err(|error| OptionsError(error.to_string()))?;
    let emitter = Emitter::new(NAME);
    let (asked, told) = (api.clone(), emitter.clone());
    let task = Task::spawn(async move {
        // Ready when the server has answered once; what comes later is told by each answer.
        while let Err(failed) = asked.post("/frontend", &json!({ "context": {} })).await {
            told.failed(failed.to_string());
            tokio::time::sleep(RETRY).await;
        }
        told.became_ready();
    })
    .map_err(|error| OptionsError(error.to_string()))?;
    Ok(Provider::new(Remote { api, emitter, _task: task }))
}

impl Resolver for Remote {
    const NAME: &'static str = NAME;

    async fn resolve(
        &self,
        key: &str,
        want: Type,
        context: &EvaluationContext,
    ) -> Result<Answer, EvaluationError> {
        let asked = unleash_context(kit::context_to_json(context)?);
        let answer = self.api.post("/frontend", &json!({ "context": asked })).await.map_err(|failed| {
            let message = format!("{NAME}: {failed}");
            match failed {
                Failed::Status(_) => error::general(message),
                Failed::Other(_) => {
                    self.emitter.became_stale(message.clone());
                    error::general(message)
                }
            }
        })?;
        self.emitter.became_ready();
        let toggles = answer["toggles"].as_array();
        let found = toggles.and_then(|toggles| toggles.iter().find(|toggle| toggle["name"] == key));
        answered(found, want)
    }

    fn events(&self) -> &Emitter {
        &self.emitter
    }
}

/// What a flag of the frontend API is to who wants `want`; without one it is off.
fn answered(toggle: Option<&Value>, want: Type) -> Result<Answer, EvaluationError> {
    let reason = EvaluationReason::Unknown;
    let Some(toggle) = toggle else {
        return Ok(match want {
            Type::Bool => Answer::new(false).variant("off").reason(EvaluationReason::Default),
            _ => Answer::default_stands(EvaluationReason::Default),
        });
    };
    let variant = &toggle["variant"];
    let name = variant["name"].as_str().filter(|_| variant["enabled"] == true);
    match (want, name) {
        (Type::Bool, name) => Ok(Answer::new(true).variant(name.unwrap_or("on")).reason(reason)),
        (_, None) => Ok(Answer::default_stands(EvaluationReason::Default)),
        (_, Some(name)) => {
            let payload: Option<Payload> = serde_json::from_value(variant["payload"].clone()).ok();
            let value = payload_value(payload.as_ref(), name).ok_or_else(|| {
                error::parse(format!("variant `{name}`: its payload is not what its type says"))
            })?;
            Ok(Answer::new(kit::from_json(&value)?).variant(name).reason(reason))
        }
    }
}

/// An OpenFeature context as the frontend API takes it: the targeting key is the user, what Unleash does not know by name is a
/// property, as text.
fn unleash_context(attributes: Map<String, Value>) -> Value {
    const KNOWN: [&str; 5] = ["userId", "sessionId", "environment", "appName", "remoteAddress"];
    let (mut root, mut properties) = (Map::new(), Map::new());
    let mut user = None;
    for (name, value) in attributes {
        let text = match value {
            Value::Null => continue,
            Value::String(text) => text,
            other => other.to_string(),
        };
        match name.as_str() {
            "targetingKey" => user = Some(text),
            known if KNOWN.contains(&known) => {
                root.insert(name, text.into());
            }
            _ => {
                properties.insert(name, text.into());
            }
        }
    }
    if let Some(user) = user {
        root.entry("userId").or_insert(user.into());
    }
    root.insert("properties".to_owned(), Value::Object(properties));
    Value::Object(root)
}
