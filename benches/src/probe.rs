//! Measures calls inside this process: CPU time of the thread, and allocations.
//!
//! The package of the official crates includes this file, so that both are measured alike.

use std::alloc::System;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

/// The system's allocator, counted.
pub(crate) type Counting = StatsAlloc<System>;

/// How long a sample takes at least.
const SAMPLE: Duration = Duration::from_millis(15);
/// Samples of each round; the middle one counts.
const SAMPLES: usize = 7;

/// What one call takes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cost {
    /// CPU time of the calling thread in nanoseconds.
    pub(crate) nanoseconds: f64,
    /// Allocations of the whole process.
    pub(crate) allocations: f64,
}

/// Measures `call`.
pub(crate) async fn measure(mut call: impl AsyncFnMut()) -> Cost {
    let mut calls = 1_u32;
    while batch(&mut call, calls).await < SAMPLE && calls < 1 << 24 {
        calls *= 2;
    }
    let mut samples = Vec::with_capacity(SAMPLES);
    let counted = Region::new(&INSTRUMENTED_SYSTEM);
    for _ in 0..SAMPLES {
        samples.push(batch(&mut call, calls).await);
    }
    let counts = counted.change();
    samples.sort_unstable();
    #[allow(clippy::cast_precision_loss, reason = "counts far below 2^52")]
    let (taken, done) =
        ((counts.allocations + counts.reallocations) as f64, SAMPLES as f64 * f64::from(calls));
    Cost {
        nanoseconds: samples[SAMPLES / 2].as_secs_f64() * 1e9 / f64::from(calls),
        allocations: taken / done,
    }
}

async fn batch(call: &mut impl AsyncFnMut(), calls: u32) -> Duration {
    let before = thread_time();
    for _ in 0..calls {
        call().await;
    }
    thread_time() - before
}

fn thread_time() -> Duration {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    let seconds = u64::try_from(now.tv_sec).unwrap_or(0);
    Duration::new(seconds, u32::try_from(now.tv_nsec).unwrap_or(0))
}
