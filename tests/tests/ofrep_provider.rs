//! The OFREP provider against a daemon: answers of every kind, changes by event stream, and a daemon that goes and comes.
//!
//! `HOIST_FLIPS` sets how often the kill switch is flipped (10 unless told); from 100 on the latency is held to its promise.
#![allow(clippy::expect_used, clippy::panic, clippy::print_stdout)]

use std::path::Path;
use std::time::{Duration, Instant};

use kit::{EventKind, Handle, State, Type};
use ofrep::{Bulk, Mode, OfrepResolver, Options};
use open_feature::{EvaluationContext, EvaluationErrorCode, EvaluationReason, OpenFeature, StructValue};
use serde_json::{Value, json};
use tests::world::{Daemon, DaemonOptions, another_daemon};

const PATIENCE: Duration = Duration::from_secs(20);

fn flags() -> Value {
    let flag = |variants: Value, default: &str| json!({"state": "ENABLED", "variants": variants, "defaultVariant": default});
    let targeting = json!({"if": [{"==": [{"var": "plan"}, "pro"]}, "on", "off"]});
    let mut targeted = flag(json!({"on": true, "off": false}), "off");
    targeted["targeting"] = targeting;
    targeted["metadata"] = json!({"owner": "growth", "age": 3});
    let mut disabled = flag(json!({"on": true}), "on");
    disabled["state"] = "DISABLED".into();
    json!({"flags": {
        "bool": flag(json!({"on": true, "off": false}), "on"),
        "int": flag(json!({"big": 9_007_199_254_740_991_i64}), "big"),
        "float": flag(json!({"half": 0.5}), "half"),
        "text/with slash": flag(json!({"de": "grüß <dich>"}), "de"),
        "object": flag(json!({"o": {"list": [1, "two", {"three": 3}], "nested": {"a": true}}}), "o"),
        "targeted": targeted,
        "disabled": disabled,
        "undecided": {"state": "ENABLED", "variants": {"on": true}, "defaultVariant": null},
    }})
}

fn daemon(document: &Value) -> (tempfile::TempDir, Daemon) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("flags.json");
    std::fs::write(&path, document.to_string()).expect("a writable file");
    let daemon = DaemonOptions::new(["-f".to_owned(), format!("file:{}", path.display())]).start();
    (folder, daemon)
}

fn options(daemon: &Daemon, mode: Mode) -> Options {
    Options { base_url: format!("http://127.0.0.1:{}", daemon.ports().ofrep), mode, ..Options::default() }
}

fn followed() -> Mode {
    // No polling: what arrives, arrives by the event stream.
    Mode::Bulk(Bulk { poll_interval: Duration::ZERO, ..Bulk::default() })
}

#[tokio::test]
async fn every_kind_of_answer_is_understood_asked_and_kept() {
    let (_folder, daemon) = daemon(&flags());
    for mode in [Mode::PerRequest, followed()] {
        let label = format!("{mode:?}");
        let provider = ofrep::provider(options(&daemon, mode)).expect("options");
        let handle = provider.handle();
        let mut api = OpenFeature::default();
        api.set_provider(provider).await;
        handle.ready(PATIENCE).await.expect("ready");
        let client = api.create_client();
        let details = client.get_bool_details("bool", None, None).await.expect("a value");
        assert_eq!((details.value, details.variant.as_deref()), (true, Some("on")), "{label}");
        assert_eq!(details.reason, Some(EvaluationReason::Static), "{label}");
        assert_eq!(client.get_int_value("int", None, None).await, Ok(9_007_199_254_740_991), "{label}");
        assert_eq!(client.get_float_value("float", None, None).await, Ok(0.5), "{label}");
        let text = client.get_string_value("text/with slash", None, None).await;
        if another_daemon() && text.is_err() && label == "PerRequest" {
            println!("skipped: the other daemon cannot be asked for a key with a slash");
        } else {
            assert_eq!(text.as_deref(), Ok("grüß <dich>"), "{label}");
        }
        let object = client.get_struct_value::<StructValue>("object", None, None).await.expect("a value");
        let list = object.fields["list"].as_array().expect("a list");
        assert_eq!((list.len(), object.fields.len()), (3, 2), "{label}");

        let pro = EvaluationContext::default().with_targeting_key("u").with_custom_field("plan", "pro");
        let details = client.get_bool_details("targeted", Some(&pro), None).await.expect("a value");
        assert_eq!(
            (details.value, details.reason),
            (true, Some(EvaluationReason::TargetingMatch)),
            "{label}"
        );
        assert_eq!(details.flag_metadata.values.len(), 2, "{label}");
        assert_eq!(client.get_bool_value("targeted", None, None).await, Ok(false), "{label}");

        for (key, reason) in
            [("disabled", EvaluationReason::Disabled), ("undecided", EvaluationReason::Default)]
        {
            let error =
                client.get_bool_value(key, None, None).await.expect_err("the caller's default stands");
            assert_eq!(kit::error::default_reason(&error), Some(reason), "{label}");
        }
        let missing = client.get_bool_value("missing", None, None).await.expect_err("no flag");
        assert_eq!(missing.code, EvaluationErrorCode::FlagNotFound, "{label}");
        let mismatch = client.get_int_value("bool", None, None).await.expect_err("no number");
        assert_eq!(mismatch.code, EvaluationErrorCode::TypeMismatch, "{label}");
    }
}

