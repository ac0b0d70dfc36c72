//! The engine's answers as OFREP bodies: flagd's key order, put together from text that was rendered at load (contract 4.3).

use engine::{Flag, Metadata};
use http::StatusCode;

use crate::ask::{Outcome, Refusal};

/// What a selector adds to metadata.
pub(super) type Reflection<'r> = Option<(&'static str, &'r str)>;

/// Writes the object for one evaluation, and tells the status that it has when it is the whole body.
pub(super) fn evaluation(out: &mut Vec<u8>, outcome: &Outcome<'_>, reflection: Reflection<'_>) -> StatusCode {
    let Outcome { key, flag, result } = *outcome;
    let resolution = match result {
        Ok(resolution) => resolution,
        Err(refusal) => return failure(out, outcome, refusal, reflection),
    };
    out.push(b'{');
    if let Some(variant) = resolution.variant {
        text(out, "\"value\":");
        text(out, variant.json());
        out.push(b',');
    }
    text(out, "\"key\":");
    string(out, key);
    text(out, ",\"reason\":\"");
    text(out, resolution.reason.as_str());
    out.push(b'"');
    if let Some(variant) = resolution.variant {
        text(out, ",\"variant\":");
        string(out, variant.name());
    }
    text(out, ",\"metadata\":");
    metadata(out, flag.map(Flag::metadata), reflection);
    out.push(b'}');
    StatusCode::OK
}

fn failure(
    out: &mut Vec<u8>,
    outcome: &Outcome<'_>,
    refusal: Refusal<'_>,
    reflection: Reflection<'_>,
) -> StatusCode {
    let Outcome { key, flag, .. } = *outcome;
    let (status, code, details) = match refusal {
        Refusal::NotFound => {
            (StatusCode::NOT_FOUND, "FLAG_NOT_FOUND", format!("flag `{key}` does not exist"))
        }
        Refusal::Parse => (StatusCode::BAD_REQUEST, "PARSE_ERROR", format!("error parsing the flag `{key}`")),
        // flagd has no code for a wrong type here; any value is welcome, so that only `null` has one (contract 3.7).
        Refusal::TypeMismatch(_) | Refusal::UnknownVariant => {
            (StatusCode::BAD_REQUEST, "GENERAL", "error processing the flag for evaluation".to_owned())
        }
    };
    text(out, "{\"key\":");
    string(out, key);
    text(out, ",\"errorCode\":\"");
    text(out, code);
    text(out, "\",\"errorDetails\":");
    string(out, &details);
    text(out, ",\"metadata\":");
    metadata(out, flag.map(Flag::metadata), reflection);
    out.push(b'}');
    status
}

/// Writes the body of a request that was refused before any evaluation; bulk requests have no key.
pub(super) fn refusal(out: &mut Vec<u8>, key: Option<&str>, code: &str, details: &str) {
    out.push(b'{');
    if let Some(key) = key {
        text(out, "\"key\":");
        string(out, key);
        out.push(b',');
    }
    text(out, "\"errorCode\":\"");
    text(out, code);
    text(out, "\",\"errorDetails\":");
    string(out, details);
    text(out, ",\"metadata\":null}");
}

/// Writes the end of a bulk body: what the selector reflects, and where to learn of changes.
pub(super) fn bulk_end(out: &mut Vec<u8>, reflection: Reflection<'_>, events: &str, idle_seconds: u64) {
    text(out, "],\"metadata\":");
    metadata(out, None, reflection);
    text(out, ",\"eventStreams\":[{\"type\":\"sse\",\"endpoint\":{\"requestUri\":");
    string(out, events);
    text(out, "},\"inactivityDelaySec\":");
    text(out, &idle_seconds.to_string());
    text(out, "}]}");
}

/// The flag's metadata over what the selector reflects (contract 3.10).
fn metadata(out: &mut Vec<u8>, metadata: Option<&Metadata>, reflection: Reflection<'_>) {
    let entries = metadata.map(Metadata::entries).unwrap_or_default();
    let json = metadata.map(Metadata::json).filter(|_| !entries.is_empty()).unwrap_or("{}");
    match reflection {
        Some((name, value)) if entries.iter().all(|(key, _)| **key != *name) => {
            let at = entries.partition_point(|(key, _)| **key < *name);
            let (before, after) = entries.split_at(at);
            out.push(b'{');
            for (key, value) in before {
                member(out, key, value);
                out.push(b',');
            }
            string(out, name);
            out.push(b':');
            string(out, value);
            for (key, value) in after {
                out.push(b',');
                member(out, key, value);
            }
            out.push(b'}');
        }
        _ => text(out, json),
    }
}

fn member(out: &mut Vec<u8>, key: &str, value: &serde_json::Value) {
    string(out, key);
    out.push(b':');
    let mut json = String::new();
    engine::write_json(value, &mut json);
    text(out, &json);
}

pub(super) fn text(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(text.as_bytes());
}

/// Writes a JSON string.
pub(super) fn string(out: &mut Vec<u8>, text: &str) {
    // Neither text nor writing to memory can fail.
    let _ = serde_json::to_writer(out, text);
}
