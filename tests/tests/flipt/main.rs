//! A real Flipt beside the daemon that follows it, by its snapshots and by its files, and beside the providers: all decide as it
//! does itself. Runs with `HOIST_TEST_FLIPT=/path/to/flipt`, the server of version 2.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test that cannot go on says why"
)]

mod namespace;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use kit::{Handle, Resolver};
use namespace::{CONTEXTS, contexts, features};
use open_feature::provider::FeatureProvider;
use open_feature::{EvaluationContext, OpenFeature};
use serde_json::{Map, Value, json};
use tests::world::flipt::{Flipt, TOKEN};
use tests::world::{Daemon, DaemonOptions, http};

const PATIENCE: Duration = Duration::from_secs(20);

/// An answer: value, variant, reason, segments and attachment.
type Said = (Value, Value, &'static str, Vec<String>, Value);

/// What the server says of all flags, by key, in OpenFeature's words.
fn decided(flipt: &Flipt, flags: &[Value], context: &Map<String, Value>) -> BTreeMap<String, Said> {
    let question = |flag: &Value| json!({"namespaceKey": "shop", "flagKey": flag["key"], "entityId": context["targetingKey"], "context": context});
    let answers = flipt.batch(&flags.iter().map(question).collect::<Vec<_>>());
    assert_eq!(answers.len(), flags.len());
    let each = flags.iter().zip(answers).map(|(flag, answer)| {
        let is_static =
            ["rules", "rollouts"].iter().all(|rules| flag[rules].as_array().is_none_or(Vec::is_empty));
        (flag["key"].as_str().expect("a key").to_owned(), in_words(&answer, is_static))
    });
    each.collect()
}

fn in_words(answer: &Value, is_static: bool) -> Said {
    let (said, is_variant) = match (&answer["booleanResponse"], &answer["variantResponse"]) {
        (Value::Null, Value::Null) => panic!("{answer}"),
        (Value::Null, said) => (said, true),
        (said, _) => (said, false),
    };
    let segments = said["segmentKeys"]
        .as_array()
        .expect("segments")
        .iter()
        .map(|key| key.as_str().expect("a key").to_owned());
    let mut segments: Vec<String> = segments.collect();
    segments.sort();
    let reason = said["reason"].as_str().and_then(|reason| reason.strip_suffix("_EVALUATION_REASON"));
    let variant = if is_variant { said["variantKey"].clone() } else { json!(said["enabled"].to_string()) };
    let reason = match reason.expect("a reason") {
        "FLAG_DISABLED" => return (Value::Null, Value::Null, "DISABLED", segments, Value::Null),
        _ if variant == "" => return (Value::Null, Value::Null, "DEFAULT", segments, Value::Null),
        "MATCH" if segments.is_empty() => "SPLIT",
        "MATCH" => "TARGETING_MATCH",
        _ if is_static => "STATIC",
        _ => "DEFAULT",
    };
    let attachment = said["variantAttachment"].as_str().and_then(|text| serde_json::from_str(text).ok());
    let value = if is_variant { variant.clone() } else { said["enabled"].clone() };
    (value, variant, reason, segments, attachment.unwrap_or_default())
}

/// What the daemon says of all flags of a flag set.
fn served(daemon: &Daemon, set: &str, context: &Map<String, Value>) -> BTreeMap<String, Said> {
    let selector = format!("flagSetId={set}");
    let headers = [("content-type", "application/json"), ("flagd-selector", selector.as_str())];
    let body = json!({ "context": context }).to_string();
    let answer =
        http::send(daemon.ports().ofrep, "POST", "/ofrep/v1/evaluate/flags", &headers, body.as_bytes());
    let answer = answer.expect("an answer").json();
    let one = |answer: &Value| {
        let told = |name: &str| answer["metadata"][name].as_str().unwrap_or_default().to_owned();
        let mut segments: Vec<String> =
            told("flipt.segments").split(',').filter(|key| !key.is_empty()).map(str::to_owned).collect();
        segments.sort();
        let reasons = ["DISABLED", "DEFAULT", "SPLIT", "TARGETING_MATCH", "STATIC"];
        let reason = reasons.into_iter().find(|reason| answer["reason"] == *reason).unwrap_or("another");
        let attachment = serde_json::from_str(&told("flipt.attachment")).unwrap_or_default();
        let said = (answer["value"].clone(), answer["variant"].clone(), reason, segments, attachment);
        (answer["key"].as_str().expect("a key").to_owned(), said)
    };
    answer["flags"].as_array().unwrap_or_else(|| panic!("{answer}")).iter().map(one).collect()
}

fn real(features: &Value) -> Option<Flipt> {
    Flipt::start("shop", features).map_err(|why| println!("skipped: {why}")).ok()
}

#[test]
fn a_real_flipt_decides_no_otherwise() {
    let features = features();
    let Some(flipt) = real(&features) else { return };
    let flags = features["flags"].as_array().expect("flags");
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("features.yaml");
    std::fs::write(&file, features.to_string()).expect("a writable file");
    let sources = json!([
        {"provider": "flipt", "uri": flipt.url(), "namespace": "shop", "authHeader": format!("Bearer {TOKEN}"), "flagSetId": "server"},
        {"provider": "flipt-file", "uri": file, "flagSetId": "file"},
    ]);
    let daemon = DaemonOptions::new(["--sources".to_owned(), sources.to_string()]).start();
    let (mut decisions, mut wrong, mut reasons) = (0, Vec::new(), BTreeMap::<_, usize>::new());
    for context in contexts() {
        let expected = decided(&flipt, flags, &context);
        expected.values().for_each(|said| *reasons.entry(said.2).or_default() += 1);
        for set in ["server", "file"] {
            let got = served(&daemon, set, &context);
            decisions += expected.len();
            let differ = expected.iter().filter(|(key, said)| got.get(*key) != Some(said));
            wrong.extend(differ.map(|(key, said)| {
                format!("{set}: {key} for {context:?}: {:?}, not {said:?}", got.get(key))
            }));
            assert_eq!(got.len(), expected.len(), "{set}");
        }
    }
    assert!(wrong.is_empty(), "{} of {decisions}, such as {:#?}", wrong.len(), &wrong[..wrong.len().min(5)]);
    assert!(reasons.len() == 5 && reasons.values().all(|times| *times >= CONTEXTS / 2), "{reasons:?}");
    println!("{decisions} decisions of {} flags as Flipt makes them: {reasons:?}", flags.len());
}

/// Waits until the flag is what it should be; how long it took.
fn until(daemon: &Daemon, on: bool) -> Duration {
    let started = Instant::now();
    let body = json!({"context": {"targetingKey": "ann"}});
    loop {
        let answer = http::post(daemon.ports().ofrep, "/ofrep/v1/evaluate/flags/switch", &body)
            .expect("an answer")
            .json();
        if answer["value"] == on {
            return started.elapsed();
        }
        assert!(started.elapsed() < PATIENCE, "not {on}: {answer}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn what_is_changed_in_a_real_flipt_is_streamed() {
    let Some(mut flipt) = real(&features()) else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let log = folder.path().join("hoistd.log");
    // Nothing is asked for a second time, save what a stream that ends makes it ask.
    let source = json!([{"provider": "flipt", "uri": flipt.url(), "namespace": "shop", "authHeader": format!("Bearer {TOKEN}"),
        "interval": 3600, "watchdogS": 3600, "timeoutS": 1}]);
    let options = DaemonOptions {
        log: Some(log.clone()),
        ..DaemonOptions::new(["--sources".to_owned(), source.to_string()])
    };
    let daemon = options.start();
    until(&daemon, true);
    // A server with nothing to say is silent for longer than it may take to answer.
    std::thread::sleep(Duration::from_secs(3));
    for on in [false, true, false] {
        flipt.switch("shop", "switch", on);
        println!("streamed within {:?}", until(&daemon, on));
    }
    let said = || std::fs::read_to_string(&log).expect("a log");
    assert!(!said().contains("polled, not streamed"), "{}", said());
    flipt.kill();
    until(&daemon, false);
    flipt.restart().expect("a start");
    flipt.switch("shop", "switch", true);
    println!("seen {:?} after a restart", until(&daemon, true));
    assert!(said().contains("polled, not streamed"), "{}", said());
}

/// What a provider says of each flag that has a value: the value as text, and the variant.
async fn provided(
    provider: impl FeatureProvider,
    handle: Handle<impl Resolver>,
    context: &Map<String, Value>,
    expected: &BTreeMap<String, Said>,
) {
    let mut api = OpenFeature::default();
    api.set_provider(provider).await;
    handle.ready(PATIENCE).await.expect("ready");
    let client = api.create_client();
    let mut asked = EvaluationContext::default();
    for (name, value) in context {
        let text = value.as_str().expect("text");
        asked = if name == "targetingKey" {
            asked.with_targeting_key(text)
        } else {
            asked.with_custom_field(name, text)
        };
    }
    for (key, (value, variant, ..)) in expected {
        let said = match value {
            Value::Null => continue,
            Value::Bool(_) => client
                .get_bool_details(key, Some(&asked), None)
                .await
                .map(|said| (json!(said.value), said.variant)),
            _ => client
                .get_string_details(key, Some(&asked), None)
                .await
                .map(|said| (json!(said.value), said.variant)),
        };
        let said = said.unwrap_or_else(|error| panic!("{key} for {context:?}: {error:?}"));
        assert_eq!(said, (value.clone(), variant.as_str().map(str::to_owned)), "{key} for {context:?}");
    }
}

/// The OFREP provider with all flags at once, which hears of changes by the event stream alone.
async fn follows_events(flipt: &Flipt) {
    let provider = ofrep::provider(ofrep::Options {
        mode: ofrep::Mode::Bulk(ofrep::Bulk { poll_interval: Duration::ZERO, ..ofrep::Bulk::default() }),
        context: EvaluationContext::default().with_targeting_key("ann"),
        ..over_ofrep(flipt)
    })
    .expect("options");
    let handle = provider.handle();
    let mut api = OpenFeature::default();
    api.set_provider(provider).await;
    handle.ready(PATIENCE).await.expect("ready");
    let client = api.create_client();
    assert_eq!(client.get_bool_value("switch", None, None).await, Ok(true));
    // Once the stream is there; it says nothing until then.
    let deadline = Instant::now() + PATIENCE;
    let mut on = true;
    while client.get_bool_value("switch", None, None).await != Ok(false) {
        assert!(Instant::now() < deadline, "the change is heard of");
        on = !on;
        flipt.switch("shop", "switch", on);
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

fn over_ofrep(flipt: &Flipt) -> ofrep::Options {
    ofrep::Options {
        base_url: flipt.url(),
        bearer_token: Some(TOKEN.to_owned()),
        headers: vec![("X-Flipt-Namespace".to_owned(), "shop".to_owned())],
        text_attributes: true,
        ..ofrep::Options::default()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn providers_say_what_a_real_flipt_says() {
    let features = features();
    let Some(flipt) = real(&features) else { return };
    let flags = features["flags"].as_array().expect("flags");
    let options = |mode, token: &str, namespace: &str| flipt::Options {
        mode,
        url: flipt.url(),
        token: Some(token.to_owned()),
        namespace: namespace.to_owned(),
        ..flipt::Options::default()
    };
    // OFREP of Flipt has somebody by chance where there is no entity.
    let known = |context: &Map<String, Value>| context["targetingKey"] != "";
    for context in contexts().into_iter().filter(known).take(10) {
        let expected = decided(&flipt, flags, &context);
        for mode in [flipt::Mode::InProcess, flipt::Mode::Remote] {
            let provider = flipt::provider(&options(mode, TOKEN, "shop")).expect("options");
            let handle = provider.handle();
            provided(provider, handle, &context, &expected).await;
        }
        let provider = ofrep::provider(over_ofrep(&flipt)).expect("options");
        let handle = provider.handle();
        provided(provider, handle, &context, &expected).await;
    }
    follows_events(&flipt).await;
    for (token, namespace, status) in [("another", "shop", "401"), (TOKEN, "nowhere", "404")] {
        let provider =
            flipt::in_process(&options(flipt::Mode::InProcess, token, namespace)).expect("options");
        let handle = provider.handle();
        let why = handle.ready(Duration::from_secs(2)).await.expect_err("no flags").to_string();
        assert!(why.contains(status), "{why}");
    }
}
