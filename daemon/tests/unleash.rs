//! Flags of Unleash through the whole daemon: every protocol, sync streams, the front door and the commands.

#![allow(clippy::expect_used, clippy::panic)]

mod process;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Output};
use std::sync::{Arc, Mutex};

use process::Daemon;
use serde_json::{Value, json};

const TOKEN: &str = "default:development.backend";

fn constraint(operator: &str, values: Value) -> Value {
    json!({"contextName": "region", "operator": operator, "values": values, "caseInsensitive": operator == "STR_CONTAINS"})
}

/// A flag for everybody, one by constraint, one for a share, one that cannot be translated, one with a variant, one off.
fn document() -> String {
    let flag = |name: &str, enabled: bool, strategy: Value| {
        json!({"name": name, "type": "release", "enabled": enabled, "project": "default", "stale": false,
            "impressionData": false, "strategies": [strategy], "variants": []})
    };
    let by = |operator: &str, values: Value| json!({"name": "default", "constraints": [constraint(operator, values)]});
    let share = json!({"name": "flexibleRollout", "parameters": {"rollout": "50", "stickiness": "default", "groupId": "share"}});
    let variant = json!({"name": "default", "segments": [1],
        "variants": [{"name": "blue", "weight": 1000, "payload": {"type": "json", "value": "{\"hex\": \"#00f\"}"}}]});
    json!({"version": 2, "features": [
        flag("all", true, json!({"name": "default"})),
        flag("eu", true, by("IN", json!(["eu"]))),
        flag("share", true, share),
        flag("any-case", true, by("STR_CONTAINS", json!(["e"]))),
        flag("colour", true, variant),
        flag("off", false, json!({"name": "default"})),
    ], "segments": [{"id": 1, "constraints": [constraint("IN", json!(["eu", "uk"]))]}]})
    .to_string()
}

/// An Unleash that knows two tokens; remembers each request's path.
struct Unleash {
    port: u16,
    seen: Arc<Mutex<Vec<(String, String)>>>,
}

impl Unleash {
    fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let seen: Arc<Mutex<Vec<(String, String)>>> = Arc::default();
        let told = Arc::clone(&seen);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let told = Arc::clone(&told);
                std::thread::spawn(move || answer(stream, &told));
            }
        });
        Self { port, seen }
    }

    fn seen(&self, path: &str) -> Vec<String> {
        let seen = self.seen.lock().expect("no panic");
        seen.iter().filter(|(one, _)| one.starts_with(path)).map(|(_, body)| body.clone()).collect()
    }
}

fn answer(mut stream: TcpStream, seen: &Mutex<Vec<(String, String)>>) {
    let Some((head, body)) = read(&mut stream) else { return };
    let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
    seen.lock().expect("no panic").push((path.clone(), body.clone()));
    let (status, answer) = match path.as_str() {
        // As the server does.
        "/edge/validate" if head.to_ascii_lowercase().contains("authorization:") => (403, "{}".to_owned()),
        "/edge/validate" => {
            let known = [
                (TOKEN, "client"),
                ("default:development.frontend", "frontend"),
                ("default:production.x", "client"),
            ];
            let listed = known.iter().filter(|(token, _)| body.contains(token));
            let tokens: Vec<Value> = listed
                .map(|(token, kind)| json!({"token": token, "type": kind, "projects": ["default"]}))
                .collect();
            (200, json!({ "tokens": tokens }).to_string())
        }
        "/api/client/features" => (200, document()),
        _ => (202, String::new()),
    };
    let text = format!(
        "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{answer}",
        answer.len()
    );
    // The client may have gone.
    let _ = stream.write_all(text.as_bytes());
}

/// A request's head and body, or an answer's.
fn read(stream: &mut TcpStream) -> Option<(String, String)> {
    let mut bytes = Vec::new();
    loop {
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n");
        if let Some(end) = end {
            let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
            let length = head.lines().find_map(|line| {
                let (name, value) = line.split_once(':')?;
                name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
            });
            let body = &bytes[end + 4..];
            if body.len() >= length.unwrap_or(0) {
                return Some((head, String::from_utf8_lossy(body).into_owned()));
            }
        }
        let mut piece = [0; 65_536];
        match stream.read(&mut piece).ok()? {
            0 => return None,
            count => bytes.extend_from_slice(&piece[..count]),
        }
    }
}

