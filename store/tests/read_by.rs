//! Origins of the usual kinds, read by another reader than flagd's: every document of every file, within the usual limits.

#![allow(clippy::expect_used, clippy::panic, reason = "a test that cannot go on says why")]

#[cfg(feature = "git")]
#[path = "forge/repository.rs"]
mod repository;
mod server;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use engine::{Compiled, Definition, Malformed, Options, Problem, Selector};
use hoist_store::{
    BUILT_IN, Documents, Format, Origin, ReadBy, Reader, Reading, Settings, Source, State, Store, find,
    read_once,
};
use serde_json::{Map, Value, json};

/// Reads documents such as `on: [a, b]`: a flag for each name. What is no name is a mistake.
#[derive(Debug)]
struct Lists;

impl Reader for Lists {
    fn read(&self, document: &Reading<'_>) -> Result<Compiled, Malformed> {
        let documents: Vec<Value> = serde_json::from_str(document.text)
            .map_err(|error| Malformed { message: error.to_string(), place: None })?;
        let (mut flags, mut problems) = (Map::new(), Vec::new());
        for (at, one) in documents.iter().enumerate() {
            for (item, name) in one["on"].as_array().into_iter().flatten().enumerate() {
                match name.as_str() {
                    Some(name) => {
                        let flag = json!({"state": "ENABLED", "variants": {"v": at}, "defaultVariant": "v"});
                        flags.insert(name.to_owned(), flag);
                    }
                    None => problems.push(Problem::error(format!("/{at}/on/{item}"), "must be a name")),
                }
            }
        }
        let text = json!({ "flags": flags }).to_string();
        let definition = Definition::parse(&text)?;
        let layer = engine::compile(&definition, document.source, document.options, None).layer;
        Ok(Compiled { layer, problems })
    }

    fn check(&self, text: &str) -> Result<(), Malformed> {
        serde_json::from_str::<Vec<Value>>(text)
            .map(drop)
            .map_err(|error| Malformed { message: error.to_string(), place: None })
    }

    fn documents(&self) -> Documents {
        Documents::All
    }
}

fn follow(provider: &str, name: &str, options: Value) -> Store {
    follow_with(provider, name, options, Settings::new(SystemTime::now))
}

fn follow_with(provider: &str, name: &str, options: Value, settings: Settings) -> Store {
    let origin = Origin::new(provider, name, options.as_object().cloned().unwrap_or_default());
    let kind = find(BUILT_IN, provider).expect("a kind");
    let source: Box<dyn Source> = (kind.build)(&origin).expect("a source");
    Store::open(settings, vec![(origin, Box::new(ReadBy::new(source, Arc::new(Lists))))])
}

/// The names of the flags, each with the number of its document.
fn flags(store: &Store) -> Vec<(String, String)> {
    let snapshot = store.read();
    let shown = ["a", "b", "c", "d"].into_iter().filter_map(|key| {
        let flag = snapshot.find(&Selector::Any, key)?;
        Some((key.to_owned(), flag.default_variant()?.json().to_owned()))
    });
    shown.collect()
}

async fn until(what: &str, store: &Store, holds: impl Fn(&Store) -> bool) {
    let mut news = store.subscribe_status();
    let held = news.wait_for(|_| holds(store));
    tokio::time::timeout(Duration::from_secs(20), held)
        .await
        .unwrap_or_else(|_| panic!("{what}: {:#?}", store.sources()))
        .expect("the store lives");
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected.iter().map(|(key, at)| ((*key).to_owned(), (*at).to_owned())).collect()
}

#[tokio::test]
async fn a_file_is_read_with_all_its_documents() {
    let folder = tempfile::tempdir().expect("a directory");
    let path = folder.path().join("lists.yaml");
    std::fs::write(&path, "# lists\n---\non: [a]\n---\n---\non: [b]\n").expect("written");
    let store = follow("file", path.to_str().expect("UTF-8"), Value::Null);
    until("read", &store, Store::loaded).await;
    assert_eq!(flags(&store), pairs(&[("a", "0"), ("b", "1")]));
    // A problem is placed in the file, and the flags beside it live.
    std::fs::write(&path, "on: [a]\n---\non:\n- c\n- 7\n").expect("written");
    until("changed", &store, |store| store.sources()[0].problems.total == 1).await;
    assert_eq!(flags(&store), pairs(&[("a", "0"), ("c", "1")]));
    assert_eq!(store.sources()[0].problems.list[0].to_string(), "must be a name (line 5, column 3)");
    // What cannot be read replaces nothing, and says where in the file.
    std::fs::write(&path, "on: [a]\n---\non: [c\nd: }\n").expect("written");
    until("refused", &store, |store| store.sources()[0].state == State::Refused).await;
    assert_eq!(flags(&store), pairs(&[("a", "0"), ("c", "1")]));
    let error = store.sources()[0].error.clone().expect("why");
    assert!(error.contains("line 4") || error.contains("line 5"), "{error}");
}

