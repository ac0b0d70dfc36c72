//! The public flag-schema documents, and our own table of breaches with the sentence each must give.
#![cfg(feature = "validate")]
#![allow(clippy::unwrap_used, clippy::print_stderr)]

use std::fs;
use std::path::{Path, PathBuf};

use hoist_schemas::{Schema, Violation, check, validate_flags};
use serde_json::{Value, json};

fn documents(folder: &str, kind: &str) -> Option<Vec<(PathBuf, Value)>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/conformance/flagd-schemas");
    if !root.is_dir() {
        eprintln!("skipped: no ../shared/conformance/flagd-schemas");
        return None;
    }
    let mut found = Vec::new();
    for entry in fs::read_dir(root.join(folder).join(kind)).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "json") {
            let text = fs::read_to_string(&path).unwrap();
            found.push((path, serde_json::from_str(&text).unwrap()));
        }
    }
    Some(found)
}

fn every_document_is_judged(folder: &str, judge: impl Fn(&Value) -> Vec<Violation>, least: usize) {
    let mut seen = 0;
    for kind in ["positive", "negative"] {
        let Some(documents) = documents(folder, kind) else { return };
        for (path, document) in documents {
            let violations = judge(&document);
            assert_eq!(violations.is_empty(), kind == "positive", "{}: {violations:?}", path.display());
            assert!(violations.len() <= 2, "too many sentences for {}: {violations:?}", path.display());
            seen += 1;
        }
    }
    assert!(seen >= least, "only {seen} documents under {folder}");
}

#[test]
fn flags_conformance() {
    every_document_is_judged("flags", validate_flags, 18);
}

#[test]
fn targeting_conformance() {
    every_document_is_judged("targeting", |document| check(Schema::Targeting, document), 16);
}

#[test]
fn flagd_conformance() {
    every_document_is_judged("flagd", validate_flags, 2);
}

fn with_targeting(targeting: Value) -> Value {
    json!({"flags": {"f": {"state": "ENABLED", "variants": {"on": true}, "targeting": targeting}}})
}

