//! The bytes of each request.

use bytes::{BufMut, Bytes, BytesMut};
use http::{HeaderMap, HeaderValue};
use prost::Message;
use proto::flagd::evaluation::{v1, v2};
use serde_json::{Value, json};

use super::answer;
use crate::link::Carrier;
use crate::load::{Exchange, Port, Reply, Wire};
use crate::rule::{self, Rule};
use crate::{Failure, five};

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

/// The same with so many attributes in all.
pub(super) fn wide(attributes: usize) -> Result<Exchange, Failure> {
    let mut context = five::context();
    for at in 10..attributes {
        context[format!("attribute-{at}")] = json!(format!("value-{at}"));
    }
    resolve(Version::V1, "R2", context)
}

/// The flag that has `rule`.
pub(super) fn extra(rule: Rule) -> Result<Exchange, Failure> {
    let mut exchange = resolve(Version::V1, rule::KEY, rule.context())?;
    if rule == Rule::EightShares {
        exchange.check = answer::resolved_some;
    }
    Ok(exchange)
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
        (Version::V2, _) => answer::resolved_v2,
        (Version::V1, "R1") => answer::resolved_off,
        (Version::V1, "R5") => answer::resolved_some,
        (Version::V1, _) => answer::resolved_on,
    };
    Ok(Exchange {
        wire: Wire::H2,
        carrier: Carrier::Tcp,
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
pub(super) fn web(wire: Wire) -> Result<Exchange, Failure> {
    let mut exchange = grpc(Version::V1, "R2")?;
    exchange.wire = wire;
    exchange.headers = headers(&[("content-type", "application/grpc-web+proto")]);
    exchange.check = answer::web_on;
    Ok(exchange)
}

pub(super) fn connect_protobuf(wire: Wire) -> Result<Exchange, Failure> {
    let mut exchange = grpc(Version::V1, "R2")?;
    exchange.wire = wire;
    exchange.headers = headers(&[("content-type", "application/proto")]);
    exchange.body = exchange.body.slice(5..);
    exchange.check = answer::bare_on;
    Ok(exchange)
}

pub(super) fn connect(wire: Wire) -> Result<Exchange, Failure> {
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
        exchange.check = answer::json_off;
    }
    Ok(exchange)
}

/// All flags over OFREP.
pub(super) fn bulk(check: fn(&Reply) -> Result<(), String>) -> Result<Exchange, Failure> {
    let mut exchange = json_post(Wire::H1, &json!({"context": five::context()}))?;
    "/ofrep/v1/evaluate/flags".clone_into(&mut exchange.path);
    exchange.check = check;
    Ok(exchange)
}

fn json_post(wire: Wire, body: &Value) -> Result<Exchange, Failure> {
    Ok(Exchange {
        wire,
        carrier: Carrier::Tcp,
        port: Port::Ofrep,
        path: String::new(),
        headers: headers(&[("content-type", "application/json")]),
        body: Bytes::from(serde_json::to_vec(body)?),
        check: answer::json_on,
    })
}

fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
    pairs
        .iter()
        .map(|(name, value)| (http::HeaderName::from_static(name), HeaderValue::from_static(value)))
        .collect()
}
