//! The Flagsmith provider, in process and by the server, against a server of the test's own.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ::flagsmith::{Booleans, Mode, Options, in_process, remote};
use kit::Evaluate;
use serde_json::{Value, json};

use crate::backend::{Backend, Control, Started, Work};
use crate::capability::Capability;
use crate::suites::flags;

const STANDARD: &str = "features have no variants, and shares are for identities alone";
const NO_METADATA: &str = "features say nothing about themselves";
const NO_DEFAULT: &str = "a feature without a value is a feature of another type";
const IDENTITIES: &str = "segments are of identities: rules are not looked at without a targeting key";
const TRAITS: &str = "traits are no structures";
const ONLY_ASKED: &str = "it knows of the server only what it is told when it asks";

/// Definitions here.
pub(super) const IN_PROCESS: Backend = Backend {
    name: "flagsmith, in process",
    lacks: &[
        (Capability::Variants, STANDARD),
        (Capability::Metadata, NO_METADATA),
        (Capability::DefaultStands, NO_DEFAULT),
        (Capability::Targeting, IDENTITIES),
        (Capability::NestedContext, TRAITS),
    ],
    start: || -> Work<'static, Started> {
        Box::pin(async {
            let server = Server::start();
            let provider = in_process(&server.options(Mode::InProcess)).unwrap();
            let handle = provider.handle();
            let mut started = Started::new(provider, server);
            started.at_once = Some(Box::new(move |key, default, context| handle.bool(key, default, context)));
            started
        })
    },
};

/// One request for each evaluation.
pub(super) const REMOTE: Backend = Backend {
    name: "flagsmith, remote",
    lacks: &[
        (Capability::Variants, STANDARD),
        (Capability::Metadata, NO_METADATA),
        (Capability::DefaultStands, NO_DEFAULT),
        (Capability::Targeting, IDENTITIES),
        (Capability::NestedContext, TRAITS),
        (Capability::Change, ONLY_ASKED),
        (Capability::ChangedKeys, ONLY_ASKED),
        (Capability::Synchronous, "the server evaluates"),
    ],
    start: || -> Work<'static, Started> {
        Box::pin(async {
            let server = Server::start();
            let provider = remote(&server.options(Mode::Remote)).unwrap();
            Started::new(provider, server)
        })
    },
};

/// The standard flags that Flagsmith can have, as states of an environment.
fn states(toggle: bool) -> Vec<Value> {
    let object = flags::object().to_string();
    let values = [
        ("on", json!(true)),
        ("off", json!(false)),
        ("int", json!(7)),
        ("negative", json!(-3)),
        ("large", json!(flags::LARGE)),
        ("float", json!("0.5")),
        ("text", json!(flags::TEXT)),
        ("empty", json!("")),
        ("object", json!(object)),
        ("by-key", json!(false)),
        ("toggle", json!(toggle)),
    ];
    let state = |(name, value, enabled): (&str, Value, bool)| {
        json!({"feature": {"id": 1, "name": name, "type": "STANDARD"}, "enabled": enabled,
            "feature_state_value": value, "django_id": 1})
    };
    let on = values.into_iter().map(|(name, value)| (name, value, true));
    on.chain([("disabled", json!(true), false)]).map(state).collect()
}

/// A server with one environment, whose overrides are those of the identity `ann`.
struct Server {
    port: u16,
    states: Arc<Mutex<Vec<Value>>>,
    away: Arc<AtomicBool>,
}

impl Server {
    fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = Self { port, states: Arc::new(Mutex::new(states(false))), away: Arc::default() };
        let (all, away) = (Arc::downgrade(&server.states), Arc::clone(&server.away));
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                // Whoever drops the server connects once more, to end this.
                let Some(all) = all.upgrade() else { return };
                let away = Arc::clone(&away);
                std::thread::spawn(move || answer(stream, &all, &away));
            }
        });
        server
    }

    fn options(&self, mode: Mode) -> Options {
        Options {
            mode,
            url: format!("http://127.0.0.1:{}/api/v1/", self.port),
            environment_key: Some("ser.key".to_owned()),
            booleans: Booleans::Value,
            interval: Duration::from_secs(1),
            ..Options::default()
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.states = Arc::default();
        drop(TcpStream::connect(("127.0.0.1", self.port)));
    }
}

impl Control for Server {
    fn toggle(&mut self, on: bool) {
        *self.states.lock().unwrap_or_else(PoisonError::into_inner) = states(on);
    }

    fn away(&mut self, away: bool) {
        self.away.store(away, Ordering::Relaxed);
    }
}

/// Answers every request of a connection.
fn answer(mut stream: TcpStream, all: &Mutex<Vec<Value>>, away: &AtomicBool) {
    while let Some((path, body)) = read(&mut stream) {
        if away.load(Ordering::Relaxed) {
            return;
        }
        let states = all.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let (status, answer) = said(&path, &body, states);
        let text = answer.to_string();
        let head = format!(
            "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
            text.len()
        );
        if stream.write_all((head + &text).as_bytes()).is_err() {
            return;
        }
    }
}

fn said(path: &str, body: &str, mut states: Vec<Value>) -> (u16, Value) {
    let by_key = json!({"feature": {"id": 1, "name": "by-key", "type": "STANDARD"}, "enabled": true,
        "feature_state_value": true, "django_id": 2});
    match path.strip_prefix("/api/v1/") {
        Some("environment-document/") => {
            let ann = json!({"identifier": "ann", "identity_features": [by_key]});
            (
                200,
                json!({"api_key": "env", "project": {}, "feature_states": states, "identity_overrides": [ann]}),
            )
        }
        Some("flags/") => (200, states.into()),
        Some("identities/") => {
            let asked: Value = serde_json::from_str(body).unwrap_or_default();
            if asked["identifier"] == "ann" {
                states.retain(|state| state["feature"]["name"] != "by-key");
                states.push(by_key);
            }
            (200, json!({"identifier": asked["identifier"], "traits": [], "flags": states}))
        }
        Some(other) => {
            let wanted = other.strip_prefix("flags/?feature=");
            let found = states.into_iter().find(|state| state["feature"]["name"].as_str() == wanted);
            found.map_or((404, json!({"detail": "Given feature not found"})), |state| (200, state))
        }
        None => (404, json!({"detail": "Not found."})),
    }
}

/// The path and the body of the next request.
fn read(stream: &mut TcpStream) -> Option<(String, String)> {
    let mut bytes = Vec::new();
    loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&bytes[..end]).to_ascii_lowercase();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
            let length = length.and_then(|length| length.trim().parse().ok()).unwrap_or(0);
            if bytes.len() >= end + 4 + length {
                let body = String::from_utf8_lossy(&bytes[end + 4..]).into_owned();
                return Some((head.split(' ').nth(1)?.to_owned(), body));
            }
        }
        let mut piece = [0; 65_536];
        match stream.read(&mut piece).ok()? {
            0 => return None,
            count => bytes.extend_from_slice(&piece[..count]),
        }
    }
}
