//! The fuzz corpora, run once each.
#![allow(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a broken corpus is a failed test, and says which file"
)]

#[path = "../fuzz/drive.rs"]
mod drive;

#[test]
fn rules() {
    run("rule", drive::rule);
}

#[test]
fn documents() {
    run("document", drive::document);
}

fn run(name: &str, drive: impl Fn(&[u8])) {
    let folder = format!("{}/fuzz/corpus/{name}", env!("CARGO_MANIFEST_DIR"));
    let mut seen = 0;
    for entry in std::fs::read_dir(folder).expect("a corpus") {
        let path = entry.expect("a file").path();
        println!("{}", path.display());
        drive(&std::fs::read(&path).expect("bytes"));
        seen += 1;
    }
    assert!(seen > 20, "only {seen} files");
}
