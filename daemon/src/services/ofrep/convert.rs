//! The engine's answers as OFREP bodies: flagd's key order, put together from text that was rendered at load (contract 4.3).

use engine::{Flag, Metadata, Resolution};
use http::StatusCode;

use crate::ask::{Outcome, Refusal};
use crate::services::replies::{self, Place};

/// What a selector adds to metadata.
pub(super) type Reflection<'r> = Option<(&'static str, &'r str)>;

/// Writes the object for one evaluation, and tells the status that it has when it is the whole body.
pub(super) fn evaluation(out: &mut Vec<u8>, outcome: &Outcome<'_>, reflection: Reflection<'_>) -> StatusCode {
    let resolution = match outcome.result {
        Ok(resolution) => resolution,
        Err(refusal) => return failure(out, outcome, refusal, reflection),
    };
    let place = replies::place::<Evaluated>(outcome, reflection.map(|(name, _)| name));
    if let Some(reply) = place.and_then(Place::reply) {
        out.extend_from_slice(&reply.bytes);
        return StatusCode::OK;
    }
    let start = out.len();
    success(out, outcome, &resolution, reflection);
    if let Some(place) = place {
        place.keep(&out[start..]);
    }
    StatusCode::OK
}

/// The form of such an object.
struct Evaluated;

fn success(
    out: &mut Vec<u8>,
    outcome: &Outcome<'_>,
    resolution: &Resolution<'_>,
    reflection: Reflection<'_>,
) {
    out.push(b'{');
    if let Some(variant) = resolution.variant {
        text(out, "\"value\":");
        text(out, variant.json());
        out.push(b',');
    }
    text(out, "\"key\":");
    string(out, outcome.key);
    text(out, ",\"reason\":\"");
    text(out, resolution.reason.as_str());
    out.push(b'"');
    if let Some(variant) = resolution.variant {
        text(out, ",\"variant\":");
        string(out, variant.name());
    }
    text(out, ",\"metadata\":");
    metadata(out, outcome.flag.map(Flag::metadata), resolution.metadata, reflection);
    out.push(b'}');
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
        Refusal::TargetingKeyMissing => {
            let details = format!("the flag `{key}` needs a targetingKey in the context");
            (StatusCode::BAD_REQUEST, "TARGETING_KEY_MISSING", details)
        }
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
    metadata(out, flag.map(Flag::metadata), None, reflection);
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
    metadata(out, None, None, reflection);
    text(out, ",\"eventStreams\":[{\"type\":\"sse\",\"endpoint\":{\"requestUri\":");
    string(out, events);
    text(out, "},\"inactivityDelaySec\":");
    text(out, &idle_seconds.to_string());
    text(out, "}]}");
}

/// The flag's metadata, with what the answer adds to it, over what the selector reflects (contract 3.10).
fn metadata(
    out: &mut Vec<u8>,
    metadata: Option<&Metadata>,
    more: Option<&Metadata>,
    reflection: Reflection<'_>,
) {
    let none = Metadata::default();
    let metadata = metadata.unwrap_or(&none);
    let reflection = reflection.filter(|(name, _)| metadata.with(more).all(|(key, _)| key != *name));
    if reflection.is_none() && more.is_none() {
        text(out, if metadata.entries().is_empty() { "{}" } else { metadata.json() });
        return;
    }
    let mut reflected = reflection.into_iter().peekable();
    out.push(b'{');
    let start = out.len();
    for (key, value) in metadata.with(more) {
        if let Some((name, text)) = reflected.next_if(|(name, _)| *name < key) {
            separate(out, start);
            reflect(out, name, text);
        }
        separate(out, start);
        member(out, key, value);
    }
    if let Some((name, text)) = reflected.next() {
        separate(out, start);
        reflect(out, name, text);
    }
    out.push(b'}');
}

fn separate(out: &mut Vec<u8>, start: usize) {
    if out.len() > start {
        out.push(b',');
    }
}

fn reflect(out: &mut Vec<u8>, name: &str, value: &str) {
    string(out, name);
    out.push(b':');
    string(out, value);
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
