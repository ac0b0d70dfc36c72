//! OFREP as flagd 0.16.1 speaks it (contract 4), and what 0.3.0 of the specification adds.

#![allow(clippy::expect_used, reason = "a test that cannot go on says why")]

mod served;

use std::convert::Infallible;
use std::time::Duration;

use bytes::Bytes;
use hoistd::light::Enrichment;
use hoistd::services::ofrep::Ofrep;
use http::{Method, Request};
use http_body_util::{BodyExt, Full};
use serde_json::{Value, json};
use served::{Answer, Served, send};
use tower::ServiceExt;

const FLAGS: &str = r#"{
  "metadata": {"team": "web", "z": 1},
  "flags": {
    "b": {"state": "ENABLED", "variants": {"on": true, "off": false}, "defaultVariant": "off"},
    "n": {"state": "ENABLED", "variants": {"big": 1e21, "one": 1.0}, "defaultVariant": "big"},
    "a/b": {"state": "ENABLED", "variants": {"x": "slash"}, "defaultVariant": "x"},
    "list": {"state": "ENABLED", "variants": {"l": [1, {"a": "<>"}]}, "defaultVariant": "l"},
    "null": {"state": "ENABLED", "variants": {"v": null}, "defaultVariant": "v"},
    "none": {"state": "ENABLED", "variants": {"v": 1}, "metadata": {"own": true, "team": null}},
    "dis": {"state": "DISABLED", "variants": {"v": 1}, "defaultVariant": "v"}
  }
}"#;

const RULES: &str = r#"{
  "flags": {
    "mail": {"state": "ENABLED", "variants": {"in": "yes", "out": 0}, "defaultVariant": "out",
      "targeting": {"if": [{"==": [{"var": "email"}, "a@b.c"]}, "in", null]}},
    "static-x": {"state": "ENABLED", "variants": {"in": "yes", "out": "no"}, "defaultVariant": "out",
      "targeting": {"if": [{"==": [{"var": "x"}, "1"]}, "in", null]}},
    "header": {"state": "ENABLED", "variants": {"in": "yes", "out": "no"}, "defaultVariant": "out",
      "targeting": {"if": [{"==": [{"var": "tenant"}, "t1"]}, "in", null]}},
    "unknown": {"state": "ENABLED", "variants": {"v": 1}, "defaultVariant": "v", "targeting": {"if": [true, "gone"]}},
    "broken": {"state": "ENABLED", "variants": {"v": 1}, "defaultVariant": "v", "metadata": {"m": 1},
      "targeting": {"+": [null, 1]}}
  }
}"#;

async fn ofrep(flags: &str) -> (Ofrep, Served) {
    let served = Served::new(&[("flags.json", flags)], Enrichment::default()).await;
    (service(&served), served)
}

fn service(served: &Served) -> Ofrep {
    let closing = served.closing.subscribe();
    Ofrep::new(served.ask.clone(), served.store.clone(), Some(1_000_000), "", closing)
}

fn pair(key: &str, value: &str) -> (String, String) {
    (key.to_owned(), value.to_owned())
}

async fn single(service: &Ofrep, key: &str, body: &'static str) -> Answer {
    send(service, Request::post(format!("/ofrep/v1/evaluate/flags/{key}")), body).await
}

async fn bulk(service: &Ofrep, headers: &[(&str, &str)], body: &'static str) -> Answer {
    let mut request = Request::post("/ofrep/v1/evaluate/flags");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    send(service, request, body).await
}

