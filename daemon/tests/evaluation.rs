//! Remote evaluation as gRPC clients see it: the result matrix, bulk answers, selectors, context, event streams.

#![allow(clippy::expect_used, clippy::panic)]

mod served;

use std::time::Duration;

use hoistd::light::Enrichment;
use hoistd::services::connect::{StackOptions, evaluation_stack};
use hoistd::services::cors::Origins;
use hoistd::services::evaluation::{Evaluation, methods};
use prost::Message;
use proto::flagd::evaluation::{v1, v2};
use proto::schema::v1 as schema;
use proto::{Kind, Struct, Value};
use serde_json::json;
use served::{Served, Wire};
use tonic::{Code, Request, Status, Streaming};
use v1::any_flag::Value as Any;

type V1 = v1::service_client::ServiceClient<Wire>;
type V2 = v2::service_client::ServiceClient<Wire>;
type Schema = schema::service_client::ServiceClient<Wire>;

const FLAGS: &str = r#"{"metadata":{"flagSetId":"set","owner":"team"},"flags":{
    "static":{"state":"ENABLED","defaultVariant":"on","variants":{"on":true,"off":false},"metadata":{"owner":"me","gone":null}},
    "text":{"state":"ENABLED","defaultVariant":"x","variants":{"x":"X"}},
    "number":{"state":"ENABLED","defaultVariant":"n","variants":{"n":-3.7,"big":1e300},"targeting":{"if":[{"var":"big"},"big",null]}},
    "object":{"state":"ENABLED","defaultVariant":"o","variants":{"o":{"a":[1,null,{"b":"c"}]}}},
    "list":{"state":"ENABLED","defaultVariant":"l","variants":{"l":[1]}},
    "null":{"state":"ENABLED","defaultVariant":"z","variants":{"z":null}},
    "hit":{"state":"ENABLED","defaultVariant":"off","variants":{"on":"ON","off":"OFF"},"targeting":{"if":[{"==":[{"var":"user"},"joe"]},"on",null]}},
    "open":{"state":"ENABLED","variants":{"on":true},"targeting":{"if":[{"var":"open"},"on",null]}},
    "disabled":{"state":"DISABLED","defaultVariant":"on","variants":{"on":true}},
    "stray":{"state":"ENABLED","defaultVariant":"on","variants":{"on":true},"targeting":{"cat":["no","where"]}},
    "broken":{"state":"ENABLED","defaultVariant":"on","variants":{"on":true},"targeting":{"no_such_operator":[1]}}}}"#;

/// A document with nothing but the boolean flags named.
fn booleans(keys: &[(&str, &str)]) -> String {
    let flag = |(key, default): &(&str, &str)| {
        let flag =
            json!({"state": "ENABLED", "defaultVariant": default, "variants": {"on": true, "off": false}});
        ((*key).to_owned(), flag)
    };
    json!({"flags": keys.iter().map(flag).collect::<serde_json::Map<_, _>>()}).to_string()
}

struct Clients {
    served: Served,
    v1: V1,
    v2: V2,
    schema: Schema,
}

impl Clients {
    async fn of(sources: &[(&str, &str)], enrichment: Enrichment, deadline: Option<Duration>) -> Self {
        let served = Served::new(sources, enrichment).await;
        let methods = methods(&Evaluation {
            ask: served.ask.clone(),
            store: served.store.clone(),
            closing: served.closing.subscribe(),
            stream_deadline: deadline,
        });
        let options = StackOptions { origins: Origins::Any, body_bytes: None };
        let wire = Wire::new(evaluation_stack(methods, options));
        let (v1, v2) = (V1::new(wire.clone()), V2::new(wire.clone()));
        Self { served, v1, v2, schema: Schema::new(wire) }
    }

    async fn plain() -> Self {
        Self::of(&[("flags.json", FLAGS)], Enrichment::default(), None).await
    }
}

fn text(text: &str) -> Value {
    Value { kind: Some(Kind::StringValue(text.into())) }
}

fn context(fields: &[(&str, Value)]) -> bytes::Bytes {
    let fields = fields.iter().map(|(key, value)| ((*key).to_owned(), value.clone()));
    Struct { fields: fields.collect() }.encode_to_vec().into()
}

