//! What servers are asked: the bytes of each request, and what is right.

use bytes::{BufMut, Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, StatusCode};
use prost::Message;
use proto::flagd::evaluation::{v1, v2};
use serde_json::{Value, json};

use crate::load::{Exchange, Port, Reply, Wire};
use crate::{Failure, five};

/// One line of the matrix.
#[derive(Debug)]
pub(crate) struct Workload {
    /// How tables call it.
    pub(crate) name: &'static str,
    /// The request.
    pub(crate) exchange: Exchange,
    /// What the load looks like.
    pub(crate) shape: Shape,
    /// Flags of the document.
    pub(crate) flags: usize,
    /// Servers that do nothing and still answer so that it is right.
    pub(crate) floors: &'static [&'static str],
    /// Whether the request must carry the ETag of an earlier answer.
    pub(crate) conditional: bool,
}

/// What a load looks like.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape {
    /// Connections.
    pub(crate) connections: usize,
    /// Requests that each has in flight.
    pub(crate) streams: usize,
    /// Whether a connection is closed and another one opened after each request.
    pub(crate) churn: bool,
}

/// Flags of the document that single evaluations are asked of.
const MANY: usize = 1_000;
/// Flags of the document that is evaluated whole.
const BULK: usize = 100;

/// The whole matrix.
pub(crate) fn matrix() -> Result<Vec<Workload>, Failure> {
    let one = |name, exchange, (connections, streams), floors| Workload {
        name,
        exchange,
        shape: Shape { connections, streams, churn: false },
        flags: MANY,
        floors,
        conditional: false,
    };
    let bulk = |name, conditional| -> Result<_, Failure> {
        let shape = Shape { connections: 64, streams: 1, churn: false };
        Ok(Workload { name, exchange: bulk()?, shape, flags: BULK, floors: &[], conditional })
    };
    let churning = |name, exchange, floors| {
        let workload = one(name, exchange, (64, 1), floors);
        Workload { shape: Shape { churn: true, ..workload.shape }, ..workload }
    };
    let grpc_floors: &[&str] = &["tonic", "hyper"];
    let hit = bulk("OFREP bulk of 100 flags, ETag hit, HTTP/1.1 64 x 1", true)?;
    Ok(vec![
        one("gRPC v1 R2, 16 x 32", grpc(Version::V1, "R2")?, (16, 32), grpc_floors),
        one("gRPC v1 R2, 64 x 1", grpc(Version::V1, "R2")?, (64, 1), grpc_floors),
        one("gRPC v2 R2, 16 x 32", grpc(Version::V2, "R2")?, (16, 32), grpc_floors),
        one("gRPC v1 R1, 16 x 32", grpc(Version::V1, "R1")?, (16, 32), &[]),
        one("gRPC v1 R3, 16 x 32", grpc(Version::V1, "R3")?, (16, 32), &[]),
        one("gRPC v1 R5, 16 x 32", grpc(Version::V1, "R5")?, (16, 32), &[]),
        one("gRPC v1 R2 of 100 attributes, 16 x 32", wide()?, (16, 32), grpc_floors),
        churning("gRPC v1 R2, 64 connections of one request", grpc(Version::V1, "R2")?, grpc_floors),
        one("gRPC-Web R2, HTTP/1.1 64 x 1", web(Wire::H1)?, (64, 1), &[]),
        one("Connect protobuf R2, HTTP/2 16 x 32", connect_protobuf()?, (16, 32), &[]),
        one("Connect JSON R2, HTTP/1.1 64 x 1", connect(Wire::H1)?, (64, 1), &["hyper"]),
        one("Connect JSON R2, HTTP/2 16 x 32", connect(Wire::H2)?, (16, 32), &["hyper"]),
        one("OFREP R1, HTTP/1.1 64 x 1", single("R1")?, (64, 1), &["hyper"]),
        one("OFREP R2, HTTP/1.1 64 x 1", single("R2")?, (64, 1), &["hyper"]),
        churning("OFREP R2, 64 connections of one request", single("R2")?, &["hyper"]),
        bulk("OFREP bulk of 100 flags, HTTP/1.1 64 x 1", false)?,
        hit,
    ])
}

/// The version of the evaluation protocol.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Version {
    /// `flagd.evaluation.v1`.
    V1,
    /// `flagd.evaluation.v2`.
    V2,
}

/// `ResolveBoolean` over gRPC.
pub(crate) fn grpc(version: Version, flag: &str) -> Result<Exchange, Failure> {
    resolve(version, flag, five::context())
}

/// The same with ninety attributes more.
fn wide() -> Result<Exchange, Failure> {
    let mut context = five::context();
    for at in 0..90 {
        context[format!("attribute-{at}")] = json!(format!("value-{at}"));
    }
    resolve(Version::V1, "R2", context)
}

fn resolve(version: Version, flag: &str, context: Value) -> Result<Exchange, Failure> {
    let context = Bytes::from(serde_json::from_value::<proto::Struct>(context)?.encode_to_vec());
    let flag_key = flag.to_owned();
    let (path, message): (_, Vec<u8>) = match version {
        Version::V1 => ("/flagd.evaluation.v1.Service/ResolveBoolean", {
            v1::ResolveBooleanRequest { flag_key, context }.encode_to_vec()
        }),
        Version::V2 => ("/flagd.evaluation.v2.Service/ResolveBoolean", {
            v2::ResolveBooleanRequest { flag_key, context }.encode_to_vec()
        }),
    };
    let check = match (version, flag) {
        (Version::V2, _) => resolved_v2,
        (Version::V1, "R1") => resolved_off,
        (Version::V1, "R5") => resolved_some,
        (Version::V1, _) => resolved_on,
    };
    Ok(Exchange {
        wire: Wire::H2,
        port: Port::Evaluation,
        path: path.to_owned(),
        headers: headers(&[("content-type", "application/grpc"), ("te", "trailers")]),
        body: framed(&message)?,
        check,
    })
}

