//! Random rules over random contexts, asked of this engine and of others.
#![allow(clippy::expect_used, clippy::panic, reason = "a broken harness is a failed test")]

mod harness;

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use harness::Served;
use harness::random::Random;
use hoist_engine::Options;
use serde_json::{Value, json};

/// Flags in a document, and contexts that each is asked about.
const FLAGS: usize = 500;
const CONTEXTS: usize = 10;

/// Compares with the flagd binary that `HOIST_PEER_FLAGD` names. `HOIST_PEER_SEED` and `HOIST_PEER_ROUNDS` (of 5000
/// questions) say which ones and how many.
#[test]
fn flagd() {
    let Some(binary) = std::env::var_os("HOIST_PEER_FLAGD").map(PathBuf::from) else {
        println!("skipped: HOIST_PEER_FLAGD names no flagd");
        return;
    };
    let number = |name: &str, default: u64| {
        std::env::var(name)
            .map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{name} is a number")))
    };
    let seed = number("HOIST_PEER_SEED", 1);
    let mut different = Vec::new();
    let rounds = number("HOIST_PEER_ROUNDS", 1);
    for round in 0..rounds {
        different.extend(compare(&binary, seed.wrapping_mul(1_000_003).wrapping_add(round)));
    }
    let asked = rounds as usize * FLAGS * CONTEXTS;
    println!("{} of {asked} answers differ", different.len());
    assert!(different.is_empty(), "{} of {asked} differ:\n{}", different.len(), different.join("\n"));
}

/// Compares with datalogic-rs where the two mean the same: no failures, no mixed kinds in comparisons.
#[test]
fn datalogic() {
    let engine = datalogic_rs::Engine::new();
    let mut random = Random::new(7);
    let mut seen = std::collections::HashSet::new();
    for _ in 0..2000 {
        let rule = random.common(4);
        let mut context = random.people();
        let ours = harness::evaluate(&rule, &context, &hoist_engine::Options::default());
        context["$flagd"] = json!({"flagKey": "f", "timestamp": harness::NOW});
        let logic = engine.compile(&rule).unwrap_or_else(|error| panic!("{rule}: {error}"));
        let bump = hoist_engine::Bump::new();
        let theirs = engine.evaluate(&logic, &context, &bump).map(|outcome| outcome.to_string());
        let theirs = theirs.unwrap_or_else(|error| panic!("{rule} over {context}: {error}"));
        let theirs: Value = serde_json::from_str(&theirs).unwrap_or_else(|error| panic!("{theirs}: {error}"));
        let ours = ours.unwrap_or_else(|()| panic!("{rule} fails over {context}"));
        assert_eq!(harness::text(&ours), harness::text(&theirs), "{rule} over {context}");
        seen.insert(harness::text(&ours));
    }
    assert!(seen.len() > 10, "only {seen:?} came out");
}

/// One document and its questions; what differs.
fn compare(binary: &Path, seed: u64) -> Vec<String> {
    let mut random = Random::new(seed);
    let rules: Vec<Value> =
        (0..FLAGS).map(|at| if at % 3 == 0 { random.rule(4) } else { random.sensible(4) }).collect();
    let flags: serde_json::Map<String, Value> = rules
        .iter()
        .enumerate()
        .map(|(at, rule)| {
            let flag =
                json!({"state": "ENABLED", "variants": {"d": 1}, "defaultVariant": "d", "targeting": rule});
            (format!("f{at}"), flag)
        })
        .collect();
    let document = json!({ "flags": flags }).to_string();
    let served = harness::Served::new(&document, &hoist_engine::Options::default());
    let mut flagd = Flagd::start(binary, &document);
    let mut different = Vec::new();
    for (at, rule) in rules.iter().enumerate() {
        for _ in 0..CONTEXTS {
            let context = random.context();
            let key = format!("f{at}");
            let ours = served.outcome(&key, &context);
            let theirs = flagd.outcome(&key, &context);
            if without_time(&ours) != without_time(&theirs) {
                different.push(format!("{rule}\n  over {context}\n  ours   {ours}\n  theirs {theirs}"));
            }
        }
    }
    different
}

/// `$flagd.timestamp` is the one thing that two runs need not agree on.
fn without_time(outcome: &str) -> String {
    match outcome.split_once("timestamp:") {
        Some((before, after)) => {
            let after = after.trim_start_matches(|c: char| c.is_ascii_digit());
            format!("{before}timestamp:{}", without_time(after))
        }
        None => outcome.to_owned(),
    }
}

/// A running flagd. Its log tells what a rule gave when that is no variant.
struct Flagd {
    process: Child,
    connection: BufReader<TcpStream>,
    log: Receiver<String>,
    _folder: tempfile::TempDir,
}