fn metadata(fields: &[(&str, &str)]) -> Option<Struct> {
    Some(Struct { fields: fields.iter().map(|(key, value)| ((*key).to_owned(), text(value))).collect() })
}

fn selected<T>(message: T, selector: &str) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert("flagd-selector", selector.parse().expect("text"));
    request
}

fn refusal(result: Result<impl std::fmt::Debug, Status>) -> (Code, String) {
    let status = result.expect_err("a refusal");
    (status.code(), status.message().to_owned())
}

macro_rules! ask {
    ($client:expr, $version:ident, $method:ident, $request:ident, $key:expr $(, $context:expr)?) => {{
        #[allow(unused_mut, unused_assignments)]
        let mut request = $version::$request { flag_key: $key.to_owned(), ..Default::default() };
        $(request.context = $context;)?
        $client.$method(request).await.map(tonic::Response::into_inner)
    }};
}

#[tokio::test]
async fn a_static_flag_is_the_same_in_every_version() {
    let mut clients = Clients::plain().await;
    let own = metadata(&[("flagSetId", "set"), ("owner", "me")]);
    let one = ask!(clients.v1, v1, resolve_boolean, ResolveBooleanRequest, "static").expect("v1");
    assert_eq!((one.value, &*one.reason, &*one.variant, one.metadata), (true, "STATIC", "on", own.clone()));
    let two = ask!(clients.v2, v2, resolve_boolean, ResolveBooleanRequest, "static").expect("v2");
    let variant = two.variant.as_deref();
    assert_eq!(
        (two.value, &*two.reason, variant, two.metadata),
        (Some(true), "STATIC", Some("on"), own.clone())
    );
    let old = ask!(clients.schema, schema, resolve_boolean, ResolveBooleanRequest, "static").expect("schema");
    assert_eq!((old.value, &*old.reason, &*old.variant, old.metadata), (true, "STATIC", "on", own));
}

#[tokio::test]
async fn each_type_comes_as_it_is() {
    let mut clients = Clients::plain().await;
    let string = ask!(clients.v1, v1, resolve_string, ResolveStringRequest, "text").expect("a string");
    assert_eq!(string.value, "X");
    let float = ask!(clients.v1, v1, resolve_float, ResolveFloatRequest, "number").expect("a float");
    assert_eq!((float.value, &*float.reason), (-3.7, "DEFAULT"));
    let int = ask!(clients.v1, v1, resolve_int, ResolveIntRequest, "number").expect("an int");
    assert_eq!(int.value, -3, "cut off towards zero");
    let big = context(&[("big", Value { kind: Some(Kind::BoolValue(true)) })]);
    let int = ask!(clients.v1, v1, resolve_int, ResolveIntRequest, "number", big).expect("an int");
    assert_eq!(int.value, i64::MAX, "as near as 64 bits come");
    let object = ask!(clients.v1, v1, resolve_object, ResolveObjectRequest, "object").expect("an object");
    let json = serde_json::to_value(object.value).expect("JSON");
    assert_eq!(json, json!({"a": [1.0, null, {"b": "c"}]}));
}

#[tokio::test]
async fn targeting_reads_the_context() {
    let mut clients = Clients::plain().await;
    let joe = context(&[("user", text("joe"))]);
    let hit = ask!(clients.v2, v2, resolve_string, ResolveStringRequest, "hit", joe).expect("a hit");
    assert_eq!((hit.value.as_deref(), &*hit.reason), (Some("ON"), "TARGETING_MATCH"));
    let miss = ask!(clients.v2, v2, resolve_string, ResolveStringRequest, "hit").expect("a default");
    assert_eq!((miss.value.as_deref(), &*miss.reason), (Some("OFF"), "DEFAULT"));
    let broken = bytes::Bytes::from_static(b"\x0a\x05\x0a\x01");
    let (code, _) = refusal(ask!(clients.v2, v2, resolve_string, ResolveStringRequest, "hit", broken));
    assert_eq!(code, Code::InvalidArgument);
}

