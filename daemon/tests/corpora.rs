//! The corpora of the fuzz targets, run as ordinary tests: nothing in them may panic, and what is known stays so.

#![allow(clippy::expect_used, reason = "a test that cannot go on says why")]

use std::collections::BTreeMap;
use std::path::Path;

use bytes::Bytes;
use hoistd::services::connect::decode_request;
use hoistd::services::ofrep::is_readable;

fn corpus(target: &str) -> BTreeMap<String, Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let files = std::fs::read_dir(&folder).expect("a corpus").map(|entry| entry.expect("an entry"));
    let named = |entry: std::fs::DirEntry| {
        let name = entry.file_name().to_string_lossy().into_owned();
        (name, std::fs::read(entry.path()).expect("a file"))
    };
    files.map(named).collect()
}

#[test]
fn ofrep_bodies() {
    let corpus = corpus("ofrep_body");
    assert!(corpus.len() >= 15);
    let refused: Vec<&str> =
        corpus.iter().filter(|(_, body)| !is_readable(body)).map(|(name, _)| &**name).collect();
    for name in ["broken", "deep", "huge-number", "list"] {
        assert!(refused.contains(&name), "{name} is read");
    }
    for name in
        ["context", "context-list", "context-text", "empty", "names", "no-text", "null", "trailing", "twice"]
    {
        assert!(!refused.contains(&name), "{name} is refused");
    }
}

#[test]
fn evaluation_requests() {
    let corpus = corpus("connect");
    assert!(corpus.len() >= 15);
    for (name, bytes) in &corpus {
        let Some((choice, body)) = bytes.split_first() else { continue };
        for (path, kind) in [
            ("/flagd.evaluation.v1.Service/ResolveAll", "application/json"),
            ("/flagd.evaluation.v1.Service/ResolveAll", "application/proto"),
            ("/flagd.evaluation.v1.Service/EventStream", "application/connect+json"),
            ("/flagd.evaluation.v1.Service/ResolveAll", "application/grpc"),
            ("/flagd.evaluation.v1.Service/ResolveAll", "application/grpc-web+json"),
        ] {
            let read = decode_request(path, kind, choice & 1 == 1, Bytes::copy_from_slice(body));
            if (&**name, kind) == ("json", "application/json")
                || (&**name, kind) == ("grpc", "application/grpc")
            {
                assert!(read.is_ok(), "{name}: {read:?}");
            }
            if (&**name, kind) == ("grpc-long", "application/grpc") {
                assert!(read.is_err(), "{name}");
            }
        }
    }
}
