//! `hoistd diff` from outside.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::{Value, json};

fn diff(folder: &Path, words: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hoistd"));
    command.arg("diff").args(words).current_dir(folder).env_clear().output().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

fn put(folder: &Path, name: &str, document: &Value) -> PathBuf {
    let path = folder.join(name);
    fs::write(&path, document.to_string()).unwrap();
    path
}

/// A flag with a rule over `country`.
fn flag(countries: &Value, default: &str) -> Value {
    json!({
        "state": "ENABLED",
        "variants": {"on": true, "off": false},
        "defaultVariant": default,
        "targeting": {"if": [{"in": [{"var": "country"}, countries]}, "on", "off"]},
    })
}

/// A folder with `a.json` and `b.json`.
fn pair(a: &Value, b: &Value) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    put(folder.path(), "a.json", a);
    put(folder.path(), "b.json", b);
    folder
}

#[test]
fn order_space_and_notation_do_not_matter() {
    let folder = tempfile::tempdir().unwrap();
    let rule = r#"{"in": [{"var": "country"}, ["de", "at"]]}"#;
    let a = format!(
        r#"{{"$evaluators": {{"near": {rule}}}, "metadata": {{"flagSetId": "s", "v": 1}}, "flags": {{
            "x": {{"state": "ENABLED", "variants": {{"a": 1, "b": 2.0}}, "defaultVariant": "a",
                   "targeting": {{"if": [{{"$ref": "near"}}, "a", "b"]}}}},
            "y": {{"state": "DISABLED", "variants": {{"a": 1}}, "defaultVariant": "a"}}}}}}"#
    );
    let b = format!(
        "metadata: {{v: 1.0, flagSetId: s}}\nflags:\n- key: y\n  variants: {{a: 1}}\n  defaultVariant: a\n  state: DISABLED\n  targeting: {{}}\n\
         - {{key: x, state: ENABLED, defaultVariant: a, variants: {{b: 2, a: 1}}, targeting: {{if: [{rule}, a, b]}}}}\n"
    );
    fs::write(folder.path().join("a.json"), a).unwrap();
    fs::write(folder.path().join("b.yaml"), b).unwrap();
    let output = diff(folder.path(), &["a.json", "file:b.yaml"]);
    assert_eq!(text(&output.stdout), "a.json -> b.yaml: no difference\n", "{}", text(&output.stderr));
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn every_part_is_told_by_its_place() {
    let mut changed = flag(&json!(["de", "at", "ch"]), "on");
    changed["state"] = "DISABLED".into();
    changed["variants"]["new"] = json!(false);
    changed["metadata"] = json!({"owner": "blue"});
    let a = json!({"flags": {"gone": flag(&json!([]), "on"), "x": flag(&json!(["de", "ch"]), "off")}});
    let b = json!({"flags": {"born": flag(&json!([]), "on"), "x": changed}});
    let folder = pair(&a, &b);
    let output = diff(folder.path(), &["a.json", "b.json"]);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    let expected = "\
~ x
    state: \"ENABLED\" -> \"DISABLED\"
    defaultVariant: \"off\" -> \"on\"
  + variants/new: false
  + targeting/if/0/in/1/1: \"at\"
  + metadata/owner: \"blue\"
";
    let shown = text(&output.stdout);
    assert!(
        shown.starts_with("a.json -> b.json: 1 flag added, 1 flag removed, 1 flag changed\n+ born\n"),
        "{shown}"
    );
    assert!(shown.contains("\n- gone\n  - state: \"ENABLED\"\n"), "{shown}");
    assert!(shown.ends_with(expected), "{shown}");

    let output = diff(folder.path(), &["a.json", "b.json", "--format", "json"]);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (&report["same"], &report["added"], &report["omitted"]),
        (&json!(false), &json!(1), &json!(0))
    );
    let x = &report["flags"][2];
    assert_eq!((&x["key"], &x["change"]), (&json!("x"), &json!("changed")));
    assert_eq!(x["parts"][3], json!({"part": "targeting", "path": "/if/0/in/1/1", "after": "at"}));
}

