//! A real Unleash beside the daemon that follows it: stock OpenFeature clients get the decisions that it makes itself, and its
//! own SDKs cannot tell the two apart. Runs with `HOIST_TEST_UNLEASH=1`: it installs the server from npm and starts a database.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test that cannot go on says why"
)]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use kit::{Handle, Resolver};
use open_feature::provider::FeatureProvider;
use open_feature::{EvaluationContext, OpenFeature};
use serde_json::{Value, json};
use tests::clients::{node, python, unleash_node, unleash_packages, unleash_python};
use tests::testbed::{Driver, same};
use tests::world::unleash::{BACKEND, FRONTEND, Unleash};
use tests::world::{Daemon, DaemonOptions, free_ports, http};

const CONTEXTS: usize = 1_000;

/// The flags without variants, then those with.
const TRUTHS: [&str; 9] =
    ["everybody", "half", "third", "sticky", "listed", "prefixed", "grown", "newer", "child"];
const VALUES: [&str; 3] = ["colour", "limit", "layout"];

/// How many flags there are.
const ALL: usize = TRUTHS.len() + VALUES.len();

fn rollout(share: u32, stickiness: &str, name: &str) -> Value {
    json!({"name": "flexibleRollout", "constraints": [], "segments": [],
        "parameters": {"rollout": share.to_string(), "stickiness": stickiness, "groupId": name}})
}

fn limited(name: &str, constraint: Value) -> Value {
    let mut strategy = rollout(100, "default", name);
    strategy["constraints"] = json!([constraint]);
    strategy
}

fn varied(name: &str, variants: Value) -> Value {
    let mut strategy = rollout(100, "default", name);
    strategy["variants"] = variants;
    strategy
}

fn variant(name: &str, weight: u32, kind: &str, value: &str) -> Value {
    json!({"name": name, "weight": weight, "weightType": "variable", "stickiness": "default",
        "payload": {"type": kind, "value": value}})
}

fn fill(unleash: &Unleash) {
    let constraint = |name: &str, operator: &str, values: Value, value: Value| {
        let mut all =
            json!({"contextName": name, "operator": operator, "inverted": false, "caseInsensitive": false});
        all["values"] = values;
        if !value.is_null() {
            all["value"] = value;
        }
        all
    };
    unleash.flag("everybody", &[rollout(100, "default", "everybody")]);
    unleash.flag("half", &[rollout(50, "default", "half")]);
    unleash.flag("third", &[rollout(33, "userId", "elsewhere")]);
    unleash.flag("sticky", &[rollout(40, "sessionId", "sticky")]);
    unleash
        .flag("listed", &[limited("listed", constraint("region", "IN", json!(["eu", "uk"]), Value::Null))]);
    let mut prefixed = constraint("email", "STR_STARTS_WITH", json!(["A"]), Value::Null);
    prefixed["caseInsensitive"] = json!(true);
    let segment =
        unleash.admin("POST", "/segments", &json!({"name": "starts-with-a", "constraints": [prefixed]}));
    let mut segmented = rollout(70, "default", "prefixed");
    segmented["segments"] = json!([segment["id"]]);
    unleash.flag("prefixed", &[segmented]);
    unleash.flag("grown", &[limited("grown", constraint("age", "NUM_GTE", json!([]), json!("18")))]);
    unleash.flag("newer", &[limited("newer", constraint("version", "SEMVER_GT", json!([]), json!("1.4.0")))]);
    unleash.flag("child", &[rollout(80, "default", "child")]);
    unleash.admin("POST", "/projects/default/features/child/dependencies", &json!({"feature": "half"}));
    let colours = json!([variant("blue", 500, "string", "#00f"), variant("red", 500, "string", "#f00")]);
    unleash.flag("colour", &[varied("colour", colours)]);
    let limits = json!([variant("low", 300, "number", "10"), variant("high", 700, "number", "99.5")]);
    unleash.flag("limit", &[varied("limit", limits)]);
    let layouts =
        json!([variant("a", 500, "json", "{\"columns\": 2}"), variant("b", 500, "json", "{\"columns\": 3}")]);
    unleash.flag("layout", &[varied("layout", layouts)]);
}

/// Users who differ in all that the flags look at; the same in every run.
fn contexts() -> Vec<Value> {
    let mut dice = 7_u64;
    let mut roll = |sides: u64| {
        dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (dice >> 33) % sides
    };
    (0..CONTEXTS)
        .map(|_| {
            let one = |all: &[&str], at: u64| all[at as usize].to_owned();
            json!({
                "userId": format!("u{}", roll(100_000)), "sessionId": format!("s{}", roll(1_000)),
                "properties": {
                    "region": one(&["eu", "uk", "us"], roll(3)), "age": (10 + roll(20)).to_string(),
                    "email": one(&["ann@a", "Anton@b", "bob@a"], roll(3)),
                    "version": one(&["1.3.9", "1.4.0", "1.4.1", "2.0.0-beta"], roll(4)),
                },
            })
        })
        .collect()
}