/// Asks the front door: status, the header `name`, and the body.
fn ask(port: u16, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> (u16, String, Value) {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("a connection");
    let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let length = body.len();
    let text =
        format!("{method} {path} HTTP/1.1\r\nhost: x\r\n{headers}content-length: {length}\r\n\r\n{body}");
    stream.write_all(text.as_bytes()).expect("sent");
    let (head, body) = read(&mut stream).expect("an answer");
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
    let etag = head.lines().find_map(|line| line.strip_prefix("etag: ")).unwrap_or_default().to_owned();
    (status, etag, serde_json::from_str(&body).unwrap_or_default())
}

fn start(unleash: &Unleash, words: &[&str]) -> Daemon {
    let uri = format!("unleash+http://127.0.0.1:{}/api", unleash.port);
    let fixed = ["start", "-p", "0", "-m", "0", "-g", "0", "-r", "0", "--log-format", "json", "--uri", &uri];
    Daemon::launch(&[&fixed[..], words].concat(), &[("UNLEASH_API_TOKEN", TOKEN)], "ready")
}

#[test]
fn every_protocol_gets_the_vendors_decisions() {
    let unleash = Unleash::start();
    let daemon = start(&unleash, &[]);
    let mut client = daemon.client("evaluation");
    for service in ["flagd.evaluation.v1.Service", "flagd.evaluation.v2.Service", "schema.v1.Service"] {
        let mut resolve = |method: &str, key: &str, context: Value| {
            client.post(&format!("/{service}/{method}"), &json!({"flagKey": key, "context": context})).1
        };
        let eu = json!({"region": "eu"});
        let all = resolve("ResolveBoolean", "all", json!({}));
        assert_eq!(
            (&all["value"], &all["reason"], &all["variant"]),
            (&json!(true), &json!("STATIC"), &json!("on")),
            "{service}"
        );
        assert_eq!(resolve("ResolveBoolean", "eu", eu.clone())["reason"], "TARGETING_MATCH");
        let off = resolve("ResolveBoolean", "off", json!({}));
        assert_eq!(
            (&off["value"].as_bool().unwrap_or(false), &off["reason"]),
            (&false, &json!("DISABLED")),
            "{service}"
        );
        assert_eq!(
            resolve("ResolveBoolean", "share", json!({"targetingKey": "u1"}))["reason"]
                .as_str()
                .map(|reason| { ["SPLIT", "DEFAULT"].contains(&reason) }),
            Some(true)
        );
        let colour = resolve("ResolveObject", "colour", eu.clone());
        assert_eq!(
            (&colour["value"], &colour["variant"]),
            (&json!({"hex": "#00f"}), &json!("blue")),
            "{service}"
        );
        assert_eq!(colour["metadata"]["payloadType"], "json");
        assert_eq!(resolve("ResolveBoolean", "colour", eu.clone())["value"], true);
        assert_eq!(resolve("ResolveString", "colour", eu)["code"], "invalid_argument");
        assert_eq!(resolve("ResolveBoolean", "nowhere", json!({}))["code"], "not_found");
    }
    let mut ofrep = daemon.client("ofrep");
    let eu = json!({"context": {"targetingKey": "u1", "region": "eu"}});
    let (status, answer) = ofrep.post("/ofrep/v1/evaluate/flags/colour", &eu);
    assert_eq!((status, &answer["value"]), (200, &json!({"hex": "#00f"})));
    assert_eq!(answer["metadata"]["featureEnabled"], true);
    let (status, all) = ofrep.post("/ofrep/v1/evaluate/flags", &eu);
    assert_eq!((status, all["flags"].as_array().map(Vec::len)), (200, Some(6)));
}

#[test]
fn the_front_door_is_the_servers_own_api() {
    let unleash = Unleash::start();
    let daemon = start(&unleash, &["--unleash-port", "0"]);
    let port = daemon.ports["unleash"];
    let spec = ("unleash-client-spec", "5.2.0");
    let mine = ("authorization", TOKEN);
    let (status, etag, listed) = ask(port, "GET", "/api/client/features", &[mine, spec], "");
    assert_eq!((status, listed["features"].as_array().map(Vec::len)), (200, Some(6)));
    assert_eq!(listed["segments"][0]["id"], 1);
    assert_eq!(ask(port, "GET", "/api/client/features", &[mine, spec, ("if-none-match", &etag)], "").0, 304);
    // Without the header the segments' constraints stand in the strategies, under another tag.
    let (_, other, inlined) = ask(port, "GET", "/api/client/features", &[mine, ("if-none-match", &etag)], "");
    assert_ne!(etag, other);
    let colour =
        inlined["features"].as_array().and_then(|all| all.iter().find(|one| one["name"] == "colour"));
    assert_eq!(
        colour.map(|one| &one["strategies"][0]["constraints"][0]["contextName"]),
        Some(&json!("region"))
    );
    let (_, _, some) = ask(port, "GET", "/api/client/features?namePrefix=co", &[mine, spec], "");
    assert_eq!(some["features"].as_array().map(Vec::len), Some(1));

    let front = ("authorization", "default:development.frontend");
    let on = |answer: Value| -> Vec<String> {
        let all = answer["toggles"].as_array().expect("toggles");
        all.iter().map(|toggle| toggle["name"].as_str().expect("a name").to_owned()).collect()
    };
    let (_, _, by_query) = ask(port, "GET", "/api/frontend?userId=u&properties[region]=eu", &[front], "");
    let (_, _, by_body) = ask(
        port,
        "POST",
        "/api/frontend",
        &[front],
        r#"{"context": {"userId": "u", "properties": {"region": "eu"}}}"#,
    );
    assert_eq!(by_query, by_body);
    for name in ["all", "eu", "any-case", "colour"] {
        assert!(on(by_query.clone()).contains(&name.to_owned()), "{name}");
    }
    assert!(!on(by_query.clone()).contains(&"off".to_owned()));

    for (token, path, status) in [
        ("default:development.frontend", "/api/client/features", 403),
        (TOKEN, "/api/frontend", 403),
        ("default:development.nobody", "/api/client/features", 401),
        ("default:production.x", "/api/client/features", 403),
    ] {
        for _ in 0..3 {
            assert_eq!(ask(port, "GET", path, &[("authorization", token)], "").0, status, "{token} {path}");
        }
    }
    assert_eq!(ask(port, "GET", "/api/client/features", &[], "").0, 401);
    assert_eq!(ask(port, "DELETE", "/api/client/features", &[mine], "").0, 405);
    assert_eq!(ask(port, "GET", "/api/admin/projects", &[mine], "").0, 404);
    assert_eq!(unleash.seen("/edge/validate").len(), 4, "each token once");

    let usage = r#"{"appName": "a", "bucket": {"toggles": {"eu": {"yes": 3, "no": 1, "variants": {}}}}}"#;
    assert_eq!(ask(port, "POST", "/api/client/metrics", &[mine], usage).0, 202);
    assert_eq!(ask(port, "POST", "/api/client/metrics", &[mine], usage).0, 202);
    assert_eq!(
        ask(port, "POST", "/api/client/register", &[mine], r#"{"appName": "a", "strategies": []}"#).0,
        202
    );
    assert_eq!(ask(port, "POST", "/api/client/metrics", &[mine], "{").0, 400);
    daemon.signal("TERM");
    daemon.end();
    let passed: Value = serde_json::from_str(&unleash.seen("/api/client/metrics/bulk")[0]).expect("JSON");
    assert_eq!(passed["applications"][0]["appName"], "a");
    assert_eq!(
        (&passed["metrics"][0]["featureName"], &passed["metrics"][0]["yes"]),
        (&json!("eu"), &json!(6))
    );
}

fn hoistd(words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_hoistd")).args(words).env_clear().output().expect("hoistd runs")
}

#[test]
fn import_writes_what_is_true_and_says_what_is_not() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("unleash.json");
    std::fs::write(&path, document()).expect("written");
    let path = path.to_str().expect("UTF-8");
    let ran = hoistd(&["import", "unleash", path, "--format", "json", "--users", "2000"]);
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    let report: Value = serde_json::from_slice(&ran.stderr).expect("a report");
    let document: Value = serde_json::from_slice(&ran.stdout).expect("a document");
    let of = |key: &str| {
        report["flags"]
            .as_array()
            .expect("flags")
            .iter()
            .find(|flag| flag["key"] == key)
            .cloned()
            .expect("the flag")
    };
    for key in ["all", "eu", "colour", "off"] {
        assert_eq!(
            (&of(key)["translation"], &of(key)["moved"]),
            (&json!("exact"), &json!(0.0)),
            "{key}: {}",
            of(key)
        );
        assert_eq!(document["flags"][key]["metadata"]["translation"], "exact");
    }
    let share = of("share");
    assert_eq!(share["translation"], "approximate");
    let moved = share["moved"].as_f64().expect("a share");
    assert!((0.4..0.6).contains(&moved), "of two independent halves a half agrees: {moved}");
    assert_eq!(
        (&of("any-case")["translation"], &of("any-case")["included"]),
        (&json!("unsupported"), &json!(false))
    );
    assert!(document["flags"].get("any-case").is_none());
    let out = folder.path().join("flags.json");
    let out = out.to_str().expect("UTF-8");
    assert!(hoistd(&["import", "unleash", path, "-o", out, "--users", "10"]).status.success());
    assert!(hoistd(&["validate", out]).status.success());
    let explained = hoistd(&[
        "explain",
        "colour",
        "-f",
        &format!("unleash:{path}"),
        "--context",
        r#"{"region": "uk", "targetingKey": "u"}"#,
    ]);
    let explained = String::from_utf8_lossy(&explained.stdout).into_owned();
    assert!(explained.contains("default -> true") && explained.contains("blue"), "{explained}");
    let unknown = hoistd(&["import", "nobody", path]);
    assert!(String::from_utf8_lossy(&unknown.stderr).contains("unleash"), "{unknown:?}");
}
