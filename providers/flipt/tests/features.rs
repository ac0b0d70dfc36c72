//! `features.yaml` as a source: from disk and from git, all documents of all files, with no Flipt.

#![allow(clippy::expect_used, clippy::panic, reason = "a test that cannot go on says why")]

#[path = "../../../store/tests/forge/repository.rs"]
mod repository;

use std::time::{Duration, SystemTime};

use engine::{Bump, Compiled, Context, Malformed, Options, Question, Selector, Type, Value};
use hoist_provider_flipt::source::FILES;
use serde_json::{Map, Value as Json, json};
use store::{BUILT_IN, Format, Origin, ReadBy, Settings, State, Store, find, read_once};

/// Two namespaces in three documents: `shop` has a segment in its first document and a rule for it in its second.
const FEATURES: &str = r#"# yaml-language-server: $schema=whatever
version: "1.4"
namespace: shop
segments:
  - key: staff
    match_type: ANY_MATCH_TYPE
    constraints:
      - {type: STRING_COMPARISON_TYPE, property: plan, operator: isoneof, value: [pro, max]}
flags:
  - {key: cart, type: BOOLEAN_FLAG_TYPE, enabled: true}
---
version: "1.4"
namespace: {key: shop, name: Shop}
flags:
  - key: colour
    type: VARIANT_FLAG_TYPE
    enabled: true
    variants:
      - {key: blue, attachment: {hex: "00f"}}
      - {key: grey, default: true}
    rules:
      - segment: staff
        distributions: [{variant: blue, rollout: 100}]
---
version: "1.0"
flags:
  - {key: cart, type: BOOLEAN_FLAG_TYPE, enabled: false}
"#;

fn read(text: &str, options: Json) -> Result<Compiled, Malformed> {
    let origin = Origin::new("flipt-file", "features.yaml", options.as_object().cloned().unwrap_or_default());
    let reader = (FILES.reader)(&origin).expect("a reader");
    read_once(&*reader, text.as_bytes(), Format::Yaml, origin.name(), &Options::default(), 1 << 20)
}

fn follow(provider: &str, name: &str, options: Json) -> Store {
    let options: Map<String, Json> = options.as_object().cloned().unwrap_or_default();
    let origin = Origin::new(provider, name, options);
    let source = (find(BUILT_IN, provider).expect("a kind").build)(&origin).expect("a source");
    let reader = (FILES.reader)(&origin).expect("a reader");
    Store::open(Settings::new(SystemTime::now), vec![(origin, Box::new(ReadBy::new(source, reader)))])
}

/// What `key` of a flag set is for somebody on `plan`.
fn asked(store: &Store, set: &str, key: &str, plan: &str) -> Option<String> {
    let snapshot = store.read();
    let flag = snapshot.find(&Selector::FlagSet(set), key)?;
    let attributes = [("targetingKey", Value::Str("ann")), ("plan", Value::Str(plan))];
    let (context, bump) = (Context::new(&attributes), Bump::new());
    let question = Question { want: Type::Any, context: &context, now: 0, bump: &bump, bulk: false };
    flag.answer(&question, &mut ()).ok()?.variant.map(|variant| variant.json().to_owned())
}

async fn until(what: &str, store: &Store, holds: impl Fn(&Store) -> bool) {
    let mut news = store.subscribe_status();
    let held = tokio::time::timeout(Duration::from_secs(20), news.wait_for(|_| holds(store))).await;
    held.unwrap_or_else(|_| panic!("{what}: {:#?}", store.sources())).expect("the store lives");
}

