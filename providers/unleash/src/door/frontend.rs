//! The frontend API: all flags that are on for a context, each with its variant.

use std::collections::HashMap;

use reqwest::Url;
use serde::Serialize;
use serde_json::{Map, Value};
use unleash_types::client_features::Context;
use unleash_yggdrasil::state::EnrichedContext;

use super::{Door, Token};
use crate::rules::rfc3339;

/// The most attributes of a context.
const MOST: usize = 1_000;

/// A flag that is on.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Toggle<'d> {
    name: &'d str,
    enabled: bool,
    variant: Variant<'d>,
    impression_data: bool,
}

#[derive(Debug, Serialize)]
struct Variant<'d> {
    name: &'d str,
    enabled: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload: Option<Payload<'d>>,
    feature_enabled: bool,
    #[serde(rename = "featureEnabled")]
    feature_enabled_too: bool,
}

#[derive(Debug, Serialize)]
struct Payload<'d> {
    #[serde(rename = "type")]
    kind: &'d str,
    value: &'d str,
}

impl Door {
    /// The flags that are on for `context` at `now`, a time in Unix seconds, which is what counts as the current time whatever
    /// the context says.
    pub fn toggles(&self, token: &Token, mut context: Context, now: u64) -> Vec<Toggle<'_>> {
        context.current_time = Some(rfc3339(now));
        if context.environment.is_none() {
            context.environment = Some(token.environment.clone());
        }
        self.seen_by(token).filter_map(|flag| self.toggle(flag, &context)).collect()
    }

    fn toggle<'d>(&'d self, flag: &'d super::Served, context: &Context) -> Option<Toggle<'d>> {
        let toggle = self.state.toggle(&flag.name)?;
        let enriched = EnrichedContext::from(context, &flag.name, None);
        let decision = self.state.decide(toggle, &enriched, &mut engine::Watch::default());
        let payload = |(kind, value)| Payload { kind, value };
        decision.enabled.then(|| Toggle {
            name: &flag.name,
            enabled: true,
            variant: Variant {
                name: decision.variant.map_or("disabled", |drawn| drawn.name),
                enabled: decision.variant.is_some(),
                payload: decision.variant.and_then(|drawn| drawn.payload).map(payload),
                feature_enabled: true,
                feature_enabled_too: true,
            },
            impression_data: flag.impression_data,
        })
    }
}

/// The context of a query, such as `userId=7&properties[region]=eu&plan=pro`; what is not known is a property.
pub fn context_of_query(query: &str) -> Option<Context> {
    // Any address will do to have the query taken apart.
    let url = Url::parse(&format!("http://localhost/?{query}")).ok()?;
    let (mut root, mut properties) = (Map::new(), Map::new());
    for (key, value) in url.query_pairs().take(MOST) {
        match key.strip_prefix("properties[").and_then(|rest| rest.strip_suffix(']')) {
            Some(name) => properties.insert(name.to_owned(), value.into()),
            None => root.insert(key.into_owned(), value.into()),
        };
    }
    root.insert("properties".to_owned(), Value::Object(properties));
    context(root)
}

/// The context of a body, `{"context": {...}}`.
pub fn context_of_json(body: &[u8]) -> Option<Context> {
    if body.trim_ascii().is_empty() {
        return context(Map::new());
    }
    context(serde_json::from_slice(body).ok()?)
}

fn context(root: Map<String, Value>) -> Option<Context> {
    let mut context: Context = serde_json::from_value(Value::Object(root)).ok()?;
    let empty = |text: &Option<String>| text.as_deref() == Some("");
    for field in [
        &mut context.user_id,
        &mut context.session_id,
        &mut context.environment,
        &mut context.app_name,
        &mut context.remote_address,
    ] {
        if empty(field) {
            *field = None;
        }
    }
    context.properties.get_or_insert_with(HashMap::new);
    Some(context)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contexts() {
        let context =
            context_of_query("userId=7&properties[region]=eu&plan=a%20b&sessionId=").expect("a context");
        let properties = context.properties.expect("properties");
        assert_eq!((context.user_id.as_deref(), context.session_id), (Some("7"), None));
        assert_eq!((properties["region"].as_str(), properties["plan"].as_str()), ("eu", "a b"));
        let context = context_of_json(br#"{"context": {"userId": "7", "properties": {"age": 18}}}"#)
            .expect("a context");
        assert_eq!(context.properties.expect("properties")["age"], "18");
        assert!(context_of_json(b"").is_some());
        assert!(context_of_json(b"[").is_none());
    }
}
