//! The vendor's client specification, case by case, asked as OpenFeature asks.

#![allow(clippy::expect_used, clippy::print_stdout)]

mod flags;

use hoist_provider_unleash::model::Fold;
use serde_json::{Value, json};

/// 2026-11-21 at noon.
const NOW: u64 = 1_795_262_400;

/// The document of a file, which may be told as events.
fn document(state: &Value) -> String {
    if state.get("events").is_none() {
        return state.to_string();
    }
    let mut fold = Fold::default();
    fold.apply(&state.to_string()).expect("events");
    fold.document().expect("a document")
}

#[test]
fn every_case_of_the_client_specification() {
    let Some(folder) = flags::shared("conformance/unleash-client-specification") else {
        println!("skipped: no conformance/unleash-client-specification");
        return;
    };
    let files = flags::read(folder.join("index.json"));
    let (mut cases, mut wrong) = (0, Vec::new());
    for file in files.as_array().expect("a list").iter().map(|file| file.as_str().expect("a name")) {
        let specification = flags::read(folder.join(file));
        let snapshot = flags::flags(&document(&specification["state"]));
        for case in specification["tests"].as_array().into_iter().flatten() {
            cases += 1;
            let key = case["toggleName"].as_str().expect("a name");
            let (on, _) = flags::answers(&snapshot, key, &case["context"], NOW);
            if json!(on) != case["expectedResult"] {
                wrong.push(format!("{file}: {}", case["description"]));
            }
        }
        for case in specification["variantTests"].as_array().into_iter().flatten() {
            cases += 1;
            let key = case["toggleName"].as_str().expect("a name");
            let expected = &case["expectedResult"];
            let (on, variant) = flags::answers(&snapshot, key, &case["context"], NOW);
            if variant != flags::expected(expected) || json!(on) != expected["feature_enabled"] {
                wrong.push(format!("{file}: {}: {on} {variant} is not {expected}", case["description"]));
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {cases}:\n{}", wrong.len(), wrong.join("\n"));
    assert_eq!(cases, 279);
}
