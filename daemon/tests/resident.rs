//! What a daemon keeps resident for a fixed document. Apart from the heap's own count (`memory.rs`): threads, arenas and what
//! the allocator does not give back.

#![cfg(target_os = "linux")]
#![allow(clippy::expect_used, clippy::panic, reason = "a test that cannot go on says why")]
#![allow(clippy::print_stdout, reason = "figures that are not asserted are printed")]

mod mixed;
mod process;

use std::time::{Duration, Instant};

use process::Daemon;

const FLAGS: usize = 10_000;
/// Kilobytes of a debug build, its program's pages not counted: how many of those are there, the system's cache decides. A
/// number that falls is written down here.
const KNOWN: u64 = 11_000;

#[test]
fn a_daemon_keeps_no_more_than_it_did() {
    let huge = std::fs::read_to_string("/sys/kernel/mm/transparent_hugepage/enabled").unwrap_or_default();
    if huge.contains("[always]") || !cfg!(debug_assertions) {
        println!("skipped: known of debug builds on pages of one size");
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("flags.json");
    std::fs::write(&path, mixed::document(FLAGS, 0)).expect("written");
    let uri = format!("file:{}", path.display());
    let words = ["start", "-p", "0", "-m", "0", "-g", "0", "-r", "0", "--log-format", "json", "--uri", &uri];
    // As many threads wherever it runs.
    let daemon = Daemon::launch(&words, &[("TOKIO_WORKER_THREADS", "2")], "ready");
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let kept = daemon.memory("RssAnon");
        if kept <= KNOWN + KNOWN / 10 {
            println!("{kept} kB, {} kB with the program's pages", daemon.memory("VmRSS"));
            return;
        }
        assert!(Instant::now() < deadline, "{kept} kB are resident, known {KNOWN}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