#[tokio::test]
async fn single_evaluations_to_the_letter() {
    let (service, _served) = ofrep(FLAGS).await;
    let metadata = r#""metadata":{"team":"web","z":1}"#;
    for (key, status, body) in [
        ("b", 200, format!(r#"{{"value":false,"key":"b","reason":"STATIC","variant":"off",{metadata}}}"#)),
        ("n", 200, format!(r#"{{"value":1e+21,"key":"n","reason":"STATIC","variant":"big",{metadata}}}"#)),
        ("a%2Fb", 200, format!(r#"{{"value":"slash","key":"a/b","reason":"STATIC","variant":"x",{metadata}}}"#)),
        ("none", 200, r#"{"key":"none","reason":"DEFAULT","metadata":{"own":true,"z":1}}"#.to_owned()),
        ("dis", 200, format!(r#"{{"key":"dis","reason":"DISABLED",{metadata}}}"#)),
        (
            "null",
            400,
            format!(r#"{{"key":"null","errorCode":"GENERAL","errorDetails":"error processing the flag for evaluation",{metadata}}}"#),
        ),
        (
            "missing",
            404,
            r#"{"key":"missing","errorCode":"FLAG_NOT_FOUND","errorDetails":"flag `missing` does not exist","metadata":{}}"#
                .to_owned(),
        ),
    ] {
        let answer = single(&service, key, "{}").await;
        assert_eq!((answer.status.as_u16(), answer.text()), (status, &*body));
        assert_eq!(answer.header("content-type"), Some("application/json"));
        assert_eq!(answer.header("etag"), None);
    }
    assert_eq!(single(&service, "list", "").await.json()["value"], json!([1, {"a": "<>"}]));
}

#[tokio::test]
async fn rules_see_the_context_and_fail_as_flagd_does() {
    let (service, _served) = ofrep(RULES).await;
    let hit = single(&service, "mail", r#"{"context":{"email":"a@b.c"}}"#).await;
    assert_eq!(
        hit.text(),
        r#"{"value":"yes","key":"mail","reason":"TARGETING_MATCH","variant":"in","metadata":{}}"#
    );
    let miss = single(&service, "mail", r#"{"context":{"email":"x"}}"#).await;
    assert_eq!(miss.text(), r#"{"value":0,"key":"mail","reason":"DEFAULT","variant":"out","metadata":{}}"#);
    let unknown = single(&service, "unknown", "{}").await;
    assert_eq!((unknown.status.as_u16(), &unknown.json()["errorCode"]), (400, &json!("GENERAL")));
    let broken = single(&service, "broken", "{}").await;
    assert_eq!(broken.status, 400);
    assert_eq!(
        broken.text(),
        r#"{"key":"broken","errorCode":"PARSE_ERROR","errorDetails":"error parsing the flag `broken`","metadata":{"m":1}}"#
    );
}

#[tokio::test]
async fn odd_bodies_are_taken_as_flagd_takes_them() {
    let (service, _served) = ofrep(FLAGS).await;
    for body in [
        "",
        "{}",
        "null",
        r#"{"context":null}"#,
        r#"{"context":"str"}"#,
        r#"{"context":[1]}"#,
        r#"{"context":{"a":1}} trailing"#,
        r#"{"context":{"a":1},"context":{}}"#,
    ] {
        assert_eq!(single(&service, "b", body).await.status, 200, "{body}");
        assert_eq!(bulk(&service, &[], body).await.status, 200, "{body}");
    }
    for body in ["[1]", "\"x\"", "{bad", r#"{"context":{"a":1e999}}"#] {
        let answer = single(&service, "b", body).await;
        assert_eq!(answer.status, 400, "{body}");
        assert_eq!(
            answer.text(),
            r#"{"key":"b","errorCode":"INVALID_CONTEXT","errorDetails":"Provider context is not valid","metadata":null}"#
        );
        let answer = bulk(&service, &[], body).await;
        assert_eq!(answer.status, 400, "{body}");
        assert_eq!(
            answer.text(),
            r#"{"errorCode":"INVALID_CONTEXT","errorDetails":"Provider context is not valid","metadata":null}"#
        );
    }
}

#[tokio::test]
async fn bytes_that_are_no_text_and_nesting_without_end_are_survived() {
    let (service, _served) = ofrep(FLAGS).await;
    let post = || Request::post("/ofrep/v1/evaluate/flags/b");
    assert_eq!(send(&service, post(), &b"{\"context\":{\"a\":\"\xff\"}}"[..]).await.status, 200);
    assert_eq!(send(&service, post(), &b"\xff"[..]).await.status, 400);
    let deep = format!(r#"{{"context":{{"a":{}{}}}}}"#, "[".repeat(200_000), "]".repeat(200_000));
    assert_eq!(send(&service, post(), deep).await.status, 400);
}

#[tokio::test]
async fn other_methods_and_paths() {
    let (service, _served) = ofrep(FLAGS).await;
    for (method, path, status) in [
        (Method::GET, "/ofrep/v1/evaluate/flags", 405),
        (Method::HEAD, "/ofrep/v1/evaluate/flags/b", 405),
        (Method::OPTIONS, "/ofrep/v1/evaluate/flags/b", 405),
        (Method::POST, "/ofrep/v1/sse", 405),
        (Method::POST, "/ofrep/v1/configuration", 404),
        (Method::POST, "/", 404),
        (Method::POST, "/ofrep/v1/evaluate/flags/b/", 404),
        (Method::POST, "/ofrep/v1/evaluate/flags/a/b", 404),
        (Method::POST, "/ofrep/v1/evaluate/flags/a%2", 400),
        (Method::POST, "/ofrep/v1/evaluate/flags/", 200),
    ] {
        let answer = send(&service, Request::builder().method(method.clone()).uri(path), "").await;
        assert_eq!(answer.status, status, "{method} {path}");
        assert_eq!(answer.header("allow"), None);
        if status == 405 {
            assert!(answer.body.is_empty());
        }
        if status == 404 {
            assert_eq!(answer.text(), "404 page not found\n");
            assert_eq!(answer.header("content-type"), Some("text/plain; charset=utf-8"));
            assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        }
    }
    let answer = send(&service, Request::post("//ofrep/v1//evaluate/flags?a=b"), "").await;
    assert_eq!(
        (answer.status.as_u16(), answer.header("location")),
        (301, Some("/ofrep/v1/evaluate/flags?a=b"))
    );
}

#[tokio::test]
async fn a_body_too_large_is_refused() {
    let (service, _served) = ofrep(FLAGS).await;
    let body = format!(r#"{{"context":{{"a":"{}"}}}}"#, "x".repeat(1_000_000));
    let answer = send(&service, Request::post("/ofrep/v1/evaluate/flags/b"), body).await;
    assert_eq!(answer.status, 413);
    assert_eq!(answer.text(), r#"{"errorDetails":"request body too large"}"#);
    assert_eq!(answer.header("connection"), Some("close"));
    assert_eq!(answer.header("content-type"), Some("application/json"));
}

#[tokio::test]
async fn bulk_lists_every_flag_whatever_its_type() {
    let (service, _served) = ofrep(FLAGS).await;
    let answer = bulk(&service, &[], "").await;
    assert_eq!(answer.status, 200);
    let body = answer.json();
    let items = body["flags"].as_array().expect("an array");
    let keys: Vec<&str> = items.iter().map(|item| item["key"].as_str().expect("a key")).collect();
    assert_eq!(keys, ["a/b", "b", "dis", "list", "n", "none", "null"]);
    assert_eq!(items[3]["value"], json!([1, {"a": "<>"}]));
    assert_eq!(items[2], json!({"key": "dis", "reason": "DISABLED", "metadata": {"team": "web", "z": 1}}));
    assert_eq!(items[6]["errorCode"], "GENERAL");
    assert_eq!(body["metadata"], json!({}));
    let (service, _served) = ofrep(r#"{"flags":{}}"#).await;
    let body = bulk(&service, &[], "").await.json();
    assert_eq!((&body["flags"], &body["metadata"]), (&json!([]), &json!({})));
}

#[tokio::test]
async fn a_key_of_several_sources_is_listed_once_and_selectors_choose() {
    let flag = |value: &str, set: &str| {
        format!(
            r#"{{"metadata":{{"flagSetId":"{set}"}},"flags":{{"k":{{"state":"ENABLED","variants":{{"v":"{value}"}},"defaultVariant":"v"}}}}}}"#
        )
    };
    let (low, high) = (flag("low", "one"), flag("high", "two"));
    let served = Served::new(&[("low.json", &low), ("high.json", &high)], Enrichment::default()).await;
    let service = service(&served);
    let values = |body: &Value| -> Vec<Value> {
        body["flags"].as_array().expect("an array").iter().map(|item| item["value"].clone()).collect()
    };
    for (selector, expected, reflected) in [
        ("", json!(["high"]), json!({})),
        ("flagSetId=one", json!(["low"]), json!({"flagSetId": "one"})),
        ("source=low.json", json!(["low"]), json!({"source": "low.json"})),
        ("low.json", json!(["low"]), json!({"source": "low.json"})),
        ("nope", json!([]), json!({"source": "nope"})),
        ("flagSetId=", json!([]), json!({})),
    ] {
        let body = bulk(&service, &[("Flagd-Selector", selector)], "").await.json();
        assert_eq!((Value::from(values(&body)), &body["metadata"]), (expected, &reflected), "{selector}");
    }
    let post = || Request::post("/ofrep/v1/evaluate/flags/k");
    let answer = send(&service, post().header("flagd-selector", "low.json"), "").await;
    assert_eq!(
        answer.text(),
        r#"{"value":"low","key":"k","reason":"STATIC","variant":"v","metadata":{"flagSetId":"one","source":"low.json"}}"#
    );
    let answer = send(&service, post().header("flagd-selector", "nope"), "").await;
    assert_eq!((answer.status.as_u16(), &answer.json()["metadata"]), (404, &json!({"source": "nope"})));
    let answer = send(&service, post().header("flagd-selector", "foo=bar"), "").await;
    assert_eq!(answer.status, 400);
    assert_eq!(
        answer.text(),
        r#"{"key":"k","errorCode":"GENERAL","errorDetails":"invalid selector: invalid selector key \"foo\", valid keys: \"flagSetId\", \"source\"","metadata":null}"#
    );
    let answer = bulk(&service, &[("flagd-selector", "foo=bar")], "").await;
    assert_eq!(answer.status, 400);
    assert!(answer.text().starts_with(r#"{"errorCode":"GENERAL","errorDetails":"invalid selector: "#));
}

#[tokio::test]
async fn a_tag_covers_flags_context_selector_and_headers() {
    let enrichment = Enrichment::new([pair("x", "1")], [pair("X-Tenant", "tenant")]).expect("valid");
    let served = Served::new(&[("flags.json", RULES)], enrichment).await;
    let service = service(&served);
    let base = bulk(&service, &[], r#"{"context":{"a":1}}"#).await;
    let tag = base.header("etag").expect("a tag").to_owned();
    assert!(tag.starts_with('"') && tag.ends_with('"'), "{tag} is no strong tag");

    for known in [tag.clone(), format!("W/{tag}"), format!("\"x\", {tag}"), "*".to_owned()] {
        let again = bulk(&service, &[("if-none-match", &known)], r#"{"context":{"a":1}}"#).await;
        assert_eq!(again.status, 304, "{known}");
        assert_eq!((again.header("etag"), again.body.len()), (Some(&*tag), 0));
    }
    for (headers, body) in [
        (vec![], r#"{"context":{"a":2}}"#),
        (vec![("flagd-selector", "flags.json")], r#"{"context":{"a":1}}"#),
        (vec![("x-tenant", "t1")], r#"{"context":{"a":1}}"#),
        (vec![("x-forwarded-prefix", "/api")], r#"{"context":{"a":1}}"#),
    ] {
        let mut conditional = headers.clone();
        conditional.push(("if-none-match", &tag));
        let other = bulk(&service, &conditional, body).await;
        assert_eq!(other.status, 200, "{headers:?} {body}");
        assert_ne!(other.header("etag"), Some(&*tag), "{headers:?} {body}");
    }
    let unmapped = [("x-other", "1"), ("if-none-match", &*tag)];
    assert_eq!(bulk(&service, &unmapped, r#"{"context":{"a":1}}"#).await.status, 304);

    // Another process with the same flags and options gives the same tag; other options give another.
    for (fixed, same) in [("1", true), ("2", false)] {
        let enrichment = Enrichment::new([pair("x", fixed)], [pair("X-Tenant", "tenant")]).expect("valid");
        let other = Served::new(&[("flags.json", RULES)], enrichment).await;
        let answer = bulk(&self::service(&other), &[], r#"{"context":{"a":1}}"#).await;
        assert_eq!(answer.header("etag") == Some(&*tag), same, "x={fixed}");
    }
}

#[tokio::test]
async fn a_changed_flag_changes_the_tag_of_those_who_see_it() {
    let served = Served::new(
        &[("a.json", FLAGS), ("b.json", r#"{"flags":{"only-b":{"variants":{"v":1},"defaultVariant":"v"}}}"#)],
        Enrichment::default(),
    )
    .await;
    let service = service(&served);
    let all = bulk(&service, &[], "").await;
    let ours = bulk(&service, &[("flagd-selector", "a.json")], "").await;
    let mut generation = served.store.subscribe();
    generation.mark_unchanged();
    served.documents[1].set(r#"{"flags":{"only-b":{"variants":{"v":2},"defaultVariant":"v"}}}"#);
    generation.changed().await.expect("a change");
    let tag = |answer: &Answer| answer.header("etag").expect("a tag").to_owned();
    assert_eq!(bulk(&service, &[("if-none-match", &tag(&all))], "").await.status, 200);
    let selected = [("flagd-selector", "a.json"), ("if-none-match", &*tag(&ours))];
    assert_eq!(bulk(&service, &selected, "").await.status, 304);
}

#[tokio::test]
async fn flags_that_ask_for_the_time_are_tagged_by_their_answers() {
    let flags = r#"{"flags":{"t":{"state":"ENABLED","variants":{"past":1,"future":2},"defaultVariant":"past",
        "targeting":{"if":[{">":[{"var":"$flagd.timestamp"},99999999999]},"future","past"]}}}}"#;
    let (service, _served) = ofrep(flags).await;
    let first = bulk(&service, &[], r#"{"context":{"a":1}}"#).await;
    let tag = first.header("etag").expect("a tag").to_owned();
    // The context counts for nothing here; what is answered does.
    let again = bulk(&service, &[("if-none-match", &tag)], r#"{"context":{"a":2}}"#).await;
    assert_eq!(again.status, 304);
}

#[tokio::test]
async fn evaluations_are_counted() {
    let (service, served) = ofrep(FLAGS).await;
    single(&service, "b", "").await;
    single(&service, "made-up", "").await;
    bulk(&service, &[], "").await;
    let mut out = hoistd::telemetry::Exposition::default();
    served.telemetry.render(&mut out);
    let text = out.finish();
    assert!(text.contains(r#"feature_flag_flagd_impression_total{feature_flag_key="b",feature_flag_provider_name="flagd",feature_flag_reason="STATIC",feature_flag_result_variant="off"} 2"#), "{text}");
    assert!(!text.contains("made-up"));
}

#[tokio::test]
async fn the_event_stream_named_in_a_bulk_answer_tells_of_changes_to_its_selection() {
    let flag =
        |value: u8| format!(r#"{{"flags":{{"k":{{"variants":{{"v":{value}}},"defaultVariant":"v"}}}}}}"#);
    let served =
        Served::new(&[("a b.json", &flag(1)), ("other.json", &flag(1))], Enrichment::default()).await;
    let service = service(&served);
    let headers = [("flagd-selector", "source=a b.json"), ("x-forwarded-prefix", "/flags/")];
    let body = bulk(&service, &headers, "").await.json();
    let stream = &body["eventStreams"][0];
    assert_eq!((&stream["type"], &stream["inactivityDelaySec"]), (&json!("sse"), &json!(120)));
    let address = stream["endpoint"]["requestUri"].as_str().expect("an address");
    let address = address.strip_prefix("/flags").expect("the proxy's prefix");
    assert!(address.starts_with("/ofrep/v1/sse?since="), "{address}");
    assert!(address.ends_with("&selector=source%3Da%20b%2Ejson"), "{address}");

    let request = Request::get(address).body(Full::new(Bytes::new())).expect("a request");
    let Ok(response) = service.clone().oneshot(request).await;
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let mut body = response.into_body();
    let greeting = next(&mut body).await.expect("a greeting");
    assert!(greeting.starts_with("retry: 3000\nid: ") && !greeting.contains("data:"), "{greeting}");

    served.documents[1].set(flag(2));
    assert!(
        tokio::time::timeout(Duration::from_millis(300), next(&mut body)).await.is_err(),
        "not its flags"
    );
    served.documents[0].set(flag(2));
    let event = next(&mut body).await.expect("an event");
    let data = event.lines().find_map(|line| line.strip_prefix("data: ")).expect("data");
    let data: Value = serde_json::from_str(data).expect("JSON");
    assert_eq!(data["type"], "refetchEvaluation");
    assert!(event.contains(&format!("id: {}\n", data["etag"].as_str().expect("a tag"))), "{event}");

    served.closing.send_replace(true);
    assert_eq!(next(&mut body).await, None);
}

#[tokio::test]
async fn a_client_that_was_away_learns_what_it_missed() {
    let (service, _served) = ofrep(FLAGS).await;
    let first = |request: http::request::Builder| async {
        let request = request.body(Full::new(Bytes::new())).expect("a request");
        let Ok(response) = service.clone().oneshot(request).await;
        next(&mut response.into_body()).await.expect("a greeting")
    };
    let plain = first(Request::get("/ofrep/v1/sse")).await;
    let tag = plain.lines().find_map(|line| line.strip_prefix("id: ")).expect("a tag").to_owned();
    assert!(!plain.contains("refetchEvaluation"));
    assert!(first(Request::get("/ofrep/v1/sse?since=old")).await.contains("refetchEvaluation"));
    let back = Request::get("/ofrep/v1/sse?since=old").header("last-event-id", &tag);
    assert!(!first(back).await.contains("refetchEvaluation"));
    let bad = send(&service, Request::get("/ofrep/v1/sse?selector=foo%3Dbar"), "").await;
    assert_eq!(bad.status, 400);
}

#[tokio::test]
async fn what_a_real_flagd_answered() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/goldens/flagd-0.16.1");
    let Ok(flags) = std::fs::read_to_string(format!("{folder}/flags.json")) else {
        println!("skipped: no ../shared/goldens/flagd-0.16.1");
        return;
    };
    let read = |name: &str| -> Vec<Value> {
        let file = std::fs::File::open(format!("{folder}/{name}.json.gz")).expect("a file");
        serde_json::from_reader(flate2::read::GzDecoder::new(file)).expect("JSON")
    };
    let (service, _served) = ofrep(&flags).await;
    let (questions, answers) = (read("questions"), read("answers"));
    let mut wrong = Vec::new();
    for (question, answer) in questions.iter().zip(&answers) {
        let key = question["flag"].as_str().expect("a key");
        let body = json!({"context": question["context"]}).to_string();
        let ours = send(&service, Request::post(format!("/ofrep/v1/evaluate/flags/{key}")), body).await;
        let ours = json!([ours.status.as_u16(), ours.json()]);
        if ours != answer["ofrep"] {
            wrong.push(format!("{question}\n  flagd {}\n  ours  {ours}", answer["ofrep"]));
        }
    }
    let shown = wrong.iter().take(10).cloned().collect::<Vec<_>>().join("\n");
    assert!(wrong.is_empty(), "{} of {} differ:\n{shown}", wrong.len(), questions.len());
}

#[tokio::test]
async fn over_a_socket() {
    use hoistd::listen::{Address, Endpoint, Limits};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    let (service, _served) = ofrep(FLAGS).await;
    let address = Address::Tcp(([127, 0, 0, 1], 0).into());
    let endpoint =
        Endpoint { address, setting: "--ofrep-port", tls: None, http2: false, limits: Limits::default() };
    let bound = endpoint.bind().await.expect("a port");
    let address = bound.local_addr().expect("an address");
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let stopped = async { stopped.await.unwrap_or_default() };
    let serving = tokio::spawn(bound.serve(service, stopped, Duration::from_secs(1)));
    let mut stream = tokio::net::TcpStream::connect(address).await.expect("a connection");
    let request = "POST /ofrep/v1/evaluate/flags/b HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\n{}\
                   GET /ofrep/v1/evaluate/flags HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).await.expect("a request");
    let mut text = String::new();
    stream.read_to_string(&mut text).await.expect("answers");
    assert!(text.starts_with("HTTP/1.1 200 OK\r\n"), "{text}");
    assert!(text.contains("content-type: application/json\r\n"), "{text}");
    assert!(text.contains(r#"{"value":false,"key":"b","reason":"STATIC","variant":"off""#), "{text}");
    assert!(text.contains("HTTP/1.1 405 Method Not Allowed\r\n"), "{text}");
    stop.send(()).expect("still serving");
    assert_eq!(serving.await.expect("no panic"), 0);
}

/// The next piece of a stream; `None` at its end.
async fn next(body: &mut tonic::body::Body) -> Option<String> {
    let frame = body.frame().await?.expect("a frame").into_data().ok()?;
    Some(String::from_utf8(frame.to_vec()).expect("text"))
}

#[tokio::test]
async fn a_body_that_breaks_off_is_no_context() {
    let (service, _served) = ofrep(FLAGS).await;
    let frames = [Ok(http_body::Frame::data(Bytes::from("{\"con"))), Err("gone")];
    let body = http_body_util::StreamBody::new(futures_util::stream::iter(frames));
    let request = Request::post("/ofrep/v1/evaluate/flags/b").body(body).expect("a request");
    let answer: Result<_, Infallible> = service.oneshot(request).await;
    assert_eq!(answer.expect("an answer").status(), 400);
}
