//! How many instructions the engine takes for each of the five rules, and a daemon for a request, counted by callgrind and held to
//! what is written here.
//!
//! Counts do not depend on what else the machine does, so that they can be asserted where times cannot. The program runs itself
//! under valgrind, once for few evaluations and once for many more; the difference is the evaluations' own.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command line tool that prints what it counted"
)]

#[allow(dead_code, reason = "other benchmarks make their documents with it")]
#[path = "../../../engine/tests/harness/five.rs"]
mod five;

mod rules;
mod wire;

use std::error::Error;
use std::process::Command;

type Failure = Box<dyn Error>;

/// Instructions of one evaluation by the engine, and of one request to a daemon. One that falls is written down here.
const KNOWN: [(&str, u64); 8] = [
    ("R1", 46),
    ("R2", 415),
    ("R3", 1204),
    ("R4", 488),
    ("R5", 609),
    (wire::GRPC, 53_890),
    (wire::OFREP, 35_918),
    (wire::CONNECT, 42_207),
];
/// Whose code they are; another compiler's counts are printed and not held.
const COMPILER: &str = "rustc 1.95.0";
/// What allocates and copies in a daemon, a seventh of all; with another one its counts are printed and not held.
const LIBC: &str = " 2.36";
/// By how many hundredths a count may be larger than the known one, or by how many if that is more.
const TOLERANCE: u64 = 2;
/// How many evaluations the shorter run makes, after which nothing is new, and how many the longer one makes more.
const FEW: u64 = 100;
const MORE: u64 = 2_000;
/// How often what grew is counted: seeds of hash tables and the clock have a small say.
const TRIES: usize = 3;

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match &arguments[..] {
        [] => hold(),
        [name, times] if is_rule(name) => rules::evaluate(name, times.parse()?),
        [name, times] => wire::ask(name, times.parse()?),
        _ => Err("bench-instructions takes no arguments".into()),
    }
}

/// Counts, prints, and fails if a count has grown.
fn hold() -> Result<(), Failure> {
    if Command::new("valgrind").arg("--version").output().is_err() {
        println!("skipped: no valgrind");
        return Ok(());
    }
    let (compiler, libc) = (version("rustc"), version("ldd"));
    let engine_held = compiler.starts_with(COMPILER);
    let daemon_held = engine_held && libc.ends_with(LIBC);
    if !daemon_held {
        println!("not all held: known of {COMPILER} and glibc{LIBC}, and these are {compiler} and {libc}");
    }
    let mut grown = false;
    for (name, known) in KNOWN {
        let limit = known + (known * TOLERANCE / 100).max(TOLERANCE);
        let seen = least(name, limit)?;
        println!("{name}: {seen} instructions, known {known}, at most {limit}");
        grown |= seen > limit && if is_rule(name) { engine_held } else { daemon_held };
    }
    if grown {
        return Err("more instructions than KNOWN in benches/instructions allows: find out why, or write down why not".into());
    }
    Ok(())
}

/// Whether `name` is a rule's, not a protocol's.
fn is_rule(name: &str) -> bool {
    name.starts_with('R')
}

/// The first line of what a program says of its version.
fn version(program: &str) -> String {
    let said = Command::new(program).arg("--version").output().map(|said| said.stdout).unwrap_or_default();
    String::from_utf8_lossy(&said).lines().next().unwrap_or_default().to_owned()
}

/// The instructions of one evaluation of `name`: the least of a few counts, of one alone if that is within `limit`.
fn least(name: &str, limit: u64) -> Result<u64, Failure> {
    let mut least = u64::MAX;
    for _ in 0..TRIES {
        let more = counted(name, FEW + MORE)?.saturating_sub(counted(name, FEW)?);
        least = least.min(more / MORE);
        if least <= limit {
            break;
        }
    }
    Ok(least)
}

/// The instructions of a whole process that evaluates `name` so many `times`.
fn counted(name: &str, times: u64) -> Result<u64, Failure> {
    let mut valgrind = Command::new("valgrind");
    valgrind.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]);
    let done = valgrind.arg(std::env::current_exe()?).arg(name).arg(times.to_string()).output()?;
    let said = String::from_utf8_lossy(&done.stderr);
    if !done.status.success() {
        return Err(format!("{name} failed: {said}").into());
    }
    let count = said.lines().find_map(|line| line.split_once("Collected :"));
    Ok(count.ok_or_else(|| format!("valgrind counted nothing: {said}"))?.1.trim().parse()?)
}