#[tokio::test]
async fn a_file_with_several_namespaces_is_several_flag_sets() {
    let folder = tempfile::tempdir().expect("a directory");
    let path = folder.path().join("features.yaml");
    std::fs::write(&path, FEATURES).expect("written");
    let store = follow("file", path.to_str().expect("UTF-8"), Json::Null);
    until("read", &store, Store::loaded).await;
    assert_eq!(store.sources()[0].problems.total, 0, "{:?}", store.sources());
    for (set, key, plan, expected) in [
        ("shop", "cart", "free", Some("true")),
        ("default", "cart", "free", Some("false")),
        ("shop", "colour", "pro", Some("\"blue\"")),
        ("shop", "colour", "free", Some("\"grey\"")),
        ("default", "colour", "free", None),
    ] {
        assert_eq!(asked(&store, set, key, plan).as_deref(), expected, "{set}/{key} for {plan}");
    }
    // A flag that cannot be read keeps its last good self, in its own namespace; its neighbours change.
    let broken = FEATURES
        .replace("{variant: blue, rollout: 100}", "{variant: red, rollout: 100}")
        .replace("enabled: false", "enabled: true");
    std::fs::write(&path, broken).expect("written");
    until("changed", &store, |store| asked(store, "default", "cart", "free").as_deref() == Some("true"))
        .await;
    assert_eq!(asked(&store, "shop", "colour", "pro").as_deref(), Some("\"blue\""));
    let status = &store.sources()[0];
    assert_eq!((status.kept.total, status.problems.total), (1, 1));
    let said = status.problems.list[0].to_string();
    assert!(
        said.contains("flag `colour`: rule 1 names no variant") && said.contains("(line 15, column 5)"),
        "{said}"
    );
    // What is no such document replaces nothing.
    for garbage in ["", "{}", "[]", "flags: {}\n", "a: 1\n", "version: '1.4'\n---\n- 1\n", "flags: [\n"] {
        let refused = store.sources()[0].refused;
        std::fs::write(&path, garbage).expect("written");
        until(garbage, &store, |store| store.sources()[0].refused > refused).await;
        assert_eq!(store.sources()[0].state, State::Refused, "{garbage:?}");
        assert_eq!(asked(&store, "shop", "cart", "free").as_deref(), Some("true"), "{garbage:?}");
    }
}

#[test]
fn a_namespace_can_be_chosen_and_a_flag_set_given() {
    let keys = |compiled: &Compiled| -> Vec<(String, String)> {
        let flags = compiled.layer.flags().iter();
        flags.map(|flag| (flag.flag_set().unwrap_or("").to_owned(), flag.key().to_owned())).collect()
    };
    let pairs = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
        pairs.iter().map(|(set, key)| ((*set).to_owned(), (*key).to_owned())).collect()
    };
    let only = read(FEATURES, json!({"namespace": "shop"})).expect("read");
    assert_eq!(keys(&only), pairs(&[("shop", "cart"), ("shop", "colour")]));
    let one = read(FEATURES, json!({"flagSetId": "ours"})).expect("read");
    assert_eq!(keys(&one), pairs(&[("ours", "cart"), ("ours", "colour")]));
    assert_eq!(one.problems.len(), 1, "two namespaces, one flag set: {:?}", one.problems);
    assert!(one.problems[0].message.contains("another namespace"), "{:?}", one.problems);
}