#[test]
fn metadata_of_the_set_is_told_once() {
    let document = |set: &str| json!({"metadata": {"flagSetId": set, "team": set}, "flags": {"x": flag(&json!([]), "on"), "y": flag(&json!([]), "on")}});
    let folder = pair(&document("one"), &document("two"));
    let output = diff(folder.path(), &["a.json", "b.json"]);
    let expected = "a.json -> b.json: metadata of the set changed\n~ the set\n    metadata/flagSetId: \"one\" -> \"two\"\n    \
                    metadata/team: \"one\" -> \"two\"\n";
    assert_eq!(text(&output.stdout), expected);
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn a_flag_that_moves_or_breaks_says_so() {
    let mut moved = flag(&json!([]), "on");
    moved["metadata"] = json!({"flagSetId": "blue"});
    let broken = json!({"state": "ENABLED", "variants": {"on": true}, "defaultVariant": "nowhere"});
    let ok = json!({"state": "ENABLED", "variants": {"on": true}, "defaultVariant": "on"});
    let a = json!({"flags": {"m": flag(&json!([]), "on"), "x": ok}});
    let b = json!({"flags": {"m": moved, "x": broken}});
    let folder = pair(&a, &b);
    let output = diff(folder.path(), &["a.json", "b.json"]);
    let shown = text(&output.stdout);
    assert!(shown.contains("~ m (flag set blue)\n  + flagSet: \"blue\"\n"), "{shown}");
    assert!(shown.contains("~ x\n  + problem: "), "{shown}");
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn markdown_folds_long_rules_and_nothing_escapes_from_it() {
    let long: Vec<String> = (0..60).map(|at| format!("country-{at}")).collect();
    let mut hostile = flag(&json!(long), "on");
    hostile["variants"]["on"] = "```\n</details><script>".into();
    let mut static_flag = flag(&json!([]), "off");
    static_flag["targeting"] = json!({});
    let a = json!({"flags": {"x": static_flag, "`y`": flag(&json!([]), "on")}});
    let b = json!({"flags": {"x": hostile}});
    let folder = pair(&a, &b);
    let output = diff(folder.path(), &["a.json", "b.json", "--format", "markdown"]);
    let shown = text(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    assert!(
        shown.starts_with("### Flags: `a.json` → `b.json`\n\n1 flag removed, 1 flag changed\n"),
        "{shown}"
    );
    assert!(shown.contains("**Removed** `` `y` ``"), "{shown}");
    assert!(shown.contains("- `defaultVariant`: `\"off\"` → `\"on\"`\n"), "{shown}");
    assert!(shown.contains("<details><summary>show</summary>\n\n  ```diff\n"), "{shown}");
    assert!(shown.contains("\n  +           \"country-0\",\n"), "{shown}");
    assert!(shown.contains("- `variants/on`: `true` → ```` \"```\\n</details><script>\" ````\n"), "{shown}");
}

#[test]
fn reports_are_bounded() {
    let many = |count: usize| -> Value {
        let flags = (0..count).map(|at| (format!("flag-{at:05}"), flag(&json!(["x".repeat(300)]), "on")));
        json!({"flags": Value::Object(flags.collect())})
    };
    let folder = pair(&many(0), &many(2_500));
    let markdown = diff(folder.path(), &["a.json", "b.json", "--format", "markdown"]);
    assert!(markdown.stdout.len() < 65_536, "{}", markdown.stdout.len());
    assert!(text(&markdown.stdout).trim_end().ends_with("flags more"));
    let plain = diff(folder.path(), &["a.json", "b.json"]);
    assert!(text(&plain.stdout).ends_with("and 1500 flags more\n"));
    let json = diff(folder.path(), &["a.json", "b.json", "--format", "json"]);
    let report: Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!((report["added"].as_u64(), report["omitted"].as_u64()), (Some(2_500), Some(1_500)));
}

#[test]
fn sources_are_read_once() {
    let document = json!({"flags": {"x": flag(&json!([]), "on")}});
    let folder = pair(&document, &json!({}));
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://u:hunter2@{}/flags.json?token=hunter2", listener.local_addr().unwrap());
    let body = document.to_string();
    let served = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut head = [0; 2048];
        let _ = stream.read(&mut head).unwrap();
        let length = body.len();
        write!(
            stream,
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
        )
        .unwrap();
    });
    let output = diff(folder.path(), &["a.json", &url]);
    assert_eq!(output.status.code(), Some(0), "{} {}", text(&output.stdout), text(&output.stderr));
    assert!(!text(&output.stdout).contains("hunter2"), "{}", text(&output.stdout));
    served.join().unwrap();
}

#[test]
fn trouble_is_two() {
    let folder = pair(&json!({"flags": {}}), &json!({"flag": {}}));
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = format!("http://{}/flags.json", silent.local_addr().unwrap());
    for (words, expected) in [
        (&["a.json", "b.json"][..], "b.json: the document has no `flags`"),
        (&["a.json", "none.json"], "none.json: "),
        (&["a.json", "b.txt"], "unsupported file format"),
        (&["a.json", "s3://bucket/flags.json?regoin=x"], "unknown parameter \"regoin\""),
        (&["a.json", &silent, "--timeout", "200ms"], "no answer within 200ms"),
        (&["a.json", "a.json", "--timeout", "soon"], "invalid value \"soon\""),
        (&["a.json"], "<B>"),
        (&["a.json", "b.json", "--nonsense"], "--nonsense"),
    ] {
        let output = diff(folder.path(), words);
        assert_eq!(output.status.code(), Some(2), "{words:?}: {}", text(&output.stderr));
        assert!(text(&output.stderr).contains(expected), "{words:?}: {}", text(&output.stderr));
        assert_eq!(text(&output.stdout), "", "{words:?}");
    }
}
