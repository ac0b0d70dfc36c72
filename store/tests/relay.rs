//! Documents passed on as they come.
#![allow(clippy::expect_used)]

use std::time::{Duration, SystemTime};

use hoist_store::{File, Format, Memory, MemoryHandle, Relay, Relayed, Settings};

const PATIENCE: Duration = Duration::from_secs(20);

fn relay(document: &str, format: Format) -> (Relay, MemoryHandle) {
    let (memory, handle) = Memory::new(document, format);
    (Relay::open(Settings::new(SystemTime::now), Box::new(memory)), handle)
}

fn json(said: &Relayed) -> String {
    let document = said.document.as_ref().expect("a document");
    String::from_utf8(document.json.to_vec()).expect("UTF-8")
}

#[tokio::test]
async fn bytes_pass_as_they_are_and_yaml_as_json() {
    let text = "\u{feff}{ \"flags\" : {},\n \"anything\": [1.50] }";
    let (first, _handle) = relay(text, Format::Json);
    let said = tokio::time::timeout(PATIENCE, first.first()).await.expect("in time");
    assert_eq!(json(&said), text.trim_start_matches('\u{feff}'));
    let (second, _handle) = relay("flags: {}\n", Format::Yaml);
    let said = tokio::time::timeout(PATIENCE, second.first()).await.expect("in time");
    assert_eq!(json(&said), r#"{"flags":{}}"#);
    assert_eq!(&said.document.expect("a document").bytes[..], b"flags: {}\n");
}

#[tokio::test]
async fn what_cannot_be_read_leaves_the_last_document() {
    let (relay, handle) = relay(r#"{"flags":{}}"#, Format::Json);
    let mut news = relay.subscribe();
    tokio::time::timeout(PATIENCE, relay.first()).await.expect("in time");
    handle.set("{");
    let broken = news.wait_for(|said| said.error.is_some());
    let broken = tokio::time::timeout(PATIENCE, broken).await.expect("in time").expect("said").clone();
    assert_eq!(json(&broken), r#"{"flags":{}}"#);
    handle.set(r#"{"flags":{},"a":1}"#);
    let mended = news.wait_for(|said| said.error.is_none());
    let mended = tokio::time::timeout(PATIENCE, mended).await.expect("in time").expect("said").clone();
    assert_eq!(json(&mended), r#"{"flags":{},"a":1}"#);
}

#[tokio::test]
async fn what_is_not_there_is_said() {
    let file = File::new("no/such/flags.json", Duration::from_secs(1));
    let relay = Relay::open(Settings::new(SystemTime::now), Box::new(file));
    let said = tokio::time::timeout(PATIENCE, relay.first()).await.expect("in time");
    assert!(said.document.is_none());
    assert_eq!(said.error.expect("an error"), "no/such/flags.json: no such file");
}