#[tokio::test]
async fn a_missing_value_means_something_else_in_each_version() {
    let mut clients = Clients::plain().await;
    let not_found = (Code::NotFound, "Flag not found".to_owned());
    assert_eq!(refusal(ask!(clients.v1, v1, resolve_boolean, ResolveBooleanRequest, "open")), not_found);
    let two = ask!(clients.v2, v2, resolve_string, ResolveStringRequest, "open").expect("v2");
    assert_eq!((two.value, &*two.reason, two.variant), (None, "DEFAULT", None));
    let old = ask!(clients.schema, schema, resolve_string, ResolveStringRequest, "open").expect("schema");
    assert_eq!((&*old.value, &*old.reason, &*old.variant), ("", "DEFAULT", ""));

    let one = ask!(clients.v1, v1, resolve_object, ResolveObjectRequest, "disabled").expect("v1");
    assert_eq!((one.value, &*one.reason, &*one.variant), (Some(Struct::default()), "DISABLED", ""));
    assert_eq!(one.metadata, metadata(&[("flagSetId", "set"), ("owner", "team")]));
    let two = ask!(clients.v2, v2, resolve_object, ResolveObjectRequest, "disabled").expect("v2");
    assert_eq!((two.value, &*two.reason, two.variant), (None, "DISABLED", None));
}

#[tokio::test]
async fn refusals_have_flagds_codes_and_words() {
    let mut clients = Clients::plain().await;
    let mismatch = (Code::InvalidArgument, "Type mismatch error".to_owned());
    for (key, expected) in [
        ("missing", (Code::NotFound, "Flag not found".to_owned())),
        ("text", mismatch.clone()),
        ("null", mismatch.clone()),
        ("stray", (Code::Unknown, "General error".to_owned())),
        ("broken", (Code::DataLoss, "Error parsing input or configuration".to_owned())),
    ] {
        let one = refusal(ask!(clients.v1, v1, resolve_boolean, ResolveBooleanRequest, key));
        let two = refusal(ask!(clients.v2, v2, resolve_boolean, ResolveBooleanRequest, key));
        let old = refusal(ask!(clients.schema, schema, resolve_boolean, ResolveBooleanRequest, key));
        assert_eq!([&one, &two, &old], [&expected; 3], "{key}");
    }
    let list = refusal(ask!(clients.v1, v1, resolve_object, ResolveObjectRequest, "list"));
    assert_eq!(list, mismatch, "an array is no object");
}

#[tokio::test]
async fn all_flags_come_with_the_type_of_their_default() {
    let mut clients = Clients::plain().await;
    let all = clients.v1.resolve_all(v1::ResolveAllRequest::default()).await.expect("all").into_inner();
    let mut keys: Vec<&str> = all.flags.keys().map(String::as_str).collect();
    keys.sort_unstable();
    assert_eq!(keys, ["broken", "disabled", "hit", "number", "object", "static", "stray", "text"]);
    let flag = |key: &str| {
        let flag = &all.flags[key];
        (flag.value.clone().expect("a value"), &*flag.reason, &*flag.variant)
    };
    assert_eq!(flag("static"), (Any::BoolValue(true), "STATIC", "on"));
    assert_eq!(flag("number"), (Any::DoubleValue(-3.7), "DEFAULT", "n"));
    assert_eq!(flag("disabled"), (Any::BoolValue(false), "DISABLED", ""));
    assert_eq!(flag("broken"), (Any::BoolValue(false), "ERROR", ""));
    assert_eq!(flag("stray"), (Any::BoolValue(false), "ERROR", ""));
    assert_eq!(all.metadata, Some(Struct::default()));
    assert_eq!(all.flags["text"].metadata, metadata(&[("flagSetId", "set"), ("owner", "team")]));
    let old = clients.schema.resolve_all(schema::ResolveAllRequest::default()).await.expect("all");
    assert_eq!(old.into_inner().flags.len(), 8);
    let open = context(&[("open", text("yes"))]);
    let all = clients.v1.resolve_all(v1::ResolveAllRequest { context: open.clone() }).await.expect("all");
    assert!(!all.into_inner().flags.contains_key("open"));
    let old = clients.schema.resolve_all(schema::ResolveAllRequest { context: open }).await.expect("all");
    let value = old.into_inner().flags["open"].value.clone();
    assert_eq!(value, Some(schema::any_flag::Value::BoolValue(true)), "schema.v1 alone has it, as in flagd");
}

