//! The management port (contract 8), its readiness report and its metrics.

#![allow(clippy::expect_used, reason = "a test that cannot go on says why")]

mod served;

use std::io::Read;

use hoistd::light::Enrichment;
use hoistd::services::management::Management;
use http::{Method, Request};
use serde_json::json;
use served::{Served, send};

const GOOD: &str = r#"{"flags":{
  "a":{"state":"ENABLED","variants":{"on":true},"defaultVariant":"on"},
  "b":{"state":"DISABLED","variants":{"on":true},"defaultVariant":"on"}}}"#;

fn management(served: &Served) -> Management {
    Management::new(served.store.clone(), served.telemetry.clone(), served.closing.subscribe())
}

#[tokio::test]
async fn alive_and_ready_without_words() {
    let served = Served::new(&[("a.json", GOOD)], Enrichment::default()).await;
    let service = management(&served);
    for method in [Method::GET, Method::HEAD, Method::POST, Method::DELETE] {
        for path in ["/healthz", "/readyz"] {
            let answer = send(&service, Request::builder().method(&method).uri(path), "").await;
            assert_eq!((answer.status.as_u16(), answer.body.len()), (200, 0), "{method} {path}");
        }
    }
    assert_eq!(send(&service, Request::get("/"), "").await.status, 404);
    assert_eq!(send(&service, Request::get("/readyz/"), "").await.status, 404);
}

#[tokio::test]
async fn unready_says_why_to_whoever_asks() {
    let served =
        Served::new(&[("good.json", GOOD), ("bad.json", "{\"flags\":\n oops}")], Enrichment::default()).await;
    let service = management(&served);
    let plain = send(&service, Request::get("/readyz").header("accept", "*/*"), "").await;
    assert_eq!((plain.status.as_u16(), plain.body.len()), (412, 0));
    assert_eq!(send(&service, Request::get("/healthz"), "").await.status, 200);
    for request in [
        Request::get("/readyz").header("accept", "text/html, application/json;q=0.9"),
        Request::get("/readyz?verbose"),
        Request::get("/readyz?verbose=1"),
        Request::get("/readyz?format=json"),
    ] {
        let answer = send(&service, request, "").await;
        assert_eq!((answer.status.as_u16(), answer.header("content-type")), (412, Some("application/json")));
        let report = answer.json();
        assert_eq!(report["ready"], false);
        assert_eq!(report["flags"], 2);
        let [good, bad] = report["sources"].as_array().expect("sources").as_slice() else {
            panic!("two sources")
        };
        assert_eq!(
            (&good["name"], &good["state"], &good["flags"]),
            (&json!("good.json"), &json!("ok"), &json!(2))
        );
        assert!(good["lastSuccessAgeSeconds"].as_f64().expect("an age") < 60.0);
        assert_eq!(good["revision"].as_str().expect("a revision").len(), 64);
        assert_eq!(
            (&bad["name"], &bad["state"], &bad["ready"]),
            (&json!("bad.json"), &json!("refused"), &json!(false))
        );
        assert!(bad["error"].as_str().expect("an error").contains("line 2"), "{bad}");
    }
}

#[tokio::test]
async fn a_bad_flag_is_named_with_its_line() {
    let flags = "{\"flags\":{\n\"a\":{\"variants\":{\"on\":true},\"defaultVariant\":\"on\"},\n\"bad\":{\"variants\":{\"on\":true},\"defaultVariant\":\"off\"}}}";
    let served = Served::new(&[("flags.json", flags)], Enrichment::default()).await;
    let report = send(&management(&served), Request::get("/readyz?verbose"), "").await.json();
    let problems = &report["sources"][0]["problems"];
    assert!(problems["total"].as_u64().expect("a number") >= 1, "{report}");
    let of_bad: Vec<_> = problems["list"]
        .as_array()
        .expect("a list")
        .iter()
        .filter(|problem| problem["flag"] == "bad")
        .collect();
    assert!(of_bad.iter().any(|problem| problem["line"] == 3 && problem["severity"] == "error"), "{report}");
}

