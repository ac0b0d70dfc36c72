//! Instructions of one evaluation of each of the five rules, counted by valgrind: the same on a busy machine as on an idle one.
//!
//! `cargo bench -p hoist-engine --bench instructions` fails when a rule takes more than 2 % more than it did. A change that is
//! worth it, or a gain, is written into [`KNOWN`].
#![allow(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a bench says what it saw, and why it cannot go on"
)]

#[path = "../tests/harness/five.rs"]
mod five;

use std::env;
use std::hint::black_box;
use std::process::{Command, ExitCode};
use std::sync::Arc;

use hoist_engine::{Bump, Context, Definition, Options, Selector, Snapshot, Value, compile};

/// Lookup among a thousand flags, evaluation, and emptying the arena, in instructions (x86_64, rustc 1.95).
const KNOWN: [(&str, u64); 5] = [("R1", 0), ("R2", 0), ("R3", 0), ("R4", 0), ("R5", 0)];
/// What a rule may take more, in percent.
const TOLERANCE: u64 = 2;
/// Evaluations that are counted.
const MANY: u64 = 10_000;
/// Tells this program that it is the one that is counted: a rule and how often.
const COUNTED: &str = "HOIST_COUNTED";

fn main() -> ExitCode {
    if let Ok(order) = env::var(COUNTED) {
        let (rule, times) = order.split_once(' ').expect("a rule and a number");
        evaluate(rule, times.parse().expect("a number"));
        return ExitCode::SUCCESS;
    }
    if !cfg!(target_arch = "x86_64") || Command::new("valgrind").arg("--version").output().is_err() {
        println!("skipped: no valgrind, or not x86_64");
        return ExitCode::SUCCESS;
    }
    let mut good = true;
    for (rule, known) in KNOWN {
        // The difference leaves out everything that is done once.
        let seen = (instructions(rule, MANY + 1) - instructions(rule, 1)) / MANY;
        let most = known + known * TOLERANCE / 100;
        println!("{rule}: {seen} instructions, known {known}");
        if seen > most {
            good = false;
            println!("{rule}: more than {most}; what happened?");
        } else if seen + known * TOLERANCE / 100 < known {
            println!("{rule}: fewer; write it down in KNOWN");
        }
    }
    if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Evaluates `rule` so often.
fn evaluate(rule: &str, times: u64) {
    let document = five::document(1000);
    let definition = Definition::parse(&document).expect("a flag document");
    let compiled = compile(&definition, &Arc::from("bench"), &Options::default(), None);
    let snapshot = Snapshot::fold([&compiled.layer], 1);
    let (held, json) = (Bump::new(), five::context());
    let Value::Map(fields) = Value::from_json(&json, &held) else { return };
    let context = Context::new(fields);
    let mut bump = Bump::new();
    for _ in 0..times {
        let flag = snapshot.find(&Selector::Any, black_box(rule)).expect("the flag is there");
        let answer = flag.resolve(black_box(&context), 1, &bump, &mut ());
        black_box(answer.expect("an answer").variant.expect("a variant").json().len());
        bump.reset();
    }
}

/// What this program executes that evaluates `rule` so often.
fn instructions(rule: &str, times: u64) -> u64 {
    let program = env::current_exe().expect("this program");
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(program)
        .env(COUNTED, format!("{rule} {times}"))
        .output()
        .expect("valgrind runs");
    let said = String::from_utf8_lossy(&output.stderr);
    let collected = said.lines().find_map(|line| line.split("Collected : ").nth(1));
    collected.and_then(|number| number.trim().parse().ok()).expect("a count in valgrind's words")
}
