//! Random conditions and traits, decided beside the engine that Flagsmith's server pins, where Python has it
//! (`pip install flagsmith-flag-engine==10.2.0`).

#![allow(clippy::expect_used, clippy::panic, clippy::print_stdout)]

use std::io::Write;
use std::process::{Command, Stdio};

use hoist_provider_flagsmith::rules::{Cause, Identity, compile};
use serde_json::{Value, json};

const ORACLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/oracle.py");

/// A small generator, so that a failure can be repeated.
struct Dice(u64);

impl Dice {
    fn below(&mut self, most: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % most as u64) as usize
    }

    fn pick<T: Clone>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())].clone()
    }
}

const OPERATORS: [&str; 14] = [
    "EQUAL",
    "NOT_EQUAL",
    "GREATER_THAN",
    "GREATER_THAN_INCLUSIVE",
    "LESS_THAN",
    "LESS_THAN_INCLUSIVE",
    "CONTAINS",
    "NOT_CONTAINS",
    "REGEX",
    "MODULO",
    "PERCENTAGE_SPLIT",
    "IN",
    "IS_SET",
    "IS_NOT_SET",
];

const TEXTS: [&str; 40] = [
    "",
    "0",
    "1",
    "30",
    "30.0",
    "31.5",
    "-4",
    "-7.25",
    "007",
    "1e3",
    " 5",
    "eu",
    "EU",
    "eu,us",
    "us, eu",
    "e",
    "True",
    "true",
    "False",
    "1.2.3",
    "1.2.3-rc.1",
    "1.10.0",
    "v1.2.3",
    "1.2",
    "1.2.3+build",
    "1.2.3:semver",
    "1.2.3-rc.1:semver",
    "rc.1:semver",
    "x:semver",
    "bob@example.com",
    "[\"eu\",\"30\"]",
    "[30, true, null, 1.5]",
    "[broken",
    "a b",
    "é☃",
    "9007199254740993",
    "99999999999999999999999",
    "nan",
    "inf",
    "0.0",
];

const PATTERNS: [&str; 12] =
    ["eu", "^e", "u$", "x?", "[0-9]+", r"\d+\.\d", "(?i)EU", "a|u", "(?=e)eu", "(unclosed", "True", r"30\Z"];

const MODULOS: [&str; 8] = ["7|2", "3|2", "2|0", "0|0", "-3|-1", "1.5|0", "x|1", "3|2|1"];

const PROPERTIES: [&str; 10] = [
    "a",
    "b",
    "missing",
    "$.identity.identifier",
    "$.environment.name",
    "$.identity.traits.a",
    "$.identity.key",
    "$.identity.traits",
    "$.nothing",
    "$.odd",
];

fn condition(dice: &mut Dice) -> Value {
    let operator = dice.pick(&OPERATORS);
    let value = match operator {
        "REGEX" => dice.pick(&PATTERNS),
        "MODULO" => dice.pick(&MODULOS),
        "PERCENTAGE_SPLIT" => dice.pick(&["0", "25", "50", "99.9", "100", "x"]),
        _ => dice.pick(&TEXTS),
    };
    let property =
        if operator == "PERCENTAGE_SPLIT" && dice.below(3) == 0 { "" } else { dice.pick(&PROPERTIES) };
    json!({"operator": operator, "value": value, "property": property})
}

fn rule(dice: &mut Dice, depth: usize) -> Value {
    let conditions: Vec<Value> = (0..dice.below(4)).map(|_| condition(dice)).collect();
    let rules: Vec<Value> =
        (0..if depth == 0 { 0 } else { dice.below(3) }).map(|_| rule(dice, depth - 1)).collect();
    json!({"type": dice.pick(&["ALL", "ANY", "NONE"]), "conditions": conditions, "rules": rules})
}

fn segment(dice: &mut Dice, key: usize) -> Value {
    let rules: Vec<Value> = if dice.below(3) > 0 {
        vec![json!({"type": "ALL", "conditions": [condition(dice)], "rules": []})]
    } else {
        (0..dice.below(3)).map(|_| rule(dice, 2)).collect()
    };
    json!({"key": key.to_string(), "name": format!("segment {key}"), "rules": rules})
}

