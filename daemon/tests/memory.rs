//! What loaded flags keep of the heap, counted: for each flag, and however often the document changes.

#![allow(clippy::expect_used, clippy::panic, reason = "a test that cannot go on says why")]
#![allow(clippy::print_stdout, reason = "figures that are not asserted are printed")]

mod mixed;
mod served;

use std::time::Duration;

use hoistd::light::Enrichment;
use mixed::document;
use served::Served;
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
use store::Store;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<std::alloc::System> = &INSTRUMENTED_SYSTEM;

const FLAGS: usize = 10_000;
/// Bytes that a flag keeps, its document's included. A number that falls is written down here.
const EACH: usize = 705;
/// How often the document changes; nothing may stay of what it was.
const CHANGES: usize = 25;

fn live() -> usize {
    let all = ALLOCATOR.stats();
    all.bytes_allocated - all.bytes_deallocated
}

async fn serves(store: &Store, generation: u64) {
    let mut generations = store.subscribe();
    let wait = generations.wait_for(|now| *now >= generation);
    tokio::time::timeout(Duration::from_secs(60), wait)
        .await
        .expect("within a minute")
        .expect("an open store");
}

#[tokio::test]
async fn flags_keep_no_more_than_they_did() {
    let [first, other] = [document(FLAGS, 0), document(FLAGS, 1)];
    // Whatever is made once for all is made.
    drop(Served::new(&[("flags.json", "{\"flags\": {}}")], Enrichment::default()).await);
    let before = live();
    let served = Served::new(&[("flags.json", &first)], Enrichment::default()).await;
    let each = kept(before, EACH * FLAGS).await / FLAGS;
    println!("{each} bytes for each flag of {} bytes of text", first.len() / FLAGS);
    for change in 1..=CHANGES {
        let generation = served.store.read().generation() + 1;
        served.documents[0].set(if change % 2 == 1 { other.as_str() } else { first.as_str() });
        serves(&served.store, generation).await;
    }
    kept(before, EACH * FLAGS).await;
}

/// What is on the heap beyond `before` once it is at most a tenth more than `known`: what was replaced is let go of
/// beside the requests, and may take a moment.
async fn kept(before: usize, known: usize) -> usize {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
    loop {
        let kept = live().saturating_sub(before);
        if kept <= known + known / 10 {
            return kept;
        }
        assert!(tokio::time::Instant::now() < deadline, "{kept} bytes are kept, known {known}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
