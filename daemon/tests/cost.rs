//! What one request costs where the machine's mood has no say: allocations, and bytes on the wire. Times are for the benches.
//!
//! A number that falls is good news and is written down here; one that grows has to have a reason.

#![allow(clippy::expect_used, clippy::panic, reason = "a test that cannot go on says why")]

mod mixed;
mod served;

use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use futures_util::FutureExt;
use hoistd::config::Translations;
use hoistd::light::Enrichment;
use hoistd::services::connect::{StackOptions, evaluation_stack};
use hoistd::services::cors::Origins;
use hoistd::services::evaluation::{Evaluation, methods};
use hoistd::services::ofrep::Ofrep;
use hoistd::services::sync::{Sync, routes};
use http::Request;
use http_body_util::{BodyExt, Full};
use prost::Message;
use proto::flagd::evaluation::v1::ResolveBooleanRequest;
use proto::flagd::sync::v1::SyncFlagsRequest;
use serde_json::json;
use served::{Served, Wire};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use tokio::sync::watch;
use tonic::body::Body;
use tower::{Service, ServiceExt};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<std::alloc::System> = &INSTRUMENTED_SYSTEM;

const FLAGS: &str = r#"{"flags": {
    "static": {"state": "ENABLED", "variants": {"on": true, "off": false}, "defaultVariant": "off"},
    "mail": {"state": "ENABLED", "variants": {"on": true, "off": false}, "defaultVariant": "off",
        "targeting": {"if": [{"ends_with": [{"var": "email"}, "@example.com"]}, "on"]}}
}}"#;

fn context() -> serde_json::Value {
    json!({"targetingKey": "user-4711", "email": "jane@example.com", "age": 42, "beta": true})
}

fn framed(message: &[u8]) -> Bytes {
    let mut frame = BytesMut::new();
    frame.put_u8(0);
    frame.put_u32(u32::try_from(message.len()).expect("a small message"));
    frame.put_slice(message);
    frame.freeze()
}

fn post(path: &str, content_type: &str, body: Bytes) -> Request<Body> {
    let request = Request::post(path).header("content-type", content_type);
    request.body(Body::new(Full::new(body))).expect("a request")
}

/// Allocations from the request to the last byte of its answer, and the answer's bytes. The second time, when all that is kept
/// is there.
fn cost(wire: &Wire, request: impl Fn() -> Request<Body>) -> (usize, usize) {
    let ask = || {
        let mut service = wire.clone();
        let request = request();
        let region = Region::new(ALLOCATOR);
        // Nothing on the way has to be waited for.
        let answer = service.call(request).now_or_never().expect("no wait").expect("an answer");
        assert_eq!(answer.status(), 200);
        let mut body = answer.into_body();
        let mut bytes = 0;
        while let Some(frame) = body.frame().now_or_never().expect("no wait") {
            bytes += frame.expect("a frame").data_ref().map_or(0, Bytes::len);
        }
        (region.change().allocations, bytes)
    };
    ask();
    ask()
}

/// One test, so that nobody else allocates meanwhile.
#[tokio::test]
async fn nothing_costs_more_than_it_did() {
    a_request().await;
    a_request_for_a_hundred().await;
    followers_share_one_document().await;
}

