//! `incrementalUpdates`: a payload replaces only the flag sets that it mentions (contract 6.7).

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::{Map, Value};

/// All flags of the payloads so far, each with its flag set.
#[derive(Debug, Default)]
pub(super) struct Increments {
    flags: BTreeMap<String, (Option<String>, Value)>,
}

#[derive(Deserialize)]
struct Payload {
    #[serde(default)]
    flags: Map<String, Value>,
    #[serde(default)]
    metadata: Map<String, Value>,
}

impl Increments {
    /// The whole document as it is with `payload` applied.
    ///
    /// # Errors
    /// The payload is not a document whose flags are an object.
    pub(super) fn apply(&mut self, payload: &[u8]) -> Result<Vec<u8>, String> {
        // By way of an object: a list of the fields' values would do for a `Payload` too.
        let object: Map<String, Value> =
            serde_json::from_slice(payload).map_err(|error| error.to_string())?;
        let payload = Payload::deserialize(Value::Object(object)).map_err(|error| error.to_string())?;
        let common = flag_set(&payload.metadata);
        let flags: Vec<_> = payload
            .flags
            .into_iter()
            .map(|(key, mut flag)| {
                let set = inherit(&mut flag, &payload.metadata).or_else(|| common.clone());
                (key, (set, flag))
            })
            .collect();
        let mentioned: BTreeSet<_> =
            flags.iter().map(|(_, (set, _))| set.clone()).chain(common.map(Some)).collect();
        self.flags.retain(|_, (set, _)| !mentioned.contains(set));
        self.flags.extend(flags);
        let flags: Map<String, Value> =
            self.flags.iter().map(|(key, (_, flag))| (key.clone(), flag.clone())).collect();
        serde_json::to_vec(&serde_json::json!({ "flags": flags })).map_err(|error| error.to_string())
    }
}

fn flag_set(metadata: &Map<String, Value>) -> Option<String> {
    metadata.get("flagSetId").and_then(Value::as_str).map(str::to_owned)
}

/// Gives a flag the metadata of its payload, which later payloads will not carry, and tells its flag set.
fn inherit(flag: &mut Value, common: &Map<String, Value>) -> Option<String> {
    let flag = flag.as_object_mut()?;
    if common.is_empty() {
        return flag.get("metadata").and_then(Value::as_object).and_then(flag_set);
    }
    let own = flag.entry("metadata").or_insert_with(|| Value::Object(Map::new())).as_object_mut()?;
    for (name, value) in common {
        own.entry(name.clone()).or_insert_with(|| value.clone());
    }
    flag_set(own)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_payload_replaces_the_sets_it_mentions() {
        let flag = |set: &str| json!({"state": "ENABLED", "metadata": {"flagSetId": set}});
        let mut all = Increments::default();
        let keys = |all: &mut Increments, payload: Value| {
            let bytes = all.apply(payload.to_string().as_bytes()).expect("a good payload");
            let document: Value = serde_json::from_slice(&bytes).expect("JSON");
            document["flags"].as_object().expect("an object").keys().cloned().collect::<Vec<_>>()
        };
        assert_eq!(keys(&mut all, json!({"flags": {"a": flag("x"), "b": flag("y")}})), ["a", "b"]);
        assert_eq!(keys(&mut all, json!({"flags": {"c": flag("x")}})), ["b", "c"]);
        assert_eq!(keys(&mut all, json!({"metadata": {"flagSetId": "y"}, "flags": {}})), ["c"]);
        assert_eq!(keys(&mut all, json!({"metadata": {"flagSetId": "z"}, "flags": {"d": {}}})), ["c", "d"]);
        assert_eq!(
            keys(&mut all, json!({"flags": {"e": {}}})),
            ["c", "d", "e"],
            "flags of no set are a set too"
        );
        assert_eq!(keys(&mut all, json!({"flags": {"f": {}}})), ["c", "d", "f"]);
        assert!(all.apply(b"[]").is_err());
    }
}