impl Drop for Flagd {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Flagd {
    fn start(binary: &Path, document: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("flags.json");
        std::fs::write(&file, document).expect("written");
        let ports: Vec<u16> = (0..4)
            .map(|_| TcpListener::bind("127.0.0.1:0").expect("a port"))
            .collect::<Vec<_>>()
            .iter()
            .map(|listener| listener.local_addr().expect("an address").port())
            .collect();
        let mut command = Command::new(binary);
        command.arg("start").arg("-f").arg(format!("file:{}", file.display())).args(["-x", "-z", "json"]);
        for (flag, port) in ["-p", "-m", "-g", "-r"].iter().zip(&ports) {
            command.arg(flag).arg(port.to_string());
        }
        let mut process = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("flagd starts");
        let stderr = process.stderr.take().expect("piped");
        let (send, log) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                let message = serde_json::from_str::<Value>(&line).ok().and_then(|line| {
                    line["msg"]
                        .as_str()
                        .and_then(|msg| msg.strip_prefix("invalid or missing variant: "))
                        .map(str::to_owned)
                });
                if let Some(message) = message
                    && send.send(message).is_err()
                {
                    return;
                }
            }
        });
        let connection = connect(ports[3]);
        let mut flagd = Self { process, connection, log, _folder: folder };
        let deadline = Instant::now() + Duration::from_secs(60);
        while flagd.ask("f0", &json!({})).0 == 404 {
            assert!(Instant::now() < deadline, "flagd serves nothing");
            std::thread::sleep(Duration::from_millis(50));
        }
        std::thread::sleep(Duration::from_millis(100));
        while flagd.log.try_recv().is_ok() {}
        flagd
    }

    /// The text that a rule's outcome has, quotes removed, or the error.
    fn outcome(&mut self, key: &str, context: &Value) -> String {
        let (_, body) = self.ask(key, context);
        match body["errorCode"].as_str() {
            Some("GENERAL") => {
                let line = self.log.recv_timeout(Duration::from_secs(5)).expect("the log tells");
                let end = format!(" for flagKey: {key}, variant is not valid");
                line.strip_suffix(&end).unwrap_or_else(|| panic!("{line} is about {key}")).to_owned()
            }
            Some(code) => format!("!{code}"),
            None if body["reason"] == "DEFAULT" => "null".to_owned(),
            None => body["variant"].as_str().expect("a variant").to_owned(),
        }
    }

    fn ask(&mut self, key: &str, context: &Value) -> (u16, Value) {
        let body = json!({ "context": context }).to_string();
        let head = format!(
            "POST /ofrep/v1/evaluate/flags/{key} HTTP/1.1\r\nhost: peer\r\ncontent-type: application/json\r\n\
             content-length: {}\r\n\r\n",
            body.len()
        );
        let stream = self.connection.get_mut();
        stream.write_all(&[head.as_bytes(), body.as_bytes()].concat()).expect("sent");
        let mut status = 0;
        let mut fields = HashMap::new();
        for at in 0.. {
            let mut line = String::new();
            self.connection.read_line(&mut line).expect("an answer");
            match line.trim_end().split_once(": ") {
                _ if at == 0 => status = line[9..12].parse().expect("a status"),
                Some((name, value)) => drop(fields.insert(name.to_ascii_lowercase(), value.to_owned())),
                None => break,
            }
        }
        let mut body = vec![0; fields["content-length"].parse().expect("a length")];
        self.connection.read_exact(&mut body).expect("a body");
        (status, serde_json::from_slice(&body).unwrap_or_default())
    }
}

fn connect(port: u16) -> BufReader<TcpStream> {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        match TcpStream::connect(("127.0.0.1", port)) {
            Ok(stream) => {
                stream.set_nodelay(true).expect("an option");
                return BufReader::new(stream);
            }
            Err(error) => assert!(Instant::now() < deadline, "flagd does not listen: {error}"),
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn joined_keys_hash_as_what_cat_gives() {
    let parts = [
        r#"{"var": "$flagd.flagKey"}"#,
        r#"{"var": "text"}"#,
        r#"{"var": "blank"}"#,
        r#"{"var": "spaced"}"#,
        r#"{"var": "foreign"}"#,
        r#"{"var": "number"}"#,
        r#"{"var": "absent"}"#,
        r#""""#,
        r#"" ""#,
        r#""literal""#,
    ];
    let shares = r#"["on", 1], ["off", 1], ["red", 1], ["blue", 1], ["green", 1], ["grey", 1], ["pink", 1]"#;
    let context =
        json!({"text": "jane@example.com", "blank": "", "spaced": " ada ", "foreign": "ünï", "number": 7});
    let named = ["on", "off", "red", "blue", "green", "grey", "pink"];
    let variants: serde_json::Map<_, _> =
        named.iter().map(|name| ((*name).to_owned(), json!(name))).collect();
    let variants = serde_json::Value::from(variants);
    for first in parts {
        for second in parts {
            for cat in [format!("[{first}, {second}]"), format!("[{first}]"), first.to_owned()] {
                let rule = format!(r#"{{"fractional": [{{"cat": {cat}}}, {shares}]}}"#);
                let served = Served::new(
                    &format!(
                        r#"{{"flags": {{"f": {{"state": "ENABLED", "variants": {variants}, "targeting": {rule}}}}}}}"#
                    ),
                    &Options::default(),
                );
                // Compares with the answer that somebody watches, which takes no short cut.
                served.ofrep("f", &context);
            }
        }
    }
}
