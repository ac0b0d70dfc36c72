//! What a file may do to the memory of the process; apart from other tests, which need memory too.

#![allow(clippy::expect_used, reason = "a test that cannot go on says why")]

mod suite;

use std::fs;

use engine::Selector;
use hoist_store::State;
use suite::on_disk::OnDisk;
use suite::{Backend, answer, becomes, document, open, serves};
use tokio::sync::Mutex;

/// Held by the one test that may run.
static ALONE: Mutex<()> = Mutex::const_new(());

#[tokio::test]
async fn a_storm_ends_at_the_last_version() {
    let _alone = ALONE.lock().await;
    let mut file = OnDisk::new();
    file.put(&document("v"));
    let store = open(&file);
    serves(&store, "v").await;
    let before = resident();
    for round in 0..1_000 {
        file.rename_over(&document(&format!("v{round}")));
    }
    serves(&store, "v999").await;
    assert!(store.sources()[0].accepted <= 1_001);
    assert!(resident() < before + (24 << 20), "grew from {before} to {}", resident());
}

#[tokio::test]
async fn a_file_beyond_the_limit_is_not_read() {
    let _alone = ALONE.lock().await;
    let mut file = OnDisk::new();
    file.put(&document("one"));
    let store = open(&file);
    serves(&store, "one").await;
    let before = resident();
    let huge = fs::File::options().write(true).open(&file.path).expect("open");
    huge.set_len(100 << 20).expect("100 MiB");
    let status = becomes(&store, State::Refused).await;
    assert_eq!(status.error.as_deref(), Some("the document is larger than 67108864 bytes"));
    assert!(resident() < before + (24 << 20));
    assert_eq!(answer(&store, &Selector::Any, "flag").as_deref(), Some("one"));
    file.put(&document("two"));
    serves(&store, "two").await;
}

/// Bytes of memory that the process holds, where that can be told.
fn resident() -> usize {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<usize>().ok());
    kib.unwrap_or_default() * 1_024
}