/// One message as gRPC sends it: uncompressed, after its length.
pub(crate) fn framed(message: &[u8]) -> Result<Bytes, Failure> {
    let mut framed = BytesMut::with_capacity(5 + message.len());
    framed.put_u8(0);
    framed.put_u32(u32::try_from(message.len())?);
    framed.put_slice(message);
    Ok(framed.freeze())
}

/// gRPC as browsers send it: the trailers are a frame of the body.
fn web(wire: Wire) -> Result<Exchange, Failure> {
    let mut exchange = grpc(Version::V1, "R2")?;
    exchange.wire = wire;
    exchange.headers = headers(&[("content-type", "application/grpc-web+proto")]);
    exchange.check = web_on;
    Ok(exchange)
}

fn connect_protobuf() -> Result<Exchange, Failure> {
    let mut exchange = grpc(Version::V1, "R2")?;
    exchange.headers = headers(&[("content-type", "application/proto")]);
    exchange.body = exchange.body.slice(5..);
    exchange.check = bare_on;
    Ok(exchange)
}

fn connect(wire: Wire) -> Result<Exchange, Failure> {
    let mut exchange = json_post(wire, &json!({"flagKey": "R2", "context": five::context()}))?;
    exchange.port = Port::Evaluation;
    "/flagd.evaluation.v1.Service/ResolveBoolean".clone_into(&mut exchange.path);
    Ok(exchange)
}

/// One flag over OFREP.
pub(crate) fn single(flag: &str) -> Result<Exchange, Failure> {
    let mut exchange = json_post(Wire::H1, &json!({"context": five::context()}))?;
    exchange.path = format!("/ofrep/v1/evaluate/flags/{flag}");
    if flag == "R1" {
        exchange.check = json_off;
    }
    Ok(exchange)
}

fn bulk() -> Result<Exchange, Failure> {
    let mut exchange = json_post(Wire::H1, &json!({"context": five::context()}))?;
    "/ofrep/v1/evaluate/flags".clone_into(&mut exchange.path);
    exchange.check = bulk_of_all;
    Ok(exchange)
}

fn json_post(wire: Wire, body: &Value) -> Result<Exchange, Failure> {
    Ok(Exchange {
        wire,
        port: Port::Ofrep,
        path: String::new(),
        headers: headers(&[("content-type", "application/json")]),
        body: Bytes::from(serde_json::to_vec(body)?),
        check: json_on,
    })
}

fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
    pairs
        .iter()
        .map(|(name, value)| (http::HeaderName::from_static(name), HeaderValue::from_static(value)))
        .collect()
}

// ---------------------------------------------------------------------------------------------------------------------
// What is right

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

fn bare_on(reply: &Reply) -> Result<(), String> {
    expect(&decoded(&reply.body)?, &(true, "on".to_owned()))
}

fn web_on(reply: &Reply) -> Result<(), String> {
    let length = reply.body.get(1..5).and_then(|length| length.try_into().ok()).map(u32::from_be_bytes);
    let end = length.map(|length| 5 + length as usize).ok_or("no message")?;
    let (message, trailers) = reply.body.get(5..end).zip(reply.body.get(end..)).ok_or("no whole message")?;
    expect(&String::from_utf8_lossy(trailers).contains("grpc-status: 0"), &true)?;
    expect(&decoded(message)?, &(true, "on".to_owned()))
}

fn resolved_on(reply: &Reply) -> Result<(), String> {
    expect(&resolved_v1(reply)?, &(true, "on".to_owned()))
}

fn resolved_off(reply: &Reply) -> Result<(), String> {
    expect(&resolved_v1(reply)?, &(false, "off".to_owned()))
}

/// Which share a user falls into is for the engine's own tests.
fn resolved_some(reply: &Reply) -> Result<(), String> {
    let (value, variant) = resolved_v1(reply)?;
    expect(&value, &matches!(variant.as_str(), "on" | "red"))
}

fn resolved_v2(reply: &Reply) -> Result<(), String> {
    let answer = v2::ResolveBooleanResponse::decode(message(reply)?).map_err(|error| error.to_string())?;
    expect(&(answer.value, answer.variant.as_deref()), &(Some(true), Some("on")))
}

fn parsed(reply: &Reply) -> Result<Value, String> {
    expect(&reply.status, &StatusCode::OK)?;
    serde_json::from_slice(&reply.body).map_err(|error| error.to_string())
}

fn json_on(reply: &Reply) -> Result<(), String> {
    let answer = parsed(reply)?;
    expect(&(&answer["value"], &answer["variant"]), &(&json!(true), &json!("on")))
}

fn json_off(reply: &Reply) -> Result<(), String> {
    let answer = parsed(reply)?;
    expect(&(&answer["value"], &answer["variant"]), &(&json!(false), &json!("off")))
}

fn bulk_of_all(reply: &Reply) -> Result<(), String> {
    let answer = parsed(reply)?;
    expect(&answer["flags"].as_array().map(Vec::len), &Some(BULK))
}

/// That the client has it already.
pub(crate) fn not_modified(reply: &Reply) -> Result<(), String> {
    expect(&reply.status, &StatusCode::NOT_MODIFIED)
}

fn expect<T: PartialEq + std::fmt::Debug>(seen: &T, right: &T) -> Result<(), String> {
    if seen == right { Ok(()) } else { Err(format!("{seen:?}, not {right:?}")) }
}
