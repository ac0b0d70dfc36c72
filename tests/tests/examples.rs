//! Every example, as a process: what its first lines promise, it does.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;
use tests::world::{Daemon, DaemonOptions, Example, free_ports, http, workspace};
use tonic::metadata::MetadataMap;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

/// How long anything may take.
const SOON: Duration = Duration::from_secs(30);

/// The sample flags of `hoistd demo`, in a file that a test may change.
struct Demo {
    daemon: Daemon,
    folder: TempDir,
}

impl Demo {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("flags.json"), sample().to_string()).unwrap();
        let source = format!("file:{}", folder.path().join("flags.json").display());
        Self { daemon: DaemonOptions::new(["-f".to_owned(), source]).start(), folder }
    }

    fn ofrep(&self) -> String {
        format!("http://127.0.0.1:{}", self.daemon.ports().ofrep)
    }

    /// What the daemon itself says of a flag.
    fn value(&self, key: &str, context: Value) -> Value {
        let path = format!("/ofrep/v1/evaluate/flags/{key}");
        let answer = http::post(self.daemon.ports().ofrep, &path, &json!({"context": context})).unwrap();
        answer.json()["value"].clone()
    }
}

fn sample() -> Value {
    let text = fs::read_to_string(workspace().join("daemon/src/cli/demo.flagd.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// Asks until there is an answer.
fn until<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + SOON;
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(Instant::now() < deadline, "no {what} in {SOON:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// An example that serves, on a free port and with the daemon's OFREP address.
fn serving(name: &str, demo: &Demo) -> (Example, u16) {
    let [port] = free_ports();
    let address = format!("127.0.0.1:{port}");
    let evaluation = demo.daemon.ports().evaluation.to_string();
    let variables = [
        ("OFREP_ENDPOINT", demo.ofrep()),
        ("FLAGD_HOST", "127.0.0.1".to_owned()),
        ("FLAGD_PORT", evaluation),
    ];
    let variables: Vec<(&str, &str)> =
        variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let example = Example::start(name, demo.folder.path(), &[&address], &variables);
    until("listener", || std::net::TcpStream::connect(("127.0.0.1", port)).ok());
    (example, port)
}

/// Users with their addresses.
const USERS: [(&str, &str); 6] = [
    ("user-1", "ada@example.com"),
    ("user-2", "bob@a.test"),
    ("user-3", "cid@b.test"),
    ("user-4", "dan@c.test"),
    ("user-5", "eve@d.test"),
    ("user-6", "fay@e.test"),
];

fn axum() {
    let demo = Demo::start();
    let (_example, port) = serving("axum", &demo);
    let mut colors = BTreeSet::new();
    for (user, email) in USERS {
        let asked = json!({"targetingKey": user, "email": email});
        let get = |path| http::send(port, "GET", path, &[("x-user", user), ("x-email", email)], b"").unwrap();
        let expected = json!({"new": demo.value("new-checkout", asked.clone()), "user": user});
        assert_eq!(get("/checkout").json(), expected);
        let color = demo.value("header-color", asked);
        assert_eq!(json!(get("/color").text()), color, "{email}");
        colors.insert(color.to_string());
    }
    assert!(colors.len() > 1, "the context reaches a flag that nobody hands it to");
}

fn connectrpc() {
    let demo = Demo::start();
    let (_example, port) = serving("connectrpc", &demo);
    let is_on = |user: &str, email: &str, key: &str| {
        let headers = [("content-type", "application/json"), ("x-user", user), ("x-email", email)];
        let body = json!(key).to_string();
        http::send(port, "POST", "/flags.v1.Flags/IsOn", &headers, body.as_bytes()).unwrap()
    };
    for (user, email) in USERS {
        let expected = demo.value("new-checkout", json!({"targetingKey": user, "email": email}));
        assert_eq!(is_on(user, email, "new-checkout").json(), expected, "{user}");
    }
    assert_eq!(is_on("user-1", "", "old-export").json(), json!(false), "a disabled flag is the default");
    let absent = is_on("user-1", "", "no-such-flag");
    assert_eq!((absent.status, &absent.json()["code"]), (404, &json!("not_found")));
}

/// Asks a health service about a "service", as somebody.
async fn health(port: u16, service: &str, user: &str, email: &str) -> Option<bool> {
    let endpoint = tonic::transport::Endpoint::try_from(format!("http://127.0.0.1:{port}")).unwrap();
    let mut client = HealthClient::new(endpoint.connect().await.ok()?);
    let (mut metadata, service) = (MetadataMap::new(), service.to_owned());
    metadata.insert("x-user", user.parse().unwrap());
    metadata.insert("x-email", email.parse().unwrap());
    let request =
        tonic::Request::from_parts(metadata, tonic::Extensions::default(), HealthCheckRequest { service });
    let answer = client.check(request).await.unwrap();
    Some(answer.into_inner().status() == ServingStatus::Serving)
}

fn tonic() {
    let demo = Demo::start();
    let (_example, port) = serving("tonic", &demo);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let ask = |service: &str, user: &str, email: &str| {
        until("answer", || runtime.block_on(health(port, service, user, email)))
    };
    for (user, email) in USERS {
        let expected = demo.value("new-checkout", json!({"targetingKey": user, "email": email}));
        assert_eq!(json!(ask("new-checkout", user, email)), expected, "{user}");
    }
    assert!(ask("welcome-banner", "user-1", "none") && !ask("old-export", "user-1", "none"));
}

fn flagd_rpc() {
    let mut demo = Demo::start();
    let (_example, port) = serving("flagd_rpc", &demo);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let ask =
        |service: &str, user: &str| until("answer", || runtime.block_on(health(port, service, user, "none")));
    until("flags", || ask("", "user-1").then_some(()));
    for (user, _) in USERS {
        let expected = demo.value("new-checkout", json!({"targetingKey": user}));
        assert_eq!(json!(ask("new-checkout", user)), expected, "{user}");
    }
    assert!(ask("welcome-banner", "user-1") && !ask("old-export", "user-1"));
    demo.daemon.kill();
    until("loss", || (!ask("", "user-1")).then_some(()));
}

fn flagd_in_process() {
    let mut demo = Demo::start();
    let port = demo.daemon.ports().sync.to_string();
    let variables = [("FLAGD_HOST", "127.0.0.1"), ("FLAGD_SYNC_PORT", &port)];
    let mut example = Example::start("flagd_in_process", demo.folder.path(), &[], &variables);
    assert_eq!(example.line("new-checkout through"), "new-checkout through the SDK: false");
    let on = demo.value("new-checkout", json!({"targetingKey": "user-1"}));
    let color = demo.value("header-color", json!({"targetingKey": "user-1"}));
    let color = color.as_str().unwrap_or("none");
    let expected = format!("new-checkout {on}, together with the color ({on}, {color:?})");
    assert_eq!(example.line("new-checkout "), expected);
    let mut flags = sample();
    flags["flags"]["new-checkout"]["targeting"] = json!({"if": [true, "on"]});
    let next = demo.folder.path().join("next");
    fs::write(&next, flags.to_string()).unwrap();
    fs::rename(&next, demo.folder.path().join("flags.json")).unwrap();
    assert_eq!(example.line("changed"), "changed: Some([\"new-checkout\"])");
    assert!(example.line("new-checkout true").ends_with(&format!("(true, {color:?})")));
    demo.daemon.kill();
    example.line("stale: Some");
}

fn from_env() {
    let folder = tempfile::tempdir().unwrap();
    let run = |variables: &[(&str, &str)]| Example::start("from_env", folder.path(), &[], variables).end();
    let memory = r#"{"greeting": "hello", "page-size": 20, "new-checkout": true}"#;
    assert_eq!(
        run(&[("HOIST_PROVIDER", "in-memory"), ("HOIST_IN_MEMORY_FLAGS", memory)]),
        [
            "flags come from in-memory",
            "ann: hello, 20 to a page, the new checkout",
            "bob: hello, 20 to a page, the new checkout",
        ]
    );
    assert_eq!(
        run(&[("HOIST_PROVIDER", "env-var"), ("GREETING", "hi")]),
        ["flags come from env-var", "ann: hi, 10 to a page", "bob: hi, 10 to a page"]
    );
    // Members that have their flags from the start: several are ready as soon as one of them answers.
    let several = [
        ("HOIST_PROVIDER", "env-var,in-memory"),
        ("HOIST_IN_MEMORY_FLAGS", r#"{"greeting": "hello", "page-size": 5}"#),
        ("GREETING", "hi"),
    ];
    assert_eq!(run(&several), ["flags come from multi", "ann: hi, 5 to a page", "bob: hi, 5 to a page"]);
    let missing = run(&[("HOIST_FLAGS_PATH", "nowhere.yaml")]);
    assert!(missing[0].starts_with("starting with the defaults: provider file is "), "{missing:?}");
    assert_eq!(missing[1..], ["ann: good day, 10 to a page", "bob: good day, 10 to a page"]);
}

fn multi_shadow() {
    let said = Example::start("multi_shadow", Path::new("."), &[], &[]).end();
    let expected = [
        "page-size: new says Some(Int(50)), not Some(Int(20)) (1 of 4)",
        "new-cart: 10 compared, 0 differed",
        "page-size: 10 compared, 1 differed",
        "page size without await: 20",
    ];
    // How many were compared before the one that differs is a matter of scheduling.
    let settled = |line: &str| line.split(" (").next().unwrap_or_default().to_owned();
    assert_eq!(said.iter().map(|line| settled(line)).collect::<Vec<_>>(), expected.map(settled));
}

fn tests_with_in_memory() {
    let said = Example::start("tests_with_in_memory", Path::new("."), &[], &[]).end();
    let asked = "asked: discount for Some(\"ann\")";
    let expected = [
        "without a discount: 1000",
        "with half off, for this future alone: 500",
        "and without again: 1000",
        asked,
        asked,
        asked,
    ];
    assert_eq!(said, expected);
}

/// One test for each, and one that sees to it that none is left out.
macro_rules! examples {
    ($($name:ident,)*) => {
        mod each {
            $(#[test]
            fn $name() {
                super::$name();
            })*
        }

        #[test]
        fn none_is_left_out() {
            let run = [$(stringify!($name)),*];
            for entry in fs::read_dir(workspace().join("examples/examples")).unwrap() {
                let path = entry.unwrap().path();
                let name = path.file_stem().and_then(|name| name.to_str()).unwrap();
                assert!(run.contains(&name), "{name} has no test here");
            }
        }
    };
}

examples! {
    axum,
    connectrpc,
    flagd_in_process,
    flagd_rpc,
    from_env,
    multi_shadow,
    tests_with_in_memory,
    tonic,
}
