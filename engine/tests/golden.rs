//! Contract section 7 row by row, and what a real flagd 0.16.1 answered.
#![allow(clippy::expect_used, clippy::panic, reason = "a broken harness is a failed test")]

mod harness;

use harness::{Answer, Asked, evaluate, resolve};
use hoist_engine::{Bucketing, Options};
use serde_json::{Value, json};

/// Contract 7.5, rows 1 to 56: rule, data, what comes out. `null` in the place of a row's data is `{}`.
const ROWS: &str = include_str!("golden/rows.jsonl");

#[test]
fn rows() {
    let mut wrong = Vec::new();
    let mut seen = 0;
    for line in ROWS.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let row: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{line}: {error}"));
        let [id, rule, data, expected] = row.as_array().expect("a row").as_slice() else { panic!("{line}") };
        let answer = evaluate(rule, data, &Options::default()).map(|outcome| harness::text(&outcome));
        let expected = if expected == "ERR" { Err(()) } else { Ok(harness::text(expected)) };
        if answer != expected {
            wrong.push(format!("row {id}: {rule} over {data} gave {answer:?}, not {expected:?}"));
        }
        seen += 1;
    }
    assert!(wrong.is_empty(), "{} of {seen} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

/// Contract 7.5, rows 69 to 74.
#[test]
fn flag_level() {
    let answer = |targeting: Value, context: Value| {
        let flag = json!({"state": "ENABLED", "variants": {"true": 1, "one": 2, "d": 3, "a<&\"b": 4, "[x]": 5},
            "defaultVariant": "d", "targeting": targeting});
        resolve(&flag, &context, &Options::default())
    };
    let matched = |variant: &str| Answer::variant(variant, "TARGETING_MATCH");
    assert_eq!(answer(json!({"==": [{"var": "x"}, 1]}), json!({"x": "1"})), matched("true"));
    assert_eq!(answer(json!({}), json!({})), Answer::variant("d", "STATIC"));
    assert_eq!(answer(json!({"fractional": [null, ["one"]]}), json!({})), Answer::variant("d", "DEFAULT"));
    assert_eq!(answer(json!({"fractional": [null, ["one"]]}), json!({"targetingKey": "u"})), matched("one"));
    assert_eq!(answer(json!({"invalid": [1]}), json!({})), Answer::Parse);
    assert_eq!(answer(json!("nope"), json!({})), Answer::General);
    assert_eq!(answer(json!(null), json!({})), Answer::variant("d", "DEFAULT"));
    // The client cannot lend itself another flag's key.
    let spoofed = json!({"$flagd": {"flagKey": "z"}});
    assert_eq!(answer(json!({"==": [{"var": "$flagd.flagKey"}, "flag"]}), spoofed), matched("true"));
    // A string is the variant's name as it is.
    assert_eq!(answer(json!({"var": "v"}), json!({"v": "a<&\"b"})), matched("a<&\"b"));
    assert_eq!(answer(json!(["x"]), json!({})), matched("[x]"));
    // What a context holds is never a rule.
    let rule = json!({"if": [true, {"var": "o"}]});
    assert_eq!(answer(rule, json!({"o": {"var": "one"}, "one": "one"})), Answer::General);
}

/// Contract 7.3: the shorthand vectors of the third algorithm.
#[test]
fn third_algorithm() {
    let flag = json!({"state": "ENABLED", "variants": {"0": 0, "1": 1}, "defaultVariant": "0",
        "targeting": {"fractional": [["0", 1], ["1", 1]]}});
    let options = Options { bucketing: Bucketing::V3, ..Options::default() };
    for (user, bucket) in [
        ("user-1", "0"),
        ("user-2", "1"),
        ("user-3", "0"),
        ("jon@company.com", "1"),
        ("jane@company.com", "1"),
    ] {
        let asked = Asked { key: "fractional-flag-shorthand", context: json!({"targetingKey": user}) };
        let answer = harness::resolve_as(&asked, &flag, &options);
        assert_eq!(answer, Answer::variant(bucket, "TARGETING_MATCH"), "{user}");
    }
}

/// Every answer of the recorded flagd: variant, reason, value or error.
#[test]
fn flagd_answers() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/goldens/flagd-0.16.1");
    let Ok(document) = std::fs::read_to_string(format!("{folder}/flags.json")) else {
        println!("skipped: no ../shared/goldens/flagd-0.16.1");
        return;
    };
    let questions = harness::gunzip(&format!("{folder}/questions.json.gz"));
    let answers = harness::gunzip(&format!("{folder}/answers.json.gz"));
    let served = harness::Served::new(&document, &Options::default());
    let mut wrong = Vec::new();
    let (questions, answers) = (questions.as_array().expect("a list"), answers.as_array().expect("a list"));
    assert_eq!(questions.len(), answers.len());
    for (question, answer) in questions.iter().zip(answers) {
        let key = question["flag"].as_str().expect("a key");
        let ours = served.ofrep(key, &question["context"]);
        let theirs = harness::comparable(&answer["ofrep"]);
        if ours != theirs {
            wrong.push(format!("{key} over {}\n  ours   {ours}\n  theirs {theirs}", question["context"]));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), questions.len(), wrong.join("\n"));
}
