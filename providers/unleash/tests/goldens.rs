//! What a real Unleash 7.5.1 decided, decided again: by the flags, and by the front door.

#![allow(clippy::expect_used, clippy::print_stdout)]

mod flags;

use hoist_provider_unleash::door::{Door, Kind, Token, context_of_json};
use serde_json::{Value, json};

/// The day of the recording, at noon.
const NOW: u64 = 1_795_262_400;

fn compare(features: &str) {
    let Some(folder) = flags::shared("goldens/unleash-7.5.1") else {
        println!("skipped: no goldens/unleash-7.5.1");
        return;
    };
    let document = flags::read(folder.join(features));
    let recorded = flags::read(folder.join("evaluations.json"));
    let snapshot = flags::flags(&document.to_string());
    let door = Door::of(&snapshot, &["unleash".into()]);
    let token =
        Token { kind: Kind::Frontend, projects: vec!["*".to_owned()], environment: "development".to_owned() };
    let names: Vec<&str> = document["features"]
        .as_array()
        .expect("features")
        .iter()
        .map(|feature| feature["name"].as_str().expect("a name"))
        .collect();
    let (mut decisions, mut wrong) = (0, Vec::new());
    for case in recorded["cases"].as_array().expect("cases") {
        let on = case["toggles"].as_array().expect("toggles");
        for name in &names {
            decisions += 1;
            let expected = on.iter().find(|toggle| toggle["name"] == **name);
            let expected_variant = expected.map_or(json!(null), |toggle| flags::expected(&toggle["variant"]));
            let answer = flags::answers(&snapshot, name, &case["context"], NOW);
            if answer != (expected.is_some(), expected_variant) {
                wrong.push(format!("{name} for {}: {answer:?}, not {expected:?}", case["context"]));
            }
        }
        let context =
            context_of_json(json!({"context": case["context"]}).to_string().as_bytes()).expect("a context");
        let toggles = serde_json::to_value(door.toggles(&token, context, NOW)).expect("JSON");
        if sorted(&toggles) != sorted(&case["toggles"]) {
            wrong.push(format!("the front door for {}: {toggles}, not {}", case["context"], case["toggles"]));
        }
    }
    assert!(wrong.is_empty(), "{} of {decisions}:\n{}", wrong.len(), wrong.join("\n"));
    assert_eq!(decisions, names.len() * 62);
    println!("{decisions} decisions");
}

fn sorted(toggles: &Value) -> Vec<Value> {
    let mut toggles = toggles.as_array().expect("a list").clone();
    toggles.sort_by_key(|toggle| toggle["name"].to_string());
    toggles
}

#[test]
fn a_real_server_decided_the_same_with_segments_by_id() {
    compare("features-with-segments.json");
}

#[test]
fn a_real_server_decided_the_same_with_segments_inlined() {
    compare("features-inlined.json");
}
