//! The targeting scenarios of flagd's testbed, its feature file read as it is.
#![allow(clippy::expect_used, clippy::panic, reason = "a broken harness is a failed test")]

mod harness;

use std::collections::HashMap;

use harness::Served;
use hoist_engine::{Bucketing, Options};
use serde_json::{Map, Value, json};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/conformance/flagd-testbed");

/// One scenario with an example's values filled in.
#[derive(Debug)]
struct Scenario {
    name: String,
    tags: Vec<String>,
    steps: Vec<String>,
}

#[test]
fn targeting() {
    let Ok(feature) = std::fs::read_to_string(format!("{FOLDER}/gherkin/targeting.feature")) else {
        println!("skipped: no ../shared/conformance/flagd-testbed");
        return;
    };
    let mut wrong = Vec::new();
    let mut seen = HashMap::from([(Bucketing::V2, 0), (Bucketing::V3, 0)]);
    for bucketing in [Bucketing::V2, Bucketing::V3] {
        let served = documents(&Options { bucketing, ..Options::default() });
        for scenario in scenarios(&feature) {
            let tagged = |tag: &str| scenario.tags.iter().any(|other| other == tag);
            let meant = match bucketing {
                Bucketing::V2 => !tagged("@fractional-v1") && !tagged("@fractional-v3"),
                Bucketing::V3 => tagged("@fractional-v3"),
            };
            if meant {
                *seen.get_mut(&bucketing).expect("both are there") += 1;
                if let Err(error) = play(&scenario, &served) {
                    wrong.push(format!("{}: {error}\n  {:?}", scenario.name, scenario.steps));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {seen:?} wrong:\n{}", wrong.len(), wrong.join("\n"));
    assert!(seen[&Bucketing::V2] > 60 && seen[&Bucketing::V3] > 100, "only {seen:?} scenarios found");
}

fn documents(options: &Options) -> Vec<Served> {
    let mut files: Vec<_> = std::fs::read_dir(format!("{FOLDER}/flags"))
        .expect("a folder of flags")
        .map(|entry| entry.expect("a file").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .collect();
    files.sort();
    files.iter().map(|file| Served::new(&std::fs::read_to_string(file).expect("text"), options)).collect()
}

/// Splits a feature file; every row of examples becomes a scenario.
fn scenarios(feature: &str) -> Vec<Scenario> {
    let mut found = Vec::new();
    let (mut name, mut tags, mut steps) = (String::new(), Vec::new(), Vec::new());
    let mut header: Option<Vec<String>> = None;
    // Tags stand above what they mark, a scenario or its examples.
    let (mut pending, mut marked): (Vec<String>, Vec<String>) = (Vec::new(), Vec::new());
    let mut outlined = true;
    for line in feature.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let begins = line.starts_with("Scenario") || line.starts_with("Background");
        if begins && !outlined {
            found.push(Scenario {
                name: name.clone(),
                tags: tags.clone(),
                steps: std::mem::take(&mut steps),
            });
        }
        if line.starts_with('@') {
            pending.extend(line.split_whitespace().map(str::to_owned));
        } else if begins {
            name = line.to_owned();
            tags = std::mem::take(&mut pending);
            steps.clear();
            outlined = line.starts_with("Scenario Outline") || line.starts_with("Background");
        } else if line.starts_with("Examples") {
            marked = std::mem::take(&mut pending);
            header = None;
        } else if let Some(row) = line.strip_prefix('|').and_then(|row| row.strip_suffix('|')) {
            let cells: Vec<String> = row.split('|').map(|cell| cell.trim().to_owned()).collect();
            let Some(header) = &header else {
                header = Some(cells);
                continue;
            };
            let fill = |step: &String| {
                header
                    .iter()
                    .zip(&cells)
                    .fold(step.clone(), |step, (key, cell)| step.replace(&format!("<{key}>"), cell))
            };
            let tags = [tags.clone(), marked.clone()].concat();
            found.push(Scenario { name: name.clone(), tags, steps: steps.iter().map(fill).collect() });
        } else if !line.starts_with("Feature") {
            steps.push(line.to_owned());
        }
    }
    if !outlined {
        found.push(Scenario { name, tags, steps });
    }
    found
}

/// Does what the steps say.
fn play(scenario: &Scenario, served: &[Served]) -> Result<(), String> {
    let (mut key, mut fallback) = (String::new(), Value::Null);
    let mut context = Map::new();
    let mut answer = Value::Null;
    for step in &scenario.steps {
        let words: Vec<&str> = quoted(step);
        let (_, rest) = step.split_once(' ').unwrap_or_default();
        match (rest.split('"').next().unwrap_or_default().trim(), words.as_slice()) {
            ("a String-flag with key", [name, default]) => {
                (key, fallback) = ((*name).to_owned(), json!(default))
            }
            ("a Integer-flag with key", [name, default]) => {
                (key, fallback) =
                    ((*name).to_owned(), serde_json::from_str(default).map_err(|e| e.to_string())?);
            }
            ("a context containing a key", [name, kind, value]) => {
                context.insert((*name).to_owned(), typed(kind, value)?);
            }
            ("a context containing a targeting key with value", [value]) => {
                context.insert("targetingKey".to_owned(), json!(value));
            }
            ("a context containing a nested property with outer key", [outer, inner, value]) => {
                context.insert((*outer).to_owned(), json!({*inner: value}));
            }
            ("the flag was evaluated with details", []) => {
                let flags = served.iter().map(|served| served.ofrep(&key, &Value::Object(context.clone())));
                answer = flags.max_by_key(|answer| answer[0] != 404).ok_or("no documents")?;
            }
            ("the resolved details value should be", [value]) => {
                let given = answer[1].get("value").unwrap_or(&fallback);
                let given = given.as_str().map_or_else(|| harness::text(given), str::to_owned);
                if given != *value {
                    return Err(format!("gave {answer}, not {value}"));
                }
            }
            ("the reason should be", ["ERROR"]) if answer[1].get("errorCode").is_some() => {}
            ("the reason should be", [reason]) if answer[1]["reason"] == *reason => {}
            ("the error-code should be", [""]) if answer[1].get("errorCode").is_none() => {}
            ("the error-code should be", [code]) if answer[1]["errorCode"] == *code => {}
            other => return Err(format!("{step} ({other:?}) with {answer}")),
        }
    }
    Ok(())
}

/// The quoted parts of a step. Only its last one may hold quotes itself.
fn quoted(step: &str) -> Vec<&str> {
    let json = step.contains("with type \"Object\"");
    match step.split_once("with value \"") {
        Some((before, value)) if json => {
            let mut words: Vec<&str> = before.split('"').skip(1).step_by(2).collect();
            words.push(value.strip_suffix('"').unwrap_or(value));
            words
        }
        _ => step.split('"').skip(1).step_by(2).collect(),
    }
}

fn typed(kind: &str, text: &str) -> Result<Value, String> {
    match kind {
        "String" => Ok(json!(text)),
        "Boolean" | "Integer" | "Object" => {
            serde_json::from_str(text).map_err(|error| format!("{text}: {error}"))
        }
        "Float" => text.parse::<f64>().map(|n| json!(n)).map_err(|error| format!("{text}: {error}")),
        _ => Err(format!("no type {kind}")),
    }
}