#[tokio::test]
async fn a_selector_is_a_header() {
    let document = json!({"flags": {"a": {"state": "ENABLED", "variants": {"x": 1}, "defaultVariant": "x", "metadata": {"flagSetId": "one"}}}});
    let (_folder, daemon) = daemon(&document);
    for (selector, found) in [("flagSetId=one", true), ("flagSetId=two", false)] {
        let headers = vec![("flagd-selector".to_owned(), selector.to_owned())];
        let provider =
            ofrep::provider(Options { headers, ..options(&daemon, Mode::PerRequest) }).expect("options");
        let answer = provider.resolve("a", Type::Int, &EvaluationContext::default()).await;
        assert_eq!(answer.is_ok(), found, "{selector}: {answer:?}");
    }
}

async fn is_on(handle: &Handle<OfrepResolver>) -> bool {
    let answer =
        handle.resolve("switch", Type::Bool, &EvaluationContext::default()).await.expect("always an answer");
    answer.value == Some(open_feature::Value::Bool(true))
}

fn switch(on: bool) -> Value {
    let default = if on { "on" } else { "off" };
    json!({"flags": {"switch": {"state": "ENABLED", "variants": {"on": true, "off": false}, "defaultVariant": default}}})
}

fn write(folder: &Path, on: bool) {
    let next = folder.join("next.json");
    std::fs::write(&next, switch(on).to_string()).expect("a writable file");
    std::fs::rename(next, folder.join("flags.json")).expect("a renamed file");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_switch_is_seen_by_event_stream() {
    if another_daemon() {
        println!("skipped: the other daemon may have no event stream");
        return;
    }
    let flips: usize = std::env::var("HOIST_FLIPS").ok().and_then(|n| n.parse().ok()).unwrap_or(10);
    let (folder, daemon) = daemon(&switch(false));
    let provider = ofrep::provider(options(&daemon, followed())).expect("options");
    let handle = provider.handle();
    let mut events = handle.events();
    handle.ready(PATIENCE).await.expect("ready");
    let mut took = Vec::with_capacity(flips);
    for flip in 0..flips {
        let on = flip % 2 == 0;
        let began = Instant::now();
        write(folder.path(), on);
        while is_on(&handle).await != on {
            let event =
                tokio::time::timeout(PATIENCE, events.next()).await.expect("told in time").expect("an event");
            if event.kind == EventKind::ConfigurationChanged {
                assert_eq!(event.flags_changed.as_deref(), Some(&["switch".to_owned()][..]));
            }
        }
        took.push(began.elapsed());
        // Each change by itself, not a burst that is told as one.
        tokio::time::sleep(Duration::from_millis(60)).await;
    }
    took.sort();
    let (half, most) = (took[flips / 2], took[(flips * 99 / 100).min(flips - 1)]);
    println!("{flips} flips: p50 {half:?}, p99 {most:?}, slowest {:?}", took[flips - 1]);
    assert!(flips < 100 || most < Duration::from_millis(100), "p99 {most:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_that_goes_and_comes_makes_answers_stale_and_fresh_again() {
    let (folder, mut daemon) = daemon(&switch(true));
    let bulk = Bulk { poll_interval: Duration::from_millis(100), ..Bulk::default() };
    let provider = ofrep::provider(options(&daemon, Mode::Bulk(bulk))).expect("options");
    let handle = provider.handle();
    handle.ready(PATIENCE).await.expect("ready");
    assert!(is_on(&handle).await);
    for on in [false, true, false] {
        let mut events = handle.events();
        daemon.kill();
        reach(&handle, &mut events, State::Stale).await;
        let answer = handle.resolve("switch", Type::Bool, &EvaluationContext::default()).await.expect("kept");
        assert_eq!(answer.reason, EvaluationReason::Other("STALE".to_owned()));
        write(folder.path(), on);
        daemon.restart().expect("started again");
        reach(&handle, &mut events, State::Ready).await;
        assert_eq!(is_on(&handle).await, on);
    }
}

async fn reach(handle: &Handle<OfrepResolver>, events: &mut kit::EventStream, state: State) {
    while handle.state() != state {
        tokio::time::timeout(PATIENCE, events.next()).await.expect("told in time").expect("an event");
    }
}