/// What the server's frontend API says, by flag: its variant's payload, or that it is on.
fn decided(port: u16, context: &Value) -> BTreeMap<String, Value> {
    let toggles = Unleash::frontend(port, context).expect("the frontend API answers");
    toggles
        .into_iter()
        .map(|toggle| {
            let payload = &toggle["variant"]["payload"];
            let said = if payload.is_null() {
                json!(true)
            } else {
                json!([toggle["variant"]["name"], payload["value"]])
            };
            (toggle["name"].as_str().expect("a name").to_owned(), said)
        })
        .collect()
}

/// What a stock client is asked, and what it must say.
fn play(name: &str, command: Result<Command, String>, daemon: &Daemon, unleash: &Unleash) {
    let command = match command {
        Ok(command) => command,
        Err(why) => {
            println!("skipped: {name}: {why}");
            return;
        }
    };
    let driver = Driver::start(command);
    let open = json!({"op": "open", "provider": name, "kind": "rpc", "port": daemon.ports().evaluation, "options": {}});
    driver.ask(&open).expect("the client connects");
    let (mut decisions, mut wrong) = (0, Vec::new());
    for context in contexts() {
        let expected = decided(unleash.port, &context);
        let mut asked = context["properties"].as_object().expect("properties").clone();
        asked.insert("targetingKey".to_owned(), context["userId"].clone());
        asked.insert("sessionId".to_owned(), context["sessionId"].clone());
        let ask = |kind: &str, key: &str, default: Value| {
            let request = json!({"op": "evaluate", "provider": name, "type": kind, "key": key, "default": default, "context": asked});
            driver.ask(&request).expect("an answer")
        };
        for key in TRUTHS {
            decisions += 1;
            // The default is wrong on purpose: an answer, not a fallback, is what is looked for.
            let on = expected.contains_key(key);
            let answer = ask("Boolean", key, json!(!on));
            if answer["value"] != json!(on) {
                wrong.push(format!("{key} for {context}: {answer}, not {on}"));
            }
        }
        for (key, kind, default) in [
            ("colour", "String", json!("none")),
            ("limit", "Float", json!(-1.5)),
            ("layout", "Object", json!({"columns": 0})),
        ] {
            decisions += 1;
            let answer = ask(kind, key, default);
            let text = expected[key][1].as_str().expect("a payload");
            let value =
                if kind == "String" { json!(text) } else { serde_json::from_str(text).expect("JSON") };
            if !same(&answer["value"], &value) || answer["variant"] != expected[key][0] {
                wrong.push(format!("{key} for {context}: {answer}, not {}", expected[key]));
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "{name}: {} of {decisions}, such as {:#?}",
        wrong.len(),
        &wrong[..wrong.len().min(5)]
    );
    println!("{name}: {decisions} decisions as Unleash makes them");
}

/// What one of the server's own SDKs says at this port.
fn sdk(command: Result<Command, String>, port: u16, contexts: &[Value]) -> Result<Vec<Value>, String> {
    let mut child = command?
        .args([format!("http://127.0.0.1:{port}/api"), BACKEND.to_owned()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| error.to_string())?;
    let mut input = child.stdin.take().expect("a pipe");
    let output = BufReader::new(child.stdout.take().expect("a pipe"));
    let lines: Vec<String> = contexts.iter().map(|context| format!("{context}\n")).collect();
    let writer = std::thread::spawn(move || {
        let _ = lines.iter().try_for_each(|line| input.write_all(line.as_bytes()));
    });
    let answers: Vec<Value> =
        output.lines().map_while(Result::ok).map(|line| serde_json::from_str(&line).expect("JSON")).collect();
    writer.join().expect("the contexts are written");
    let status = child.wait().map_err(|error| error.to_string())?;
    assert!(status.success(), "the SDK ended with {status}");
    Ok(answers)
}

fn front_door(unleash: &Unleash, door: u16) {
    let some: Vec<Value> = contexts().into_iter().take(200).collect();
    for context in &some {
        assert_eq!(decided(door, context), decided(unleash.port, context), "the frontend API for {context}");
    }
    for (name, command) in [("Node", unleash_node as fn() -> _), ("Python", unleash_python)] {
        match (sdk(command(), unleash.port, &some), sdk(command(), door, &some)) {
            (Ok(theirs), Ok(ours)) => {
                assert_eq!((theirs.len(), theirs[0].as_object().map(serde_json::Map::len)), (200, Some(ALL)));
                assert_eq!(theirs, ours, "the SDK for {name}");
                println!("the SDK for {name}: 200 contexts alike at the server and at the front door");
            }
            (Err(why), _) | (_, Err(why)) => println!("skipped: the SDK for {name}: {why}"),
        }
    }
    // Tokens are the server's: what it does not know, or knows for something else, does not get in.
    let asked = |path: &str, token: &str| {
        http::send(door, "GET", path, &[("authorization", token)], b"").expect("an answer").status
    };
    assert_eq!(asked("/api/client/features", BACKEND), 200);
    assert_eq!(asked("/api/client/features", FRONTEND), 403);
    assert_eq!(asked("/api/frontend", BACKEND), 403);
    assert_eq!(asked("/api/client/features", "default:development.nobody"), 401);
    assert_eq!(asked("/api/client/features", ""), 401);
}

/// What our own provider says, evaluating here or asking.
async fn provided(
    name: &str,
    provider: impl FeatureProvider,
    handle: Handle<impl Resolver>,
    unleash: &Unleash,
) {
    let mut api = OpenFeature::default();
    api.set_provider(provider).await;
    handle.ready(Duration::from_secs(20)).await.expect("ready");
    let client = api.create_client();
    for context in contexts().iter().take(200) {
        let expected = decided(unleash.port, context);
        let text = |value: &Value| value.as_str().expect("text").to_owned();
        let mut asked = EvaluationContext::default()
            .with_targeting_key(text(&context["userId"]))
            .with_custom_field("sessionId", text(&context["sessionId"]));
        for (field, value) in context["properties"].as_object().expect("properties") {
            asked = asked.with_custom_field(field, text(value));
        }
        for key in TRUTHS {
            let on = client.get_bool_value(key, Some(&asked), None).await;
            let on = on.unwrap_or_else(|error| panic!("{name}: {key} for {context}: {error:?}"));
            assert_eq!(on, expected.contains_key(key), "{name}: {key} for {context}");
        }
        let colour = client.get_string_details("colour", Some(&asked), None).await.expect("a colour");
        assert_eq!(json!([colour.variant, colour.value]), expected["colour"], "{name}: colour for {context}");
        let limit = client.get_float_value("limit", Some(&asked), None).await.expect("a limit");
        assert_eq!(Ok(limit), text(&expected["limit"][1]).parse(), "{name}: limit for {context}");
    }
    println!("{name}: 200 contexts as Unleash decides");
}

fn providers(unleash: &Unleash) {
    let options = |token: &str| unleash::Options {
        url: format!("http://127.0.0.1:{}/api", unleash.port),
        token: Some(token.to_owned()),
        ..unleash::Options::default()
    };
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let here = unleash::provider(&options(BACKEND)).expect("options");
        let handle = here.handle();
        provided("the provider in process", here, handle, unleash).await;
        let there = unleash::remote(&options(FRONTEND)).expect("options");
        let handle = there.handle();
        provided("the remote provider", there, handle, unleash).await;
    });
}

#[test]
fn a_real_unleash_decides_no_otherwise() {
    if std::env::var_os("HOIST_TEST_UNLEASH").is_none() {
        println!("skipped: starts a real Unleash only with HOIST_TEST_UNLEASH=1");
        return;
    }
    let unleash = match unleash_packages().and_then(|packages| Unleash::start(&packages)) {
        Ok(unleash) => unleash,
        Err(why) => {
            println!("skipped: {why}");
            return;
        }
    };
    fill(&unleash);
    let whole = |port: u16| {
        decided(port, &json!({"userId": "u1", "sessionId": "s1", "properties": {}})).contains_key("colour")
    };
    let deadline = Instant::now() + Duration::from_secs(30);
    while !whole(unleash.port) {
        assert!(Instant::now() < deadline, "the server shows its own flags");
        std::thread::sleep(Duration::from_millis(200));
    }
    std::thread::sleep(Duration::from_secs(2));
    let [door] = free_ports();
    let uri = format!("unleash+http://127.0.0.1:{}/api", unleash.port);
    let mut options = DaemonOptions::new(["--uri", &uri, "--unleash-port", &door.to_string()]);
    options.env.push(("UNLEASH_API_TOKEN".into(), BACKEND.into()));
    let daemon = options.start();
    let listed = http::send(door, "GET", "/api/client/features", &[("authorization", BACKEND)], b"")
        .expect("an answer");
    assert_eq!(listed.json()["features"].as_array().map(Vec::len), Some(ALL));
    front_door(&unleash, door);
    providers(&unleash);
    play("python", python(), &daemon, &unleash);
    play("node", node(), &daemon, &unleash);
    // What the clients asked is known to the server within a minute.
    let deadline = Instant::now() + Duration::from_secs(90);
    loop {
        let metrics = unleash.admin("GET", "/client-metrics/features/half", &Value::Null);
        let of_daemon =
            metrics["seenApplications"].as_array().is_some_and(|apps| apps.contains(&json!("hoistd")));
        if of_daemon {
            break;
        }
        assert!(Instant::now() < deadline, "usage is reported: {metrics}");
        std::thread::sleep(Duration::from_secs(1));
    }
}