#[tokio::test]
async fn a_selector_narrows_and_shows() {
    let other = booleans(&[("static", "off"), ("only", "on")]);
    let sources = [("flags.json", FLAGS), ("other.json", &*other)];
    let mut clients = Clients::of(&sources, Enrichment::default(), None).await;
    let request = || v1::ResolveBooleanRequest { flag_key: "static".into(), ..Default::default() };
    let value =
        |answer: Result<tonic::Response<v1::ResolveBooleanResponse>, Status>| answer.map(|a| a.into_inner());
    let plain = value(clients.v1.resolve_boolean(request()).await).expect("the later source wins");
    assert!(!plain.value);
    let first =
        value(clients.v1.resolve_boolean(selected(request(), "source=flags.json")).await).expect("first");
    assert!(first.value);
    let expected = metadata(&[("flagSetId", "set"), ("owner", "me"), ("source", "flags.json")]);
    assert_eq!(first.metadata, expected);
    let bare = value(clients.v1.resolve_boolean(selected(request(), "other.json")).await).expect("bare");
    assert_eq!((bare.value, bare.metadata), (false, metadata(&[("source", "other.json")])));
    let unknown = clients.v1.resolve_boolean(selected(request(), "nowhere")).await;
    assert_eq!(refusal(unknown).0, Code::NotFound);
    let wrong = "invalid selector key \"foo\", valid keys: \"flagSetId\", \"source\"".to_owned();
    let answer = clients.v1.resolve_boolean(selected(request(), "foo=x")).await;
    assert_eq!(refusal(answer), (Code::InvalidArgument, wrong.clone()));
    let answer = clients.v2.event_stream(selected(v2::EventStreamRequest {}, "foo=x")).await;
    assert_eq!(refusal(answer.map(|_| ())), (Code::InvalidArgument, wrong));
    let all =
        clients.v1.resolve_all(selected(v1::ResolveAllRequest::default(), "nowhere")).await.expect("none");
    let all = all.into_inner();
    assert!(all.flags.is_empty());
    assert_eq!(all.metadata, metadata(&[("source", "nowhere")]));
}

#[tokio::test]
async fn a_key_of_two_sets_has_the_type_of_the_flag_that_counts() {
    let first = r#"{"metadata":{"flagSetId":"z"},"flags":{
        "typed":{"state":"ENABLED","defaultVariant":"s","variants":{"s":"text"}},
        "open":{"state":"ENABLED","defaultVariant":"on","variants":{"on":true}}}}"#;
    let second = r#"{"flags":{
        "typed":{"state":"ENABLED","defaultVariant":"n","variants":{"n":7}},
        "open":{"state":"ENABLED","variants":{"on":true},"targeting":{"if":[true,"on"]}}}}"#;
    let sources = [("first.json", first), ("second.json", second)];
    let mut clients = Clients::of(&sources, Enrichment::default(), None).await;
    let all = clients.v1.resolve_all(v1::ResolveAllRequest::default()).await.expect("all").into_inner();
    let typed = all.flags.get("typed").map(|flag| (flag.value.clone(), &*flag.reason, &*flag.variant));
    assert_eq!(typed, Some((Some(Any::DoubleValue(7.0)), "STATIC", "n")));
    assert!(!all.flags.contains_key("open"), "it has no default, whatever another set's has");
    let old = clients.v1.resolve_all(selected(v1::ResolveAllRequest::default(), "flagSetId=z")).await;
    let old = old.expect("all").into_inner().flags;
    assert_eq!(old["typed"].value, Some(Any::StringValue("text".to_owned())));
    assert_eq!(old["open"].value, Some(Any::BoolValue(true)));
}