#[tokio::test]
async fn metrics_tell_of_sources_and_flags() {
    let served = Served::new(&[("a.json", GOOD), ("bad.json", "{")], Enrichment::default()).await;
    let service = management(&served);
    let answer = send(&service, Request::get("/metrics"), "").await;
    assert_eq!(answer.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    for line in [
        r#"hoistd_source_up{source="a.json",kind="memory",priority="0"} 1"#,
        r#"hoistd_source_up{source="bad.json",kind="memory",priority="1"} 0"#,
        r#"hoistd_source_flags{source="a.json",kind="memory",priority="0"} 2"#,
        r#"hoistd_source_errors_total{source="bad.json",kind="memory",priority="1"} 1"#,
        r#"hoistd_flags{state="enabled"} 1"#,
        r#"hoistd_flags{state="disabled"} 1"#,
        "hoistd_snapshot_generation 1",
        "hoistd_config_rejected_total 0",
        "hoistd_ready 0",
    ] {
        assert!(answer.text().lines().any(|found| found == line), "missing {line} in\n{}", answer.text());
    }
    well_formed(answer.text());

    let zipped = send(&service, Request::get("/metrics").header("accept-encoding", "br, gzip"), "").await;
    assert_eq!(zipped.header("content-encoding"), Some("gzip"));
    let mut text = String::new();
    flate2::read::GzDecoder::new(&zipped.body[..]).read_to_string(&mut text).expect("gzip");
    assert!(text.contains("hoistd_build_info{"));
    let refused = send(&service, Request::get("/metrics").header("accept-encoding", "gzip;q=0"), "").await;
    assert_eq!(refused.header("content-encoding"), None);
}

/// Every sample belongs to the family announced before it, no family comes twice, no series comes twice.
fn well_formed(text: &str) {
    let mut families = std::collections::HashSet::new();
    let mut series = std::collections::HashSet::new();
    let mut family = "";
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            family = rest.split(' ').next().expect("a name");
            assert!(families.insert(family), "{family} comes twice");
        } else if !line.starts_with('#') {
            let (name, value) = line.rsplit_once(' ').expect("a value");
            assert!(name.starts_with(family), "{line} is not of {family}");
            assert!(series.insert(name), "{name} comes twice");
            value.parse::<f64>().expect("a number");
        }
    }
    assert!(families.len() > 10);
}

#[tokio::test]
async fn secrets_of_a_source_do_not_show() {
    let mut served = Served::new(&[], Enrichment::default()).await;
    let (memory, _handle) = store::Memory::new("oops", store::Format::Json);
    let origin = store::Origin::new(
        "http",
        "https://me:hunter2@example.test/f.json?sig=hunter2",
        serde_json::Map::new(),
    );
    let settings = store::Settings::new(std::time::SystemTime::now);
    served.store = std::sync::Arc::new(store::Store::open(settings, vec![(origin, Box::new(memory))]));
    served.store.first_load().await;
    let service = management(&served);
    for path in ["/readyz?verbose", "/metrics"] {
        let answer = send(&service, Request::get(path), "").await;
        assert!(answer.text().contains("example.test"), "{path}");
        assert!(!answer.text().contains("hunter2"), "{path}");
    }
}

#[tokio::test]
async fn grpc_health_over_http2() {
    use tonic_health::pb::HealthCheckRequest;
    use tonic_health::pb::health_check_response::ServingStatus;
    use tonic_health::pb::health_client::HealthClient;

    let served = Served::new(&[], Enrichment::default()).await;
    // The client speaks to the service itself: what goes over the wire is `listen`'s business.
    let mut client = HealthClient::new(management(&served));
    let ask = |service: &str| HealthCheckRequest { service: service.to_owned() };
    let answer = client.check(ask("")).await.expect("an answer").into_inner();
    assert_eq!(answer.status(), ServingStatus::Serving);
    let error = client.check(ask("flagd.evaluation.v1.Service")).await.expect_err("unknown");
    assert_eq!((error.code(), error.message()), (tonic::Code::NotFound, "unknown service"));

    let mut watch = client.watch(ask("")).await.expect("a stream").into_inner();
    let first = watch.message().await.expect("a message").expect("a status");
    assert_eq!(first.status(), ServingStatus::Serving);
    served.closing.send_replace(true);
    let last = watch.message().await.expect("a message").expect("a status");
    assert_eq!(last.status(), ServingStatus::NotServing);
    assert!(watch.message().await.expect("the end").is_none());
    assert_eq!(client.watch(ask("x")).await.expect_err("unknown").code(), tonic::Code::NotFound);
}
