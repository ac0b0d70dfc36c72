//! Flags made of a document, and asked.

#![allow(dead_code, unreachable_pub, clippy::expect_used, reason = "a module of several test binaries")]

use std::path::PathBuf;
use std::sync::Arc;

use engine::{Bump, Context, Options, Question, Selector, Snapshot, Type, Value};
use hoist_provider_unleash::reader::ClientFeatures;
use hoist_provider_unleash::rules::Settings;
use serde_json::{Map, Value as Json, json};
use store::{Reader, Reading};

/// The flags of `document`.
pub fn flags(document: &str) -> Snapshot {
    let reader = ClientFeatures::new(Settings::default(), None);
    let (source, options) = (Arc::from("unleash"), Options::default());
    let reading =
        Reading { text: document, source: &source, options: &options, previous: None, flag_set: None };
    let compiled = reader.read(&reading).expect("a document");
    Snapshot::fold([&compiled.layer], 1)
}

/// What a flag answers in two words: whether it is on, and the variant with its value; `null` if there is none.
pub fn answers(snapshot: &Snapshot, key: &str, context: &Json, now: u64) -> (bool, Json) {
    let Some(flag) = snapshot.find(&Selector::Any, key) else { return (false, json!(null)) };
    let bump = Bump::new();
    let attributes = attributes(context);
    let attributes: Vec<(&str, Value<'_>)> =
        attributes.iter().map(|(name, value)| (name.as_str(), Value::from_json(value, &bump))).collect();
    let context = Context::new(&attributes);
    let ask = |want| Question { want, context: &context, now, bump: &bump, bulk: false };
    let question = ask(Type::Bool);
    let on = flag.answer(&question, &mut ()).expect("an answer").variant.expect("on or off");
    let question = ask(Type::Any);
    let any = flag.answer(&question, &mut ()).expect("an answer");
    let variant = any.variant.filter(|variant| !["on", "off"].contains(&variant.name()));
    let said = variant.map_or(json!(null), |variant| json!([variant.name(), variant.value()]));
    (on.value() == &json!(true), said)
}

/// An Unleash context as an OpenFeature one: its properties stand beside the rest.
fn attributes(context: &Json) -> Map<String, Json> {
    let mut attributes = context.as_object().cloned().unwrap_or_default();
    if let Some(Json::Object(properties)) = attributes.remove("properties") {
        attributes.extend(properties);
    }
    attributes
}

/// A variant as the server writes it, in the words of [`answers`].
pub fn expected(variant: &Json) -> Json {
    if variant["enabled"] != json!(true) {
        return json!(null);
    }
    let text = variant["payload"]["value"].as_str();
    let value = match (variant["payload"]["type"].as_str(), text) {
        (_, None) => variant["name"].clone(),
        (Some("json"), Some(text)) => serde_json::from_str(text).expect("JSON"),
        (Some("number"), Some(text)) => serde_json::from_str(text).expect("a number"),
        (_, Some(text)) => json!(text),
    };
    json!([variant["name"], value])
}

/// A folder of recordings or conformance data, if it is there.
pub fn shared(path: &str) -> Option<PathBuf> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared").join(path);
    folder.is_dir().then_some(folder)
}

pub fn read(path: PathBuf) -> Json {
    let text = std::fs::read_to_string(&path).expect("a file");
    serde_json::from_str(&text).expect("JSON")
}