fn identity(dice: &mut Dice, at: usize) -> Value {
    let one = |dice: &mut Dice| match dice.below(6) {
        0 => json!(dice.below(2) == 0),
        1 => dice.pick(&[json!(0), json!(1), json!(30), json!(-4), json!(9_007_199_254_740_993_i64)]),
        2 => dice.pick(&[json!(30.0), json!(31.5), json!(-7.25), json!(1e16), json!(1.5e-7), json!(0.0)]),
        _ => json!(dice.pick(&TEXTS)),
    };
    let mut traits = serde_json::Map::new();
    for name in ["a", "b", "$.odd", "$.identity.key"] {
        if dice.below(4) > 0 && (!name.starts_with('$') || dice.below(8) == 0) {
            traits.insert(name.to_owned(), one(dice));
        }
    }
    let identifier =
        if dice.below(6) == 0 { dice.pick(&TEXTS[1..]).to_owned() } else { format!("user-{at}") };
    json!({"identifier": identifier, "traits": traits})
}

fn oracle(question: &Value) -> Option<Vec<String>> {
    let known = Command::new("python3").args(["-c", "import flag_engine.segments.evaluator"]).output();
    if !known.is_ok_and(|known| known.status.success()) {
        println!("skipped: no python3 with flagsmith-flag-engine 10.2");
        return None;
    }
    let mut child = Command::new("python3")
        .arg(ORACLE)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("python3 starts");
    child.stdin.take().expect("a pipe").write_all(question.to_string().as_bytes()).expect("it reads");
    let output = child.wait_with_output().expect("it ends");
    assert!(output.status.success());
    Some(serde_json::from_slice(&output.stdout).expect("its answers"))
}

/// A document with one feature per segment, overridden there and nowhere else.
fn document(environment: &Value, segments: &[Value]) -> Value {
    let feature = |at: usize| json!({"id": at, "name": format!("feature {at}"), "type": "STANDARD"});
    let state = |at: usize, on: bool| json!({"feature": feature(at), "enabled": on, "django_id": at + 1});
    let states: Vec<Value> = (0..segments.len()).map(|at| state(at, false)).collect();
    let rules = |rules: &Value| -> Value {
        let text = rules.to_string().replace("\"property\":", "\"property_\":");
        serde_json::from_str(&text).expect("JSON")
    };
    let segments: Vec<Value> = segments
        .iter()
        .enumerate()
        .map(|(at, segment)| {
            json!({"id": at, "name": segment["name"], "rules": rules(&segment["rules"]),
                   "feature_states": [state(at, true)]})
        })
        .collect();
    json!({"api_key": environment["key"], "name": environment["name"], "project": {"segments": segments},
           "feature_states": states})
}

#[test]
fn segments_match_as_in_the_servers_engine() {
    let mut dice = Dice(0x5eed_f1a6);
    let environment = json!({"key": "env", "name": "Production"});
    let segments: Vec<Value> = (0..1500).map(|key| segment(&mut dice, key)).collect();
    let identities: Vec<Value> = (0..60).map(|at| identity(&mut dice, at)).collect();
    let question = json!({"environment": environment, "segments": segments, "identities": identities});
    let Some(expected) = oracle(&question) else { return };
    let compiled = compile(serde_json::from_value(document(&environment, &segments)).expect("a document"));
    assert_eq!(compiled.features.len(), segments.len());
    let mut wrong = Vec::new();
    let mut matches = 0;
    for (identity, expected) in identities.iter().zip(&expected) {
        let traits = identity["traits"].as_object().expect("traits");
        let who = Identity { identifier: identity["identifier"].as_str().expect("text"), traits };
        for ((at, feature), expected) in compiled.features.iter().enumerate().zip(expected.chars()) {
            let got = matches!(feature.decide(Some(&who)).cause, Cause::Segment(_));
            matches += usize::from(got);
            if expected != 'e' && got != (expected == 'y') {
                wrong.push(format!("{got}: {} for {identity}", segments[at]["rules"]));
            }
        }
    }
    assert!(matches > 1000, "only {matches} matches: the generator tests nothing");
    assert!(wrong.is_empty(), "{} wrong, such as:\n{}", wrong.len(), wrong[..wrong.len().min(8)].join("\n"));
}
