//! One service, asked in every protocol a client may speak.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::io::{Read, Write};
use std::time::Duration;

use bytes::{Buf, Bytes};
use futures_util::stream::{self, StreamExt};
use hoistd::services::connect::{Frames, Methods, StackOptions, decode_request, evaluation_stack};
use hoistd::services::cors::Origins;
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt, Full};
use prost::Message;
use proto::Struct;
use proto::flagd::evaluation::v1::{
    AnyFlag, EventStreamResponse, ResolveAllRequest, ResolveAllResponse, ResolveBooleanRequest,
    ResolveBooleanResponse, ResolveFloatResponse, ResolveIntResponse, any_flag,
};
use serde_json::{Value as Json, json};
use tonic::Status;
use tower::ServiceExt;

const BOOLEAN: &str = "/flagd.evaluation.v1.Service/ResolveBoolean";
const EVENTS: &str = "/flagd.evaluation.v1.Service/EventStream";
const LIMIT: usize = 1000;

/// Answers `true` to the flag `on`, with the context as metadata, and fails for any other.
#[derive(Clone)]
struct Echo;

fn reason() -> String {
    "STATIC".into()
}

fn frame(message: &impl Message) -> Bytes {
    envelope(0, &message.encode_to_vec()).into()
}

impl Echo {
    async fn boolean(message: Bytes) -> Result<Bytes, Status> {
        let request = ResolveBooleanRequest::decode(message).unwrap();
        if request.flag_key == "slow" {
            tokio::time::sleep(Duration::from_secs(5)).await;
        }
        if request.flag_key != "on" {
            return Err(Status::not_found("Flag not found"));
        }
        let metadata = Some(Struct::decode(request.context).unwrap());
        let answer = ResolveBooleanResponse { value: true, reason: reason(), variant: "on".into(), metadata };
        Ok(frame(&answer))
    }

    fn all(message: Bytes) -> Bytes {
        let value = Some(any_flag::Value::DoubleValue(1.0));
        let flag =
            AnyFlag { reason: reason(), variant: "one".into(), value, metadata: Some(Struct::default()) };
        let request = ResolveAllRequest::decode(message).unwrap();
        let metadata = Some(Struct::decode(request.context).unwrap());
        frame(&ResolveAllResponse { flags: [("n".to_owned(), flag)].into(), metadata })
    }
}

impl Methods for Echo {
    async fn answer(&self, path: &str, headers: &HeaderMap, message: Bytes) -> Result<Frames, Status> {
        Ok(Frames::One(match path.rsplit('/').next().unwrap() {
            "ResolveAll" => Self::all(message),
            "ResolveBoolean" => Self::boolean(message).await?,
            "ResolveString" => return Err(Status::invalid_argument("Type mismatch error")),
            "ResolveFloat" => frame(&ResolveFloatResponse { value: 10.0, ..Default::default() }),
            "ResolveInt" => frame(&ResolveIntResponse { value: 10, ..Default::default() }),
            "EventStream" => return Self::events(headers),
            _ => return Err(Status::data_loss("Error parsing input or configuration")),
        }))
    }
}