#[tokio::test]
async fn mapped_headers_count_but_not_for_the_first_version() {
    let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    let enrichment = Enrichment::new([], [pair("X-User", "user")]).expect("a header name");
    let mut clients = Clients::of(&[("flags.json", FLAGS)], enrichment, None).await;
    let mut request = Request::new(v1::ResolveStringRequest { flag_key: "hit".into(), ..Default::default() });
    request.metadata_mut().insert("x-user", "joe".parse().expect("text"));
    let answer = clients.v1.resolve_string(request).await.expect("an answer").into_inner();
    assert_eq!(answer.value, "ON");
    let mut request =
        Request::new(schema::ResolveStringRequest { flag_key: "hit".into(), ..Default::default() });
    request.metadata_mut().insert("x-user", "joe".parse().expect("text"));
    let answer = clients.schema.resolve_string(request).await.expect("an answer").into_inner();
    assert_eq!(answer.value, "OFF");
}

/// The next event: its name, and its data as JSON.
async fn event(stream: &mut Streaming<v2::EventStreamResponse>) -> (String, serde_json::Value) {
    let next =
        tokio::time::timeout(Duration::from_secs(30), stream.message()).await.expect("an event in time");
    let event = next.expect("no error").expect("an event");
    (event.r#type, serde_json::to_value(event.data).expect("JSON"))
}

#[tokio::test]
async fn a_stream_tells_what_changed_in_what_was_selected() {
    let (first, second) = (booleans(&[("a", "on"), ("b", "on")]), booleans(&[("z", "on")]));
    let sources = [("one.json", &*first), ("two.json", &*second)];
    let mut clients = Clients::of(&sources, Enrichment::default(), None).await;
    let all = clients.v2.event_stream(v2::EventStreamRequest {}).await;
    let mut all = all.expect("a stream").into_inner();
    let two = clients.v2.event_stream(selected(v2::EventStreamRequest {}, "source=two.json")).await;
    let mut two = two.expect("a stream").into_inner();
    assert_eq!(event(&mut all).await, ("provider_ready".to_owned(), json!({})));
    assert_eq!(event(&mut two).await, ("provider_ready".to_owned(), json!({})));

    clients.served.documents[0].set(booleans(&[("a", "off"), ("c", "on")]));
    let changes =
        json!({"flags": {"a": {"type": "update"}, "b": {"type": "delete"}, "c": {"type": "write"}}});
    assert_eq!(event(&mut all).await, ("configuration_change".to_owned(), changes));
    // A source that wins takes the key over; when it lets go, the other's flag is back.
    clients.served.documents[1].set(booleans(&[("a", "on")]));
    let changes = json!({"flags": {"a": {"type": "update"}, "z": {"type": "delete"}}});
    assert_eq!(event(&mut all).await, ("configuration_change".to_owned(), changes));
    let changes = json!({"flags": {"a": {"type": "write"}, "z": {"type": "delete"}}});
    assert_eq!(event(&mut two).await, ("configuration_change".to_owned(), changes), "its first change");

    clients.served.closing.send_replace(true);
    for stream in [&mut all, &mut two] {
        assert_eq!(event(stream).await, ("provider_shutdown".to_owned(), json!({})));
        assert!(stream.message().await.expect("a clean end").is_none());
    }
}

#[tokio::test(start_paused = true)]
async fn silence_is_broken_by_signs_of_life_and_a_deadline_ends_it() {
    let deadline = Some(Duration::from_secs(50));
    let mut clients = Clients::of(&[("flags.json", FLAGS)], Enrichment::default(), deadline).await;
    let stream = clients.v2.event_stream(v2::EventStreamRequest {}).await;
    let mut stream = stream.expect("a stream").into_inner();
    let begin = tokio::time::Instant::now();
    assert_eq!(event(&mut stream).await.0, "provider_ready");
    for seconds in [20, 40] {
        assert_eq!(event(&mut stream).await, ("keep_alive".to_owned(), serde_json::Value::Null));
        assert_eq!(begin.elapsed().as_secs(), seconds);
    }
    let end = stream.message().await.expect_err("the deadline");
    assert_eq!(
        (end.code(), end.message()),
        (Code::DeadlineExceeded, "stream closed due to server-side timeout")
    );
    let stream = clients.schema.event_stream(schema::EventStreamRequest {}).await;
    let mut stream = stream.expect("a stream").into_inner();
    for _ in 0..5 {
        stream.message().await.expect("schema.v1 has no deadline");
    }
}
