//! `in-memory`: `HOIST_IN_MEMORY_FLAGS`, a JSON object of keys and values.

use super::Build;

#[cfg(feature = "in-memory")]
pub(super) const BUILD: Option<Build> = Some(|get| {
    use std::collections::BTreeMap;

    let text = get("HOIST_IN_MEMORY_FLAGS").unwrap_or_else(|| "{}".to_owned());
    let wrong = |why: String| format!("HOIST_IN_MEMORY_FLAGS: {why}");
    let values: BTreeMap<String, serde_json::Value> =
        serde_json::from_str(&text).map_err(|error| wrong(error.to_string()))?;
    let flags = in_memory::InMemory::new();
    for (key, value) in values {
        let value = kit::from_json(&value)
            .map_err(|error| wrong(format!("{key}: {}", error.message.unwrap_or_default())))?;
        flags.set(key, value);
    }
    Ok(flags.provider().erase())
});
#[cfg(not(feature = "in-memory"))]
pub(super) const BUILD: Option<Build> = None;