impl Echo {
    fn events(headers: &HeaderMap) -> Result<Frames, Status> {
        let selector = headers.get("flagd-selector").map(|value| value.to_str().unwrap());
        if selector == Some("bad") {
            return Err(Status::invalid_argument("invalid selector"));
        }
        let ready = EventStreamResponse { r#type: "provider_ready".into(), data: Some(Struct::default()) };
        let alive = EventStreamResponse { r#type: "keep_alive".into(), data: None };
        let events = stream::iter([Ok(frame(&ready)), Ok(frame(&alive))]);
        Ok(Frames::Many(match selector {
            Some("for ever") => events.chain(stream::pending()).boxed(),
            _ => events.boxed(),
        }))
    }
}

type Reply = (u16, HeaderMap, Bytes, Option<HeaderMap>);

async fn send(request: Request<Full<Bytes>>) -> Reply {
    let options = StackOptions { origins: Origins::Any, body_bytes: Some(LIMIT) };
    let stack = evaluation_stack(Echo, options);
    let answer: Response<_> = stack.oneshot(request).await.unwrap();
    let (head, body) = answer.into_parts();
    let body = body.collect().await.unwrap();
    let trailers = body.trailers().cloned();
    (head.status.as_u16(), head.headers, body.to_bytes(), trailers)
}

async fn post(path: &str, content_type: &str, more: &[(&str, &str)], body: impl Into<Bytes>) -> Reply {
    let mut request = Request::post(path).header("content-type", content_type);
    for (name, value) in more {
        request = request.header(*name, *value);
    }
    send(request.body(Full::new(body.into())).unwrap()).await
}

async fn ask(path: &str, body: &str) -> (u16, Json) {
    let (status, _, body, _) = post(path, "application/json", &[], body.to_owned()).await;
    (status, serde_json::from_slice(&body).unwrap())
}

fn envelope(flags: u8, message: &[u8]) -> Vec<u8> {
    let length = u32::try_from(message.len()).unwrap().to_be_bytes();
    [&[flags], &length[..], message].concat()
}

/// Splits a body into envelopes.
fn envelopes(mut body: Bytes) -> Vec<(u8, Bytes)> {
    let mut found = Vec::new();
    while !body.is_empty() {
        let (flags, length) = (body.get_u8(), body.get_u32() as usize);
        found.push((flags, body.split_to(length)));
    }
    found
}

fn gunzip(packed: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    flate2::read::GzDecoder::new(packed).read_to_end(&mut out).unwrap();
    out
}

fn gzip(plain: &[u8]) -> Vec<u8> {
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    packer.write_all(plain).unwrap();
    packer.finish().unwrap()
}

fn on() -> ResolveBooleanRequest {
    ResolveBooleanRequest { flag_key: "on".into(), context: Bytes::new() }
}

fn answer() -> Json {
    json!({"value": true, "reason": "STATIC", "variant": "on", "metadata": {}})
}

#[tokio::test]
async fn connect_unary_json() {
    let context =
        json!({"a": [1, "two", null, {"b": true}], "n": -0.5, "big": 12345678901234567890u64, "": {}});
    let (status, body) = ask(BOOLEAN, &json!({"flagKey": "on", "context": context}).to_string()).await;
    assert_eq!((status, &body["metadata"]["a"]), (200, &json!([1, "two", null, {"b": true}])));
    assert_eq!(body["metadata"]["n"], json!(-0.5));
    assert_eq!(body["metadata"][""], json!({}));
    assert_eq!(ask(BOOLEAN, r#"{"flag_key":"on","context":null,"x":[{}]}"#).await, (200, answer()));
    let not_found = json!({"code": "not_found", "message": "Flag not found"});
    assert_eq!(ask(BOOLEAN, "{}").await, (404, not_found.clone()));
    assert_eq!(ask(BOOLEAN, r#"{"flagKey":null}"#).await, (404, not_found));
    let (_, _, body, _) =
        post("/flagd.evaluation.v1.Service/ResolveFloat", "application/json", &[], "{}").await;
    assert!(body.starts_with(br#"{"value":10,"#), "{body:?}");
    let (_, body) = ask("/flagd.evaluation.v1.Service/ResolveInt", "{}").await;
    assert_eq!(body["value"], json!("10"));
    let (_, body) = ask("/flagd.evaluation.v1.Service/ResolveAll", r#"{"context":{"k":"v"}}"#).await;
    assert_eq!((&body["flags"]["n"]["doubleValue"], &body["metadata"]), (&json!(1), &json!({"k": "v"})));
    assert_eq!(ask("/flagd.evaluation.v1.Service/ResolveString", "{}").await.0, 400);
    let (status, body) = ask("/flagd.evaluation.v1.Service/ResolveObject", "{}").await;
    assert_eq!((status, &body["code"]), (500, &json!("data_loss")));
}

#[tokio::test]
async fn connect_unary_echoes_the_content_type() {
    let (status, headers, body, _) =
        post(BOOLEAN, "Application/JSON;charset=\"UTF-8\"", &[], r#"{"flagKey":"on"}"#).await;
    assert_eq!((status, serde_json::from_slice::<Json>(&body).unwrap()), (200, answer()));
    assert_eq!(headers["content-type"], "application/json; charset=utf-8");
    assert_eq!(headers["accept-encoding"], "gzip");
    assert_eq!(headers["vary"], "Origin");
    assert!(!headers.contains_key("grpc-status") && !headers.contains_key("content-encoding"));
    let (status, headers, body, _) = post(BOOLEAN, "application/proto", &[], on().encode_to_vec()).await;
    assert_eq!((status, &headers["content-type"]), (200, &"application/proto".parse().unwrap()));
    assert!(ResolveBooleanResponse::decode(body).unwrap().value);
}

#[tokio::test]
async fn wrong_requests_get_flagds_answers() {
    let said = |message: &str| json!({"code": "invalid_argument", "message": message});
    let empty = said("unmarshal message: zero-length payload is not a valid JSON object");
    assert_eq!(ask(BOOLEAN, "").await, (400, empty));
    for text in
        ["[]", "{", "null", "1", r#"{"flagKey":1}"#, r#"{"context":[]}"#, "{} x", r#"{"context":"x"}"#]
    {
        let (status, body) = ask(BOOLEAN, text).await;
        assert_eq!((status, &body["code"]), (400, &json!("invalid_argument")), "{text}");
        assert!(
            body["message"].as_str().unwrap().starts_with("unmarshal message: proto: "),
            "{text}: {body}"
        );
    }
    let table = [
        ("connect-protocol-version", "2", 400, "Connect-Protocol-Version must be \"1\": got \"2\""),
        (
            "connect-timeout-ms",
            "abc",
            400,
            "parse timeout: strconv.ParseInt: parsing \"abc\": invalid syntax",
        ),
        ("connect-timeout-ms", "12345678901", 400, "parse timeout: \"12345678901\" has >10 digits"),
        ("connect-timeout-ms", "0", 504, "context deadline exceeded"),
        ("connect-timeout-ms", "-5", 504, "context deadline exceeded"),
        ("content-encoding", "br", 501, "unknown compression \"br\": supported encodings are gzip"),
    ];
    for (name, value, status, message) in table {
        let (found, headers, body, _) =
            post(BOOLEAN, "application/json", &[(name, value)], r#"{"flagKey":"on"}"#).await;
        let body: Json = serde_json::from_slice(&body).unwrap();
        assert_eq!((found, &body["message"]), (status, &json!(message)));
        assert_eq!(headers["content-type"], "application/json");
    }
    let (status, _, body, _) = post(BOOLEAN, "application/proto", &[], &b"\xff\xff"[..]).await;
    assert_eq!(status, 400, "{body:?}");
    let late = [("connect-timeout-ms", "20")];
    let (status, ..) = post(BOOLEAN, "application/json", &late, r#"{"flagKey":"slow"}"#).await;
    assert_eq!(status, 504);
}

#[tokio::test]
async fn only_posts_of_known_types_to_known_paths() {
    for path in ["/", "/flagd.evaluation.v1.Service/Nope", "/flagd.evaluation.v2.Service/ResolveAll"] {
        let (status, headers, body, _) = post(path, "application/grpc", &[], "").await;
        assert_eq!((status, &body[..]), (404, &b"404 page not found\n"[..]));
        assert_eq!(headers["content-type"], "text/plain; charset=utf-8");
        assert_eq!(headers["x-content-type-options"], "nosniff");
    }
    for verb in ["GET", "PUT", "OPTIONS"] {
        let request = Request::builder().method(verb).uri(BOOLEAN).body(Full::default()).unwrap();
        let (status, headers, body, _) = send(request).await;
        assert_eq!((status, headers["allow"].as_bytes(), body.len()), (405, &b"POST"[..], 0));
    }
    let unary = "application/grpc, application/grpc+json, application/grpc+json; charset=utf-8, \
                 application/grpc+proto, application/grpc-web, application/grpc-web+json, \
                 application/grpc-web+json; charset=utf-8, application/grpc-web+proto, application/json, \
                 application/json; charset=utf-8, application/proto";
    for content_type in ["", "text/plain", "application/grpc-web-text", "application/json; charset=latin1"] {
        let (status, headers, body, _) = post(BOOLEAN, content_type, &[], "{}").await;
        assert_eq!((status, headers["accept-post"].to_str().unwrap(), body.len()), (415, unary, 0));
    }
    let (status, headers, ..) = post(EVENTS, "application/json", &[], "{}").await;
    assert!(
        status == 415 && headers["accept-post"].to_str().unwrap().starts_with("application/connect+json, ")
    );
}

#[tokio::test]
async fn unary_gzip_both_ways() {
    let both = [("content-encoding", "gzip"), ("accept-encoding", "deflate, gzip")];
    let (status, headers, body, _) =
        post(BOOLEAN, "application/json", &both, gzip(br#"{"flagKey":"on"}"#)).await;
    assert_eq!((status, &headers["content-encoding"]), (200, &"gzip".parse().unwrap()));
    assert_eq!(serde_json::from_slice::<Json>(&gunzip(&body)).unwrap(), answer());
    let (status, _, body, _) = post(BOOLEAN, "application/json", &both, "no gzip").await;
    assert!(status == 400 && body.windows(6).any(|text| text == b"gzip: "), "{body:?}");
    let bomb = gzip(&vec![b' '; 100_000]);
    assert!(bomb.len() < LIMIT);
    assert_eq!(post(BOOLEAN, "application/json", &both, bomb).await.0, 429);
}

#[tokio::test]
async fn sizes_are_limited_in_flagds_words() {
    let (status, body) = ask(BOOLEAN, &" ".repeat(LIMIT + 1)).await;
    let message = "read first 1000 bytes of message: exceeded 1000 byte http.MaxBytesReader limit";
    assert_eq!((status, body), (429, json!({"code": "resource_exhausted", "message": message})));
    let (status, headers, ..) = post(BOOLEAN, "application/grpc", &[], envelope(0, &[0; 1000])).await;
    assert_eq!((status, headers["grpc-status"].as_bytes()), (200, &b"8"[..]));
    let message = "read%201000%20byte%20message:%20exceeded%201000%20byte%20http.MaxBytesReader%20limit";
    assert_eq!(headers["grpc-message"], message);
    let (_, _, body, _) = post(EVENTS, "application/connect+json", &[], envelope(0, &[0; 1000])).await;
    assert!(String::from_utf8_lossy(&body).contains("read 1000 byte message: exceeded"));
}

#[tokio::test]
async fn connect_streams() {
    let (status, headers, body, _) = post(EVENTS, "application/connect+json", &[], envelope(0, b"{}")).await;
    assert_eq!((status, &headers["connect-accept-encoding"]), (200, &"gzip".parse().unwrap()));
    let found: Vec<_> = envelopes(body)
        .into_iter()
        .map(|(flags, text)| (flags, String::from_utf8(text.to_vec()).unwrap()))
        .collect();
    let wanted = [
        (0, r#"{"type":"provider_ready","data":{}}"#),
        (0, r#"{"type":"keep_alive","data":null}"#),
        (2, "{}"),
    ];
    assert_eq!(found, wanted.map(|(flags, text)| (flags, text.to_owned())));

    let packed = [("connect-accept-encoding", "gzip")];
    let (_, headers, body, _) = post(EVENTS, "application/connect+proto", &packed, envelope(0, b"")).await;
    assert_eq!(headers["connect-content-encoding"], "gzip");
    let (flags, first) = envelopes(body).remove(0);
    assert_eq!(
        (flags, EventStreamResponse::decode(&gunzip(&first)[..]).unwrap().r#type.as_str()),
        (1, "provider_ready")
    );

    let bad = [("flagd-selector", "bad")];
    let (status, _, body, _) = post(EVENTS, "application/connect+json", &bad, envelope(0, b"{}")).await;
    let error = br#"{"error":{"code":"invalid_argument","message":"invalid selector"}}"#;
    assert_eq!((status, envelopes(body)), (200, vec![(2, Bytes::from_static(error))]));

    let late = [("flagd-selector", "for ever"), ("connect-timeout-ms", "30")];
    let (_, _, body, _) = post(EVENTS, "application/connect+json", &late, envelope(0, b"{}")).await;
    let last = envelopes(body).pop().unwrap();
    assert!(last.0 == 2 && String::from_utf8_lossy(&last.1).contains("deadline_exceeded"), "{last:?}");
}

#[tokio::test]
async fn grpc_and_grpc_web() {
    let request = envelope(0, &on().encode_to_vec());
    let (status, headers, body, trailers) = post(BOOLEAN, "application/grpc", &[], request.clone()).await;
    assert_eq!((status, &headers["content-type"]), (200, &"application/grpc".parse().unwrap()));
    assert_eq!(headers["grpc-accept-encoding"], "gzip");
    assert_eq!(trailers.unwrap()["grpc-status"], "0");
    assert!(ResolveBooleanResponse::decode(envelopes(body).remove(0).1).unwrap().value);

    let packed = [("grpc-encoding", "gzip"), ("grpc-accept-encoding", "identity,deflate,gzip")];
    let body = envelope(1, &gzip(&on().encode_to_vec()));
    let (_, headers, body, trailers) = post(BOOLEAN, "application/grpc+proto", &packed, body).await;
    assert_eq!(headers["grpc-encoding"], "gzip");
    assert_eq!(trailers.unwrap()["grpc-status"], "0");
    let (flags, message) = envelopes(body).remove(0);
    assert!(flags == 1 && ResolveBooleanResponse::decode(&gunzip(&message)[..]).unwrap().value);

    let (_, headers, body, trailers) =
        post(BOOLEAN, "application/grpc+json", &[], envelope(0, br#"{"flagKey":"on"}"#)).await;
    assert_eq!(headers["content-type"], "application/grpc+json");
    assert_eq!(serde_json::from_slice::<Json>(&envelopes(body)[0].1).unwrap(), answer());
    assert_eq!(trailers.unwrap()["grpc-status"], "0");

    let (_, headers, body, trailers) = post(BOOLEAN, "application/grpc-web", &[], request).await;
    assert_eq!(headers["content-type"], "application/grpc-web");
    let found = envelopes(body);
    assert_eq!((found.len(), found[1].0, trailers), (2, 0x80, None));
    assert_eq!(found[1].1, "grpc-status: 0\r\n");

    for content_type in ["application/grpc", "application/grpc-web+json"] {
        let (status, headers, body, _) = post(BOOLEAN, content_type, &[], envelope(0, b"")).await;
        assert_eq!((status, headers["grpc-status"].as_bytes(), body.len()), (200, &b"5"[..], 0));
        assert_eq!(headers["content-type"], content_type);
    }
    let (_, headers, ..) =
        post(BOOLEAN, "application/grpc", &[("grpc-timeout", "5x")], envelope(0, b"")).await;
    assert_eq!(headers["grpc-status"], "3");
}

#[tokio::test]
async fn cors_is_open_or_listed() {
    let ask = |origin: &str, method: &str| {
        let request =
            Request::options(BOOLEAN).header("origin", origin).header("access-control-request-headers", "x");
        request.header("access-control-request-method", method).body(Full::<Bytes>::default()).unwrap()
    };
    let (status, headers, ..) = send(ask("http://a", "POST")).await;
    assert_eq!((status, headers["access-control-allow-origin"].as_bytes()), (204, &b"*"[..]));
    assert_eq!(headers["access-control-allow-methods"], "POST");
    assert_eq!(headers["access-control-allow-headers"], "x");
    let vary = "Origin, Access-Control-Request-Method, Access-Control-Request-Headers";
    let (status, headers, ..) = send(ask("http://a", "TRACE")).await;
    assert_eq!((status, headers.len(), headers["vary"].to_str().unwrap()), (204, 1, vary));

    let origins = Origins::from_list(&["https://*.example.com".to_owned(), "http://b".to_owned()]);
    let stack = evaluation_stack(Echo, StackOptions { origins, body_bytes: None });
    for (origin, is_allowed) in [("https://a.example.com", true), ("http://b", true), ("http://a", false)] {
        let request = Request::post(BOOLEAN).header("origin", origin).body(Full::<Bytes>::default()).unwrap();
        let headers = stack.clone().oneshot(request).await.unwrap().into_parts().0.headers;
        assert_eq!(
            headers.get("access-control-allow-origin").is_some_and(|echoed| echoed == origin),
            is_allowed
        );
        assert_eq!(headers.contains_key("access-control-expose-headers"), is_allowed);
        assert_eq!(headers["vary"], "Origin");
    }
}

#[test]
fn hostile_bodies_are_refused_without_harm() {
    let code = |path, content_type, body: &[u8]| {
        decode_request(path, content_type, true, Bytes::copy_from_slice(body)).map_err(|status| status.code())
    };
    let deep = format!(r#"{{"context":{{"a":{}{}}}}}"#, "[".repeat(100_000), "]".repeat(100_000));
    let bodies: Vec<Vec<u8>> = vec![
        deep.into_bytes(),
        vec![0xff; 64],
        envelope(0, b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\x01"),
        envelope(0, b"\x12\x05ab"),
        envelope(0, b"\x0a\x02\xff\xfe"),
        b"\0\xff\xff\xff\xff".to_vec(),
        b"\x01\0\0\0\x01x".to_vec(),
        br#"{"context":{"a":1e999}}"#.to_vec(),
        br#"{"context":{"\ud800":1}}"#.to_vec(),
        br#"{"flagKey":"a","flag_key":"b"}"#.to_vec(),
    ];
    for body in &bodies {
        for content_type in
            ["application/json", "application/proto", "application/grpc", "application/grpc+json"]
        {
            assert!(code(BOOLEAN, content_type, body).is_err(), "{content_type} {body:?}");
        }
    }
    let two = [envelope(0, b"{}"), envelope(0, b"{}")].concat();
    assert_eq!(code(EVENTS, "application/connect+json", &two), Err(tonic::Code::Unimplemented));
    let ended = [envelope(0, b"{}"), envelope(2, b"{}")].concat();
    assert_eq!(code(EVENTS, "application/connect+json", &ended), Ok(Bytes::new()));
}

#[test]
fn every_prefix_of_a_request_is_harmless() {
    let text = r#"{"flagKey":"on","context":{"a":[1,true,null,{"b":"c"}],"d":-1.5e3}}"#;
    for end in 0..text.len() {
        assert!(
            decode_request(BOOLEAN, "application/json", false, text.as_bytes()[..end].to_vec().into())
                .is_err()
        );
    }
    let wire = decode_request(BOOLEAN, "application/json", false, text.to_owned().into()).unwrap();
    let context = Struct::decode(ResolveBooleanRequest::decode(wire.clone()).unwrap().context).unwrap();
    let context = serde_json::to_value(&context).unwrap();
    assert_eq!(context, json!({"a": [1.0, true, null, {"b": "c"}], "d": -1500.0}));
    let framed = envelope(0, &wire);
    for end in 0..framed.len() {
        let result = decode_request(BOOLEAN, "application/grpc", false, framed[..end].to_vec().into());
        assert!(result.is_err());
    }
}

#[test]
fn mutated_requests_are_harmless() {
    let json = br#"{"flagKey":"on","context":{"a":[1,true,null,{"b":"c"}],"d":-1.5e3}}"#.to_vec();
    let wire = decode_request(BOOLEAN, "application/json", false, json.clone().into()).unwrap().to_vec();
    let seeds = [json.clone(), envelope(0, &json), envelope(1, &gzip(&wire)), envelope(0, &wire), wire];
    let types = ["application/json", "application/proto", "application/grpc", "application/grpc-web+json"];
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = |below: usize| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        usize::try_from(random % below as u64).unwrap()
    };
    let mut accepted = 0;
    for round in 0..20_000 {
        let mut body = seeds[round % seeds.len()].clone();
        for _ in 0..=next(4) {
            let at = next(body.len());
            match next(3) {
                0 => body[at] = u8::try_from(next(256)).unwrap(),
                1 => body.truncate(at + 1),
                _ => body.insert(at, body[at]),
            }
        }
        let decoded = decode_request(BOOLEAN, types[next(types.len())], true, body.into());
        accepted += usize::from(decoded.is_ok_and(|wire| ResolveBooleanRequest::decode(wire).is_ok()));
    }
    assert!((100..19_900).contains(&accepted), "{accepted} were accepted: the mutations test nothing");
}