#[test]
fn each_breach_is_one_sentence_at_its_place() {
    let table = [
        (json!({}), "", "`flags` is missing"),
        (json!([]), "", "must be of type object, found a list of 0"),
        (
            json!({"flags": {"f": {"state": "on", "variants": {"a": 1}}}}),
            "/flags/f/state",
            r#"must be "ENABLED" or "DISABLED", found "on""#,
        ),
        (
            json!({"flags": {"f": {"state": "ENABLED", "variants": {}}}}),
            "/flags/f/variants",
            "a flag needs at least one variant",
        ),
        (
            json!({"flags": {"f": {"state": "ENABLED", "variants": {"a": 1, "b": "x"}}}}),
            "/flags/f/variants",
            "all variants of a flag have one type: boolean, string, number or object",
        ),
        (json!({"flags": [{"state": "ENABLED", "variants": {"a": 1}}]}), "/flags/0", "`key` is missing"),
        (
            json!({"flags": {}, "metadata": {"a": []}}),
            "/metadata/a",
            "a metadata value is a string, a number or a boolean, found a list of 0",
        ),
        (with_targeting(json!({"ifs": []})), "/flags/f/targeting", "unknown operator `ifs`"),
        (
            with_targeting(json!({"==": [1]})),
            "/flags/f/targeting/==",
            "this operator takes two operands, found a list of 1",
        ),
        (
            with_targeting(json!({"if": [{"starts_with": [{"var": "a"}, 5]}, "on"]})),
            "/flags/f/targeting/if/0/starts_with/1",
            "must be of type string, found 5",
        ),
        (
            with_targeting(json!({"fractional": ["me", ["on", 1]]})),
            "/flags/f/targeting/fractional/0",
            r#"the bucketing value of `fractional` must be a rule such as {"var": "email"}, found "me""#,
        ),
        (
            with_targeting(json!({"fractional": [["on", 1.5]]})),
            "/flags/f/targeting/fractional/0/1",
            "a weight of `fractional` is a whole number or a rule, found 1.5",
        ),
        (
            with_targeting(json!({"sem_ver": [{"var": "v"}, "==", "1"]})),
            "/flags/f/targeting/sem_ver/1",
            r#"`sem_ver` compares with one of = != < <= > >= ~ ^, found "==""#,
        ),
        (
            with_targeting(json!({"sem_ver": [{"var": "v"}, "=", "1.0-rc1"]})),
            "/flags/f/targeting/sem_ver/2",
            r#""1.0-rc1" is not a semantic version"#,
        ),
        (
            with_targeting(json!({"var": "$flagd.flagkey"})),
            "/flags/f/targeting/var",
            r#"`$flagd` has only `flagKey` and `timestamp`, found "$flagd.flagkey""#,
        ),
        (with_targeting(json!("on")), "/flags/f/targeting", r#"must be of type object, found "on""#),
    ];
    for (document, path, message) in table {
        let violations = validate_flags(&document);
        assert_eq!(violations.len(), 1, "{document}: {violations:?}");
        assert_eq!(violations[0].path, path, "{document}");
        assert_eq!(violations[0].message, message, "{document}");
    }
}

#[test]
fn what_flagd_accepts_passes() {
    let rules = [
        json!({}),
        json!({"var": ""}),
        json!({"var": [{"var": "k"}, null]}),
        json!({"var": 1}),
        json!({"?:": [true, "a", "b"]}),
        json!({"sem_ver": ["v1.2.3-rc.1+b", "^", {"$ref": "minimum"}]}),
        json!({"fractional": [{"var": "email"}, ["a"], ["b", {"var": "w"}], [null, 0]]}),
        json!({"reduce": [{"var": "a"}, {"+": [{"var": "current"}, 1]}, 0]}),
        json!({"missing_some": [1, ["a", "b"]]}),
        json!({"contains_any": [{"var": "groups"}, ["a"]]}),
    ];
    for rule in rules {
        let document = with_targeting(rule);
        assert_eq!(validate_flags(&document), [], "{document}");
    }
    let with_names = json!({"$schema": "https://flagd.dev/schema/v0/flags.json", "flags": {}, "$evaluators": {"a": {"var": "b"}}});
    assert_eq!(validate_flags(&with_names), []);
}

#[test]
fn the_list_of_breaches_is_bounded_and_values_are_clipped() {
    let flags: serde_json::Map<String, Value> =
        (0..500).map(|n| (n.to_string(), json!("x".repeat(500)))).collect();
    let violations = validate_flags(&json!({ "flags": flags }));
    assert_eq!(violations.len(), 100);
    assert!(violations.iter().all(|violation| violation.message.len() < 120), "{:?}", violations[0]);
}

#[test]
fn deep_rules_are_walked_to_the_end() {
    let mut rule = json!({"nope": 1});
    for _ in 0..100 {
        rule = json!({"!": [rule]});
    }
    let violations = check(Schema::Targeting, &rule);
    assert_eq!(violations.len(), 1, "{violations:?}");
    assert_eq!(violations[0].message, "unknown operator `nope`");
}

#[test]
fn the_configuration_file_has_a_schema_too() {
    let good = json!({"port": 8013, "uri": ["file:a.json"], "sources": [{"uri": "a", "provider": "file"}],
        "context-value": {"camelKey": "x"}, "stream-deadline": "1m30s"});
    assert_eq!(check(Schema::Config, &good), []);
    for (bad, path) in [
        (json!({"prot": 8013}), ""),
        (json!({"port": 70000}), "/port"),
        (json!({"stream-deadline": "5"}), "/stream-deadline"),
        (json!({"sources": [{"uri": "a", "provider": "ftp"}]}), "/sources/0/provider"),
    ] {
        let violations = check(Schema::Config, &bad);
        assert_eq!(violations.len(), 1, "{bad}: {violations:?}");
        assert_eq!(violations[0].path, path, "{bad}");
    }
}
