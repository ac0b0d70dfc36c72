//! `hoistd eval` and `hoistd explain` from outside.
#![allow(clippy::unwrap_used)]

use std::process::Command;

use serde_json::{Value, json};
use tempfile::TempDir;

const LOW: &str = r##"{"flags": {
    "color": {"state": "ENABLED", "variants": {"red": "r"}, "defaultVariant": "red"},
    "off": {"state": "DISABLED", "variants": {"on": true}, "defaultVariant": "on"}}}"##;

const HIGH: &str = r##"{"metadata": {"team": "web"}, "$evaluators": {"staff": {"ends_with": [{"var": "email"}, "@x.org"]}}, "flags": {
    "color": {"state": "ENABLED", "variants": {"red": "#f00", "blue": "#00f"}, "defaultVariant": "red",
        "targeting": {"if": [{"$ref": "staff"}, "blue", {"in": [{"var": "id"}, ["a", "b"]]}, null, "none"]}, "targetting": 1},
    "split": {"state": "ENABLED", "variants": {"a": 1, "b": 2}, "defaultVariant": "a",
        "targeting": {"fractional": [["a", 25], ["b", 75]]}},
    "broken": {"state": "ENABLED", "variants": {"a": 1}, "targeting": {"+": [null, 1]}}}}"##;

fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("low.json"), LOW).unwrap();
    std::fs::write(folder.path().join("high.json"), HIGH).unwrap();
    folder
}

/// Runs `hoistd` over both files; returns exit code, standard output and standard error.
fn hoistd(words: &[&str]) -> (i32, String, String) {
    let folder = folder();
    let output = Command::new(env!("CARGO_BIN_EXE_hoistd"))
        .args(words)
        .args(["-f", "file:low.json", "-f", "high.json"])
        .current_dir(&folder)
        .env_clear()
        .output()
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

fn evaluated(words: &[&str]) -> (i32, Value) {
    let (code, out, _) = hoistd(&[&["eval", "--format=json"], words].concat());
    (code, serde_json::from_str(&out).unwrap())
}

#[test]
fn answers_in_the_words_of_ofrep() {
    let staff = r#"{"email": "me@x.org"}"#;
    assert_eq!(
        evaluated(&["color", "--context", staff]),
        (
            0,
            json!({"key": "color", "value": "#00f", "variant": "blue", "reason": "TARGETING_MATCH", "metadata": {"team": "web"}})
        )
    );
    assert_eq!(evaluated(&["color", "--context", r#"{"id": "a"}"#]).1["reason"], "DEFAULT");
    assert_eq!(
        evaluated(&["color", "--selector", "low.json"]),
        (
            0,
            json!({"key": "color", "value": "r", "variant": "red", "reason": "STATIC", "metadata": {"source": "low.json"}})
        )
    );
    assert_eq!(evaluated(&["off"]), (0, json!({"key": "off", "reason": "DISABLED", "metadata": {}})));
}

#[test]
fn errors_have_a_code_and_exit_one() {
    for (words, code) in [
        (&["none"][..], "FLAG_NOT_FOUND"),
        (&["color"], "GENERAL"),
        (&["broken"], "PARSE_ERROR"),
        (&["split", "--type", "boolean"], "TYPE_MISMATCH"),
    ] {
        let (exit, answer) = evaluated(words);
        assert_eq!((exit, &answer["errorCode"]), (1, &json!(code)), "{words:?}");
    }
}

#[test]
fn people_get_lines_and_notes() {
    let (code, out, notes) = hoistd(&["eval", "color", "--context", r#"{"email": "me@x.org"}"#]);
    assert_eq!(code, 0);
    assert!(
        out.contains("value        \"#00f\"\nvariant      blue\nreason       TARGETING_MATCH\n"),
        "{out}"
    );
    assert!(notes.contains("high.json: flag `color`: a flag has no field `targetting`"), "{notes}");
    let (_, out, _) = hoistd(&["eval", "off"]);
    assert!(out.contains("the caller's own default stands"), "{out}");
}

#[test]
fn what_cannot_be_asked_says_why() {
    for (words, expected) in [
        (&["eval", "a", "--context", "[]"][..], "invalid context"),
        (&["eval", "a", "--context-file", "/nowhere"], "/nowhere: No such file"),
        (&["eval", "a", "--selector", "x=y"], "invalid selector key"),
        (&["eval", "a", "-f", "https://example.com/f.json"], "only files can be read here"),
        (&["eval", "a", "-f", "nowhere.json"], "nowhere.json: No such file"),
    ] {
        let (code, _, said) = hoistd(words);
        assert_eq!(code, 1, "{words:?}");
        assert!(said.contains(expected), "{words:?}: {said}");
    }
}

#[test]
fn a_rule_is_explained_step_by_step() {
    let (code, out, _) = hoistd(&["explain", "color", "--context", r#"{"email": "me@x.org"}"#]);
    assert_eq!(code, 0);
    for line in [
        "source       high.json",
        "not this one low.json",
        "  $ref -> true",
        "    ends_with [{\"var\":\"email\"},\"@x.org\"] -> true",
        "      var \"email\" -> \"me@x.org\"",
        "variant      blue",
    ] {
        assert!(out.lines().any(|shown| shown == line), "{line}\n{out}");
    }
}

#[test]
fn buckets_are_shown_with_their_shares() {
    let words = ["explain", "split", "--context", r#"{"targetingKey": "user-1"}"#];
    let (_, out, _) = hoistd(&words);
    let (_, report, _) = hoistd(&[&words[..], &["--format", "json"]].concat());
    let report: Value = serde_json::from_str(&report).unwrap();
    let bucket = &report["steps"][0]["bucket"];
    assert_eq!(bucket["key"], "splituser-1");
    assert_eq!(bucket["total"], 100);
    let (number, hash) = (bucket["bucket"].as_u64().unwrap(), bucket["hash"].as_u64().unwrap());
    assert_eq!(number, (hash * 100) >> 32);
    let chosen = if number < 25 { "a" } else { "b" };
    assert_eq!(report["variant"], chosen);
    assert!(out.contains(&format!("bucket {number} of 100: hash {hash} of \"splituser-1\"")), "{out}");
    assert!(out.contains(&format!(": \"{chosen}\"  <- here")), "{out}");
}
