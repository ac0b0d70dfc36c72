//! `hoistd validate` from outside: what it finds, how it says so, and with which exit code.
#![allow(clippy::unwrap_used)]

use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

/// Validates `text` as a file of this name; returns exit code and standard output.
fn validate(name: &str, text: &str, options: &[&str]) -> (i32, String) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join(name), text).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_hoistd"))
        .arg("validate")
        .args(options)
        .arg(name)
        .current_dir(&folder)
        .env_clear()
        .output()
        .unwrap();
    said(output)
}

fn said(output: Output) -> (i32, String) {
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
    (output.status.code().unwrap(), String::from_utf8(output.stdout).unwrap())
}

fn with_flag(rest: &str) -> String {
    format!(
        "{{\n  \"flags\": {{\n    \"a\": {{\n      \"state\": \"ENABLED\",\n      \"variants\": {{\"on\": true, \"off\": false}},\n      {rest}\n    }}\n  }}\n}}\n"
    )
}

#[test]
fn every_kind_of_mistake_is_found() {
    let cases = [
        (
            with_flag(r#""targetting": {}"#),
            "f.json:6:7: warning: flag `a`: a flag has no field `targetting`",
            "did you mean `targeting`?",
        ),
        (
            with_flag(r#""targeting": {"ends_width": ["a", "b"]}"#),
            "f.json:6:21: warning: flag `a`: there is no operator `ends_width`",
            "did you mean `ends_with`?",
        ),
        (
            with_flag(r#""state": "Disabled""#),
            "f.json:6:7: warning: flag `a`: there is no state `Disabled`; it counts as ENABLED",
            "did you mean `DISABLED`?",
        ),
        (
            with_flag(r#""defaultVariant": "onn""#),
            "f.json:6:7: error: flag `a`: the default variant `onn` is not among the variants",
            "did you mean `on`?",
        ),
        (
            with_flag(r#""targeting": {"if": [{"==": [1, 1]}, "onn", "off"]}"#),
            "f.json:6:44: warning: flag `a`: the flag has no variant `onn`",
            "did you mean `on`?",
        ),
        (
            with_flag(r#""variants": {"on": true}"#),
            "f.json:6:7: warning: flag `a`: `variants` is written more than once",
            "the first is one line above",
        ),
        (
            with_flag(r#""targeting": {"sem_ver": [{"var": "v"}, "==", "1.0.0"]}"#),
            "f.json:6:47: warning: flag `a`: `sem_ver` compares with one of = != < <= > >= ~ ^, found \"==\"",
            "",
        ),
        (
            r#"{"flags": {"a": {"state": "ENABLED",}}}"#.to_owned(),
            "f.json:1:37: error: key must be a string",
            "",
        ),
        (
            "{\"flag\": {}}".to_owned(),
            "f.json: error: the document has no `flags`; did you mean `flags` by `flag`?",
            "",
        ),
    ];
    for (text, expected, hint) in cases {
        let (code, said) = validate("f.json", &text, &[]);
        assert_eq!(code, 1, "{text}\n{said}");
        assert!(said.contains(expected), "{expected}\n{said}");
        assert!(said.contains(hint), "{hint}\n{said}");
    }
}

#[test]
fn a_key_taken_twice_names_both_lines() {
    let text = "{\"flags\": {\n  \"a\": {\"state\": \"ENABLED\", \"variants\": {\"on\": 1}},\n  \"a\": {\"state\": \"ENABLED\", \"variants\": {\"on\": 2}}\n}}";
    let (code, said) = validate("f.json", text, &[]);
    assert_eq!(code, 1);
    assert!(said.starts_with("f.json:2:8: warning: flag `a`: the key is taken again"), "{said}");
    assert!(said.contains("the one that counts is on line 3"), "{said}");
}

#[test]
fn yaml_is_checked_in_its_own_lines() {
    let text = "flags:\n  a:\n    state: ENABLED\n    variants: {on: true}\n    defaultVariant: off\n";
    let (code, said) = validate("f.yaml", text, &[]);
    assert_eq!(code, 1);
    assert!(said.starts_with("f.yaml:5:5: error: flag `a`: the default variant `off`"), "{said}");
    assert!(said.contains("  5 |     defaultVariant: off\n    |     ^\n"), "{said}");

    let (code, said) = validate("f.yml", "flags:\n  a: {state: [}\n", &[]);
    assert_eq!(code, 1);
    assert!(said.starts_with("f.yml:2:"), "{said}");
}

#[test]
fn warnings_may_be_allowed_and_errors_not() {
    let warning = with_flag(r#""anything": 1"#);
    assert_eq!(validate("f.json", &warning, &[]).0, 1);
    assert_eq!(validate("f.json", &warning, &["--allow-warnings"]).0, 0);
    let error = with_flag(r#""defaultVariant": 1"#);
    assert_eq!(validate("f.json", &error, &["--allow-warnings"]).0, 1);
    let (code, said) = validate("f.json", &with_flag(r#""defaultVariant": "on""#), &[]);
    assert_eq!((code, said.as_str()), (0, "f.json: ok, 1 flag\n"));
}

#[test]
fn programs_get_json() {
    let (code, said) = validate("f.json", &with_flag(r#""defaultVariant": "onn""#), &["--format", "json"]);
    assert_eq!(code, 1);
    let report: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(report["errors"], 1);
    assert_eq!(report["warnings"], 0);
    let problem = &report["files"][0]["problems"][0];
    assert_eq!(problem["path"], "/flags/a/defaultVariant");
    assert_eq!((&problem["line"], &problem["column"]), (&6.into(), &7.into()));
    assert_eq!(problem["hint"], "did you mean `on`?");
}

#[test]
fn github_gets_annotations() {
    let (code, said) = validate("f,1.json", &with_flag(r#""100%": 1"#), &["--format=github"]);
    assert_eq!(code, 1);
    assert_eq!(
        said,
        "::warning file=f%2C1.json,line=6,col=7::flag `a`: a flag has no field `100%25`; it is ignored\n"
    );
}

#[test]
fn standard_input_is_read_as_what_it_looks_like() {
    for (text, expected) in [
        ("{\"flags\": {}} x", "-:1:15: error: trailing characters"),
        ("flags:\n  a: 5\n", "-:2:3: error: flag `a`: a flag is an object"),
    ] {
        let mut child = Command::new(env!("CARGO_BIN_EXE_hoistd"))
            .args(["validate", "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
        let (code, said) = said(child.wait_with_output().unwrap());
        assert_eq!(code, 1);
        assert!(said.starts_with(expected), "{said}");
    }
}

#[test]
fn files_that_cannot_be_read_are_problems() {
    let (code, said) = validate("f.toml", "", &[]);
    assert_eq!(code, 1);
    assert!(said.starts_with("f.toml: error: unsupported file format"), "{said}");
    let output =
        Command::new(env!("CARGO_BIN_EXE_hoistd")).args(["validate", "/nowhere/f.json"]).output().unwrap();
    let (code, said) = self::said(output);
    assert_eq!(code, 1);
    assert!(said.starts_with("/nowhere/f.json: error: No such file"), "{said}");
}

#[test]
fn a_hostile_document_cannot_speak_to_the_terminal() {
    let (_, said) = validate("f.json", "{\"flags\": {\"a\\u001b[31m\": {\"state\": 1}}}", &[]);
    assert!(!said.contains('\u{1b}'), "{said:?}");
    let (_, said) = validate("f.json", &"[".repeat(100_000), &[]);
    assert!(said.len() < 1000, "{said}");
}

/// Every document of the official schemas' own tests. A list of flags is refused there by the schema of one form, and
/// accepted by that of both, which is ours.
#[test]
fn the_official_documents_are_accepted_and_refused() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/conformance/flagd-schemas");
    if !root.exists() {
        println!("skipped: no ../shared/conformance/flagd-schemas");
        return;
    }
    let mut seen = 0;
    for (folder, expected) in [("flags/positive", 0), ("flags/negative", 1), ("flagd/positive", 0)] {
        for file in std::fs::read_dir(root.join(folder)).unwrap() {
            let path = file.unwrap().path();
            if path.extension().is_none_or(|extension| extension != "json") {
                continue;
            }
            let output =
                Command::new(env!("CARGO_BIN_EXE_hoistd")).arg("validate").arg(&path).output().unwrap();
            let (code, said) = said(output);
            assert_eq!(code, expected, "{said}");
            seen += 1;
        }
    }
    assert!(seen >= 18, "{seen} documents");
}
