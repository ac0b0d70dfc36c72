//! What a real flagd 0.16.1 answered to 3,000 questions, asked again of this daemon over HTTP.

#![allow(clippy::expect_used, clippy::panic)]

mod process;

use std::io::Read;
use std::path::Path;

use process::{Client, Daemon};
use serde_json::{Value, json};

const GOLDENS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/goldens/flagd-0.16.1");

fn unpacked(name: &str) -> Value {
    let file = std::fs::File::open(Path::new(GOLDENS).join(name)).expect("a golden file");
    let mut text = String::new();
    flate2::read::GzDecoder::new(file).read_to_string(&mut text).expect("gzip");
    serde_json::from_str(&text).expect("JSON")
}

/// The methods that a flag's type is asked with: the right one, and one that is wrong.
fn methods(flag: &Value) -> (&'static str, &'static str) {
    let variants = flag["variants"].as_object().expect("variants");
    match variants.values().next().expect("a variant") {
        Value::Bool(_) => ("ResolveBoolean", "ResolveString"),
        Value::Number(_) => ("ResolveFloat", "ResolveBoolean"),
        Value::String(_) => ("ResolveString", "ResolveBoolean"),
        _ => ("ResolveObject", "ResolveBoolean"),
    }
}

/// Equal as JSON, a number being a number however it is written.
fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => a.as_f64() == b.as_f64(),
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(key, a)| b.get(key).is_some_and(|b| same(a, b)))
        }
        _ => a == b,
    }
}

/// The one difference that is meant: schema.v1 gives the reason DEFAULT where flagd lets its inner FALLBACK out.
fn mended(how: &str, mut expected: Value) -> Value {
    if how == "schema.v1.Service" && expected[1]["reason"] == "FALLBACK" {
        expected[1]["reason"] = "DEFAULT".into();
    }
    expected
}

fn ask(evaluation: &mut Client, ofrep: &mut Client, how: &str, flag: &Value, question: &Value) -> Value {
    let key = question["flag"].as_str().expect("a key");
    if how == "ofrep" {
        let path = format!("/ofrep/v1/evaluate/flags/{key}");
        let (status, body) = ofrep.post(&path, &json!({"context": question["context"]}));
        return json!([status, body]);
    }
    let (right, wrong) = methods(flag);
    let path = match how {
        "mismatch" => format!("/flagd.evaluation.v2.Service/{wrong}"),
        "int" => "/flagd.evaluation.v1.Service/ResolveInt".to_owned(),
        service => format!("/{service}/{right}"),
    };
    let (status, body) = evaluation.post(&path, &json!({"flagKey": key, "context": question["context"]}));
    json!([status, body])
}

#[test]
fn every_answer_is_flagds() {
    if !Path::new(GOLDENS).exists() {
        eprintln!("skipped: no ../shared/goldens/flagd-0.16.1");
        return;
    }
    let path = Path::new(GOLDENS).join("flags.json");
    let flags: Value = serde_json::from_slice(&std::fs::read(&path).expect("flags")).expect("JSON");
    let daemon = Daemon::start(&["-f", &format!("file:{}", path.display())], "ready");
    let (mut evaluation, mut ofrep) = (daemon.client("evaluation"), daemon.client("ofrep"));
    let (questions, answers) = (unpacked("questions.json.gz"), unpacked("answers.json.gz"));
    let pairs = questions.as_array().expect("questions").iter().zip(answers.as_array().expect("answers"));
    let (mut asked, mut wrong) = (0, Vec::new());
    for (question, answers) in pairs {
        let flag = &flags["flags"][question["flag"].as_str().expect("a key")];
        for (how, expected) in answers.as_object().expect("answers") {
            asked += 1;
            let expected = mended(how, expected.clone());
            // The second answer may come out of what was kept of the first.
            for _ in 0..2 {
                let found = ask(&mut evaluation, &mut ofrep, how, flag, question);
                if !same(&found, &expected) {
                    wrong.push(format!(
                        "{how} {question}\n  flagd:  {expected}\n  hoistd: {found}\n  flag: {flag}"
                    ));
                }
            }
        }
    }
    assert!(asked > 5_000, "only {asked} answers were compared");
    let shown = wrong.iter().take(10).map(String::as_str).collect::<Vec<_>>().join("\n");
    assert!(wrong.is_empty(), "{} of {asked} answers differ:\n{shown}", wrong.len());
}
