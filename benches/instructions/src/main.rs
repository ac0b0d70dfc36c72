//! How many instructions the engine takes for each of the five rules, counted by callgrind and held to what is written here.
//!
//! Counts do not depend on what else the machine does, so that they can be asserted where times cannot. The program runs itself
//! under valgrind, once for one evaluation and once for many more; the difference is the evaluations' own.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command line tool that prints what it counted"
)]

#[allow(dead_code, reason = "other benchmarks make their documents with it")]
#[path = "../../../engine/tests/harness/five.rs"]
mod five;

use std::error::Error;
use std::hint::black_box;
use std::process::Command;
use std::sync::Arc;

use engine::{Bump, Context, Definition, Options, Selector, Snapshot, Value, compile};

/// Instructions of one evaluation over ten attributes, the flag being at hand. One that falls is written down here.
const KNOWN: [(&str, u64); 5] = [("R1", 42), ("R2", 413), ("R3", 1200), ("R4", 479), ("R5", 686)];
/// Whose code they are; another compiler's counts are printed and not held.
const COMPILER: &str = "rustc 1.95.0";
/// By how many hundredths a count may be larger than the known one, or by how many if that is more.
const TOLERANCE: u64 = 2;
/// How many evaluations the longer run makes more.
const MORE: u64 = 10_000;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match &arguments[..] {
        [] => hold(),
        [name, times] => evaluate(name, times.parse()?),
        _ => Err("bench-instructions takes no arguments".into()),
    }
}

/// Counts, prints, and fails if a count has grown.
fn hold() -> Result<(), Box<dyn Error>> {
    if Command::new("valgrind").arg("--version").output().is_err() {
        println!("skipped: no valgrind");
        return Ok(());
    }
    let compiler =
        Command::new("rustc").arg("--version").output().map(|said| said.stdout).unwrap_or_default();
    let compiler = String::from_utf8_lossy(&compiler);
    let held = compiler.starts_with(COMPILER);
    if !held {
        println!("not held: known of {COMPILER}, and this is {}", compiler.trim());
    }
    let mut grown = false;
    for (name, known) in KNOWN {
        let seen = (counted(name, MORE + 1)? - counted(name, 1)?) / MORE;
        let limit = known + (known * TOLERANCE / 100).max(TOLERANCE);
        println!("{name}: {seen} instructions, known {known}, at most {limit}");
        grown |= seen > limit;
    }
    if grown && held {
        return Err("more instructions than KNOWN in benches/instructions allows: find out why, or write down why not".into());
    }
    Ok(())
}

/// The instructions of a whole process that evaluates `name` so many `times`.
fn counted(name: &str, times: u64) -> Result<u64, Box<dyn Error>> {
    let mut valgrind = Command::new("valgrind");
    valgrind.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]);
    let done = valgrind.arg(std::env::current_exe()?).arg(name).arg(times.to_string()).output()?;
    let said = String::from_utf8_lossy(&done.stderr);
    let count = said.lines().find_map(|line| line.split_once("Collected :"));
    Ok(count.ok_or_else(|| format!("valgrind counted nothing: {said}"))?.1.trim().parse()?)
}

fn evaluate(name: &str, times: u64) -> Result<(), Box<dyn Error>> {
    let document = five::document(0);
    let definition = Definition::parse(&document)?;
    let compiled = compile(&definition, &Arc::from("bench"), &Options::default(), None);
    let snapshot = Snapshot::fold([&compiled.layer], 1);
    let (held, json) = (Bump::new(), five::context());
    let fields = match Value::from_json(&json, &held) {
        Value::Map(fields) => fields,
        _ => &[],
    };
    let flag = snapshot.find(&Selector::Any, name).ok_or("no such flag")?;
    let context = Context::new(fields);
    let mut bump = Bump::new();
    for _ in 0..times {
        let answer = black_box(flag).resolve(black_box(&context), 1, &bump, &mut ())?;
        black_box(answer.variant.ok_or("no variant")?.json().len());
        bump.reset();
    }
    Ok(())
}
