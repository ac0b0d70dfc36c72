//! The checked-in code is what the `.proto` files say.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::path::Path;

fn texts(folder: &Path) -> io::Result<BTreeMap<OsString, String>> {
    let read = |entry: io::Result<std::fs::DirEntry>| {
        let entry = entry?;
        Ok((entry.file_name(), std::fs::read_to_string(entry.path())?))
    };
    std::fs::read_dir(folder)?.map(read).collect()
}

#[test]
fn checked_in_code_is_fresh() {
    let folder = hoist_proto_codegen::proto_folder();
    let fresh = tempfile::tempdir().unwrap();
    hoist_proto_codegen::generate(&folder.join("proto"), fresh.path()).unwrap();
    let (fresh, kept) = (texts(fresh.path()).unwrap(), texts(&folder.join("src/generated")).unwrap());
    assert_eq!(fresh.keys().collect::<Vec<_>>(), kept.keys().collect::<Vec<_>>());
    for (name, text) in &fresh {
        assert!(kept[name] == *text, "{name:?} is stale: run `cargo run -p hoist-proto-codegen`");
    }
}