#[tokio::test]
async fn http_and_copies_on_disk_go_the_same_way() {
    let server = server::Server::start(false).await;
    server.script().document = Some("on: [a]\n---\non: [b]\n".to_owned());
    server.script().content_type = "application/yaml";
    let folder = tempfile::tempdir().expect("a directory");
    let kept = || Settings { state_dir: Some(folder.path().to_owned()), ..Settings::new(SystemTime::now) };
    let store = follow_with("http", &server.url("/lists"), json!({"interval": 1}), kept());
    until("kept", &store, |store| {
        store.sources()[0].copied.as_ref().is_some_and(|copied| copied.at.is_some())
    })
    .await;
    drop(store);
    server.script().always = Some(server::Answer::Status(500, vec![], String::new()));
    let store = follow_with("http", &server.url("/lists"), json!({"interval": 1}), kept());
    until("from disk", &store, Store::loaded).await;
    assert_eq!(flags(&store), pairs(&[("a", "0"), ("b", "1")]));
}

#[cfg(feature = "git")]
#[tokio::test]
async fn all_files_of_a_repository_are_one_document() {
    if repository::git_is_missing() {
        return;
    }
    let repository = repository::Repository::new();
    repository.write("x/1.yaml", "on: [a]\n---\non: [b]\n");
    repository.write("y/2.json", r#"{"on": ["c"]}"#);
    repository.push();
    let uri = repository.uri("ref=main&path=**/*.*");
    let store = follow("git", &uri, json!({"interval": 1}));
    until("read", &store, Store::loaded).await;
    assert_eq!(flags(&store), pairs(&[("a", "0"), ("b", "1"), ("c", "2")]));
    repository.put("y/2.json", "{\n \"on\": [\"d\", 1]}");
    until("changed", &store, |store| store.sources()[0].problems.total == 1).await;
    assert_eq!(flags(&store), pairs(&[("a", "0"), ("b", "1"), ("d", "2")]));
    assert_eq!(
        store.sources()[0].problems.list[0].to_string(),
        "must be a name (y/2.json: line 2, column 14)"
    );
}

fn read(text: &str, format: Format, most: usize) -> Result<Compiled, Malformed> {
    read_once(&Lists, text.as_bytes(), format, &Arc::from("lists"), &Options::default(), most)
}

#[test]
fn the_limits_of_one_document_hold_for_all_together() {
    let mut laughs = "on: [a]\n---\na0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol, lol]\n".to_owned();
    for level in 1..12 {
        let below = format!("*a{}, ", level - 1).repeat(10);
        laughs += &format!("a{level}: &a{level} [{}]\n", below.trim_end_matches(", "));
    }
    let most = 1 << 20;
    read(&laughs, Format::Yaml, most).expect_err("an alias bomb");
    let long = format!("a: &a {}\nb: [{}]\n---\n", "x".repeat(60_000), "*a, ".repeat(8));
    let error = read(&long.repeat(3), Format::Yaml, most).expect_err("large together");
    assert!(error.message.contains("larger than"), "{error}");
    read(&long, Format::Yaml, most).expect("alone it is small enough");
    let deep = format!("on: [a]\n---\nv: {}{}", "[".repeat(100_000), "]".repeat(100_000));
    read(&deep, Format::Yaml, most).expect_err("deep");
    read(&format!("{}{}", "[".repeat(1_000), "]".repeat(1_000)), Format::Json, most).expect_err("deep");
    read("{}, {}", Format::Json, most).expect_err("two documents of JSON are none");
    assert_eq!(read("{\"on\": [\"a\"]}", Format::Json, most).expect("read").layer.flags().len(), 1);
    assert!(read("", Format::Yaml, most).expect("nothing").layer.flags().is_empty());
    read(&"x".repeat(most + 1), Format::Yaml, most).expect_err("large");
}
