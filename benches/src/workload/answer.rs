//! What is right.

use http::StatusCode;
use prost::Message;
use proto::flagd::evaluation::{v1, v2};
use serde_json::{Value, json};

use crate::load::Reply;

fn message(reply: &Reply) -> Result<&[u8], String> {
    let status = reply.trailers.get("grpc-status").or_else(|| reply.headers.get("grpc-status"));
    if status.is_none_or(|status| status != "0") {
        return Err(format!("grpc-status {status:?}"));
    }
    reply.body.get(5..).ok_or_else(|| "no message".to_owned())
}

fn resolved_v1(reply: &Reply) -> Result<(bool, String), String> {
    decoded(message(reply)?)
}

fn decoded(message: &[u8]) -> Result<(bool, String), String> {
    let answer = v1::ResolveBooleanResponse::decode(message).map_err(|error| error.to_string())?;
    Ok((answer.value, answer.variant))
}

pub(super) fn bare_on(reply: &Reply) -> Result<(), String> {
    expect(&decoded(&reply.body)?, &(true, "on".to_owned()))
}

pub(super) fn web_on(reply: &Reply) -> Result<(), String> {
    let length = reply.body.get(1..5).and_then(|length| length.try_into().ok()).map(u32::from_be_bytes);
    let end = length.map(|length| 5 + length as usize).ok_or("no message")?;
    let (message, trailers) = reply.body.get(5..end).zip(reply.body.get(end..)).ok_or("no whole message")?;
    expect(&String::from_utf8_lossy(trailers).contains("grpc-status: 0"), &true)?;
    expect(&decoded(message)?, &(true, "on".to_owned()))
}

pub(super) fn resolved_on(reply: &Reply) -> Result<(), String> {
    expect(&resolved_v1(reply)?, &(true, "on".to_owned()))
}

pub(super) fn resolved_off(reply: &Reply) -> Result<(), String> {
    expect(&resolved_v1(reply)?, &(false, "off".to_owned()))
}

/// Which share a user falls into is for the engine's own tests.
pub(super) fn resolved_some(reply: &Reply) -> Result<(), String> {
    let (value, variant) = resolved_v1(reply)?;
    expect(&value, &matches!(variant.as_str(), "on" | "red"))
}

pub(super) fn resolved_v2(reply: &Reply) -> Result<(), String> {
    let answer = v2::ResolveBooleanResponse::decode(message(reply)?).map_err(|error| error.to_string())?;
    expect(&(answer.value, answer.variant.as_deref()), &(Some(true), Some("on")))
}

fn parsed(reply: &Reply) -> Result<Value, String> {
    expect(&reply.status, &StatusCode::OK)?;
    serde_json::from_slice(&reply.body).map_err(|error| error.to_string())
}

pub(super) fn json_on(reply: &Reply) -> Result<(), String> {
    let answer = parsed(reply)?;
    expect(&(&answer["value"], &answer["variant"]), &(&json!(true), &json!("on")))
}

pub(super) fn json_off(reply: &Reply) -> Result<(), String> {
    let answer = parsed(reply)?;
    expect(&(&answer["value"], &answer["variant"]), &(&json!(false), &json!("off")))
}

pub(super) fn bulk_of<const FLAGS: usize>(reply: &Reply) -> Result<(), String> {
    let answer = parsed(reply)?;
    expect(&answer["flags"].as_array().map(Vec::len), &Some(FLAGS))
}

/// That the client has it already.
pub(crate) fn not_modified(reply: &Reply) -> Result<(), String> {
    expect(&reply.status, &StatusCode::NOT_MODIFIED)
}

fn expect<T: PartialEq + std::fmt::Debug>(seen: &T, right: &T) -> Result<(), String> {
    if seen == right { Ok(()) } else { Err(format!("{seen:?}, not {right:?}")) }
}