async fn a_request() {
    let served = Served::new(&[("flags.json", FLAGS)], Enrichment::default()).await;
    let parts = Evaluation {
        ask: served.ask.clone(),
        store: served.store.clone(),
        closing: served.closing.subscribe(),
        stream_deadline: None,
    };
    let options = StackOptions { origins: Origins::Any, body_bytes: None };
    let evaluation = Wire::new(evaluation_stack(methods(&parts), options));
    let ofrep = Ofrep::new(served.ask.clone(), served.store.clone(), None, "", served.closing.subscribe());
    let ofrep = Wire::new(ofrep);

    let encoded: proto::Struct = serde_json::from_value(context()).expect("a struct");
    let message = |flag: &str| {
        ResolveBooleanRequest { flag_key: flag.to_owned(), context: encoded.encode_to_vec().into() }
            .encode_to_vec()
    };
    let text = |flag: &str| Bytes::from(json!({"flagKey": flag, "context": context()}).to_string());
    let body = Bytes::from(json!({ "context": context() }).to_string());
    let path = |version: &str| format!("/flagd.evaluation.{version}.Service/ResolveBoolean");

    let seen = [
        (
            "gRPC v1, static",
            cost(&evaluation, || post(&path("v1"), "application/grpc", framed(&message("static")))),
        ),
        (
            "gRPC v1, targeted",
            cost(&evaluation, || post(&path("v1"), "application/grpc", framed(&message("mail")))),
        ),
        (
            "gRPC v2, targeted",
            cost(&evaluation, || post(&path("v2"), "application/grpc", framed(&message("mail")))),
        ),
        (
            "gRPC-Web, targeted",
            cost(&evaluation, || post(&path("v1"), "application/grpc-web", framed(&message("mail")))),
        ),
        (
            "Connect protobuf, targeted",
            cost(&evaluation, || post(&path("v1"), "application/proto", message("mail").into())),
        ),
        ("Connect JSON, targeted", cost(&evaluation, || post(&path("v1"), "application/json", text("mail")))),
        (
            "OFREP, static",
            cost(&ofrep, || post("/ofrep/v1/evaluate/flags/static", "application/json", body.clone())),
        ),
        (
            "OFREP, targeted",
            cost(&ofrep, || post("/ofrep/v1/evaluate/flags/mail", "application/json", body.clone())),
        ),
        ("OFREP, both", cost(&ofrep, || post("/ofrep/v1/evaluate/flags", "application/json", body.clone()))),
    ];
    let known = [
        ("gRPC v1, static", (11, 20)),
        ("gRPC v1, targeted", (11, 30)),
        ("gRPC v2, targeted", (11, 30)),
        ("gRPC-Web, targeted", (13, 51)),
        ("Connect protobuf, targeted", (7, 25)),
        ("Connect JSON, targeted", (13, 70)),
        ("OFREP, static", (9, 78)),
        ("OFREP, targeted", (9, 83)),
        ("OFREP, both", (14, 326)),
    ];
    assert_eq!(seen.as_slice(), known.as_slice(), "(allocations, bytes of the answer's body)");
}

async fn a_request_for_a_hundred() {
    let served = Served::new(&[("flags.json", &mixed::document(100, 0))], Enrichment::default()).await;
    let ofrep = Ofrep::new(served.ask.clone(), served.store.clone(), None, "", served.closing.subscribe());
    let body = Bytes::from(json!({ "context": context() }).to_string());
    let path = "/ofrep/v1/evaluate/flags";
    let seen = cost(&Wire::new(ofrep), || post(path, "application/json", body.clone()));
    assert_eq!(seen, (14, 8495), "(allocations, bytes of the answer's body)");
}

/// What each follower of a document costs is its own state, not a copy of the document.
async fn followers_share_one_document() {
    const FOLLOWERS: usize = 500;
    let flag = |at: usize| {
        let flag = json!({"state": "ENABLED", "variants": {"on": true}, "defaultVariant": "on"});
        (format!("flag-{at}"), flag)
    };
    let flags: serde_json::Map<_, _> = (0..2_000).map(flag).collect();
    let document = json!({ "flags": flags }).to_string();
    let served = Served::new(&[("flags.json", &document)], Enrichment::default()).await;
    let open = watch::Sender::new(true);
    let service = routes(Sync {
        store: served.store.clone(),
        context: Vec::new(),
        open: open.subscribe(),
        closing: served.closing.subscribe(),
        stream_deadline: Some(Duration::from_secs(600)),
        disable_metadata: false,
        translations: Translations::Exact,
        streams: served.telemetry.streams.clone(),
    });
    let message = framed(&SyncFlagsRequest::default().encode_to_vec());
    let path = "/flagd.sync.v1.FlagSyncService/SyncFlags";
    let mut bodies = Vec::with_capacity(FOLLOWERS + 1);
    let mut first = None;
    let mut region = Region::new(ALLOCATOR);
    for at in 0..=FOLLOWERS {
        if at == 1 {
            // The first one had the document written.
            region.reset();
        }
        let request = post(path, "application/grpc", message.clone());
        let answer = service.clone().oneshot(request).await.expect("an answer");
        let mut body = answer.into_body();
        let frame = body.frame().await.expect("a frame").expect("no error").into_data().expect("data");
        assert_eq!(frame.len(), 196_912, "bytes of a document");
        assert_eq!(*first.get_or_insert(frame.as_ptr()), frame.as_ptr(), "a copy");
        bodies.push((body, frame));
    }
    let change = region.change();
    let kept = change.bytes_allocated.saturating_sub(change.bytes_deallocated) / FOLLOWERS;
    assert!(kept < 4_096, "{kept} bytes for each follower");
}