/// Seen of a server: it logs "skipping segment with malformed constraint", and goes on.
#[test]
fn rules_are_without_segments_that_compare_with_what_is_no_value() {
    for (kind, operator, value, left_out) in [
        ("STRING", "isoneof", "oops", true),
        ("STRING", "isnotoneof", "", true),
        ("ENTITY_ID", "isoneof", "[1]", true),
        ("STRING", "isoneof", "null", false),
        ("NUMBER", "isoneof", "[\"1\"]", true),
        ("NUMBER", "isoneof", "[null]", false),
        ("NUMBER", "gt", "0x10", true),
        ("NUMBER", "neq", "1e999", true),
        ("NUMBER", "neq", "NaN", false),
        ("NUMBER", "lt", "", false),
        ("NUMBER", "present", "x", false),
        ("DATETIME", "lt", "soon", true),
        ("DATETIME", "lt", "", false),
        ("DATETIME", "notpresent", "soon", false),
        ("BOOLEAN", "true", "soon", false),
    ] {
        let text = json!([{"version": "1.5",
            "segments": [
                {"key": "odd", "constraints": [{"type": format!("{kind}_COMPARISON_TYPE"), "property": "p", "operator": operator, "value": value}]},
                {"key": "pro", "constraints": [{"type": "STRING_COMPARISON_TYPE", "property": "plan", "operator": "eq", "value": "pro"}]},
            ],
            "flags": [
                {"key": "both", "type": "BOOLEAN_FLAG_TYPE", "rollouts": [
                    {"segment": {"keys": ["odd", "pro"], "operator": "AND_SEGMENT_OPERATOR", "value": true}}]},
                {"key": "one", "type": "BOOLEAN_FLAG_TYPE", "rollouts": [{"segment": {"key": "odd", "value": true}}]},
            ]}])[0].to_string();
        let compiled = read(&text, Json::Null).expect("read");
        let on = |key: &str| {
            let attributes = [("plan", Value::Str("pro")), ("p", Value::Str("2024-02-30"))];
            let (context, bump) = (Context::new(&attributes), Bump::new());
            let question = Question { want: Type::Any, context: &context, now: 0, bump: &bump, bulk: false };
            let flag = compiled.layer.flags().iter().find(|flag| flag.key() == key).expect("the flag");
            let answer = flag.answer(&question, &mut ()).expect("an answer");
            answer.variant.expect("a variant").json() == "true"
        };
        if left_out {
            assert!(on("both") && !on("one"), "{kind} {operator} {value:?}");
            let said = compiled.problems[0].to_string();
            assert!(said.contains("segment \"odd\" compares with what is no value"), "{said}");
            assert!(said.contains("(line 1, column "), "{said}");
        } else {
            assert!(on("both") == on("one"), "{kind} {operator} {value:?}");
            assert!(!compiled.problems.iter().any(|problem| problem.message.contains("is no value")));
        }
    }
}

#[test]
fn what_cannot_be_read_says_where() {
    let error = read("version: '1.4'\nflags:\n- key: a\n  key: b\n", Json::Null).expect_err("a key twice");
    assert_eq!(error.place.map(|place| (place.line, place.column)), Some((4, 3)), "{error}");
    let error = read(&format!("{FEATURES}---\nflags: 7\n"), Json::Null).expect_err("no list");
    assert!(error.message.starts_with("document 4: "), "{error}");
    let odd = "version: '1.4'\nflags:\n- key: a\n  type: ODD\n- {key: b, type: BOOLEAN_FLAG_TYPE}\n";
    let compiled = read(odd, Json::Null).expect("read");
    assert_eq!(compiled.layer.flags().len(), 1);
    assert!(compiled.problems[0].to_string().contains("(line 3, column 3)"), "{}", compiled.problems[0]);
    let new = read("version: '9.0'\nflags: []\n", Json::Null).expect("read");
    assert!(new.problems[0].to_string().contains("(line 1, column 1)"), "{}", new.problems[0]);
}

#[tokio::test]
async fn a_repository_of_flipt_is_followed_without_it() {
    if repository::git_is_missing() {
        return;
    }
    let (first, rest) = FEATURES.split_once("\n---\n").expect("documents");
    let repository = repository::Repository::new();
    repository.write("default/features.yaml", rest);
    repository.write("a/features.yml", first);
    repository.write("flags.json", "{}");
    repository.push();
    let uri = repository.uri("ref=main&path=**/features.y*ml");
    let store = follow("git", &uri, json!({"interval": 1}));
    until("read", &store, Store::loaded).await;
    // The segment is in the other file.
    assert_eq!(asked(&store, "shop", "colour", "pro").as_deref(), Some("\"blue\""));
    assert_eq!(asked(&store, "default", "cart", "").as_deref(), Some("false"));
    repository.put("a/features.yml", &first.replace("[pro, max]", "[free]"));
    until("pushed", &store, |store| asked(store, "shop", "colour", "free").as_deref() == Some("\"blue\""))
        .await;
    assert_eq!(asked(&store, "shop", "colour", "pro").as_deref(), Some("\"grey\""));
    repository.put("default/features.yaml", &rest.replace("variant: blue", "variant: red"));
    until("spoilt", &store, |store| store.sources()[0].problems.total == 1).await;
    let said = store.sources()[0].problems.list[0].to_string();
    assert!(said.contains("(default/features.yaml: line 4, column 5)"), "{said}");
}
