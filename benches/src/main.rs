//! Speed, scale and memory of hoist, measured side by side in one run.
//!
//! ```text
//! document (seeded) --> server: hoistd, the floors (bin/floor.rs), peers     each pinned to the first core
//!     link (TCP, TLS, unix) ^   beside: rewrites, idle streams  |
//! workload (bytes ready) --+ load: closed loop, h2load, wrk    +-- machine: CPU and memory out of /proc
//!                          | pace: fixed rate, intended start      |
//!                          + hostile: what means harm              |
//! probe (in process: thread CPU, allocations) ---------------------+--> series --> report: text, JSON, Markdown
//! ```
//!
//! CPU time per request is the figure that a busy machine moves least; wall figures stand beside it. Servers are measured
//! in turn, A B A B, and a comparison whose rounds differ too much is refused. Nothing here asserts a time.
#![allow(clippy::print_stdout, reason = "a command line tool that prints what it measured")]

mod args;
mod beside;
mod brief;
mod document;
mod generator;
mod hostile;
mod link;
mod load;
mod machine;
mod pace;
mod probe;
mod report;
mod rule;
mod run;
mod sdk;
mod series;
mod server;
mod streams;
mod vendor;
mod workload;

#[allow(dead_code, reason = "other benchmarks make their documents with it")]
#[path = "../../engine/tests/harness/five.rs"]
mod five;

use std::error::Error;

use clap::Parser;

use crate::args::{Args, What};
use crate::report::Report;

/// Counts what providers allocate for each call.
#[global_allocator]
static ALLOCATOR: &probe::Counting = &stats_alloc::INSTRUMENTED_SYSTEM;

/// What can go wrong in a tool: whatever it is, it is printed and the run ends.
pub(crate) type Failure = Box<dyn Error + Send + Sync>;

fn main() -> Result<(), Failure> {
    let args = Args::parse();
    let wanted = match &args.what {
        Some(What::Markdown { files, brief }) => return report::markdown(files, *brief),
        Some(what) => std::slice::from_ref(what),
        None => &What::everything(),
    };
    machine::pin_to_last_core()?;
    machine::let_servers_use(args.cores);
    let mut report = Report::begin();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let ended = wanted.iter().try_for_each(|what| runtime.block_on(run::run(what, &args, &mut report)));
    // What was measured before a failure is not lost.
    report.end();
    print!("{}", report.text());
    if let Some(path) = &args.json {
        report.write(path)?;
    }
    ended
}
