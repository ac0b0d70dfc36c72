//! What a real Flagsmith 2.265.0 decided, decided again.

#![allow(clippy::expect_used, clippy::panic, clippy::print_stdout)]

use std::path::Path;

use hoist_provider_flagsmith::rules::{Cause, Compiled, Identity, compile};
use serde_json::{Map, Value};

const GOLDENS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/goldens/flagsmith-2.265.0");

fn golden(name: &str) -> Value {
    let text = std::fs::read_to_string(Path::new(GOLDENS).join(name)).expect("a golden file");
    serde_json::from_str(&text).expect("JSON")
}

fn there() -> bool {
    let there = Path::new(GOLDENS).is_dir();
    if !there {
        println!("skipped: no ../shared/goldens/flagsmith-2.265.0");
    }
    there
}

fn environment() -> Compiled {
    let document = serde_json::from_value(golden("environment-document.json")).expect("a document");
    let compiled = compile(document);
    assert_eq!(compiled.findings, []);
    compiled
}

/// Enabled, value, variant, and whether a segment decided.
fn decided(compiled: &Compiled, feature: &str, identity: Option<&Identity<'_>>) -> Value {
    let feature = compiled.features.iter().find(|other| other.name() == feature).expect("a feature");
    let decision = feature.decide(identity);
    serde_json::json!({
        "enabled": decision.enabled(),
        "value": decision.value(),
        "variant": decision.variant(),
        "by_segment": matches!(decision.cause, Cause::Segment(_)),
    })
}

#[test]
fn identities_get_what_the_server_gave_them() {
    if !there() {
        return;
    }
    let compiled = environment();
    let identities = golden("identities.json");
    let mut decisions = 0;
    let mut wrong = Vec::new();
    for case in identities["cases"].as_array().expect("cases") {
        let traits: &Map<String, Value> = case["traits"].as_object().expect("traits");
        let identifier = case["identifier"].as_str().expect("an identifier");
        let identity = Identity { identifier, traits };
        for (feature, expected) in case["flags"].as_object().expect("flags") {
            decisions += 1;
            let got = decided(&compiled, feature, Some(&identity));
            if got != *expected {
                wrong.push(format!("{feature} for {identifier} with {traits:?}: {got}, not {expected}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {decisions} wrong:\n{}", wrong.len(), wrong.join("\n"));
    assert_eq!(decisions, 2580);
}

#[test]
fn without_an_identity_the_environment_stands() {
    if !there() {
        return;
    }
    let compiled = environment();
    let flags = golden("flags.json");
    let flags = flags.as_array().expect("flags");
    assert_eq!(flags.len(), compiled.features.len());
    for flag in flags {
        let feature = flag["feature"]["name"].as_str().expect("a name");
        let got = decided(&compiled, feature, None);
        assert_eq!(
            (&got["enabled"], &got["value"]),
            (&flag["enabled"], &flag["feature_state_value"]),
            "{feature}"
        );
    }
}
