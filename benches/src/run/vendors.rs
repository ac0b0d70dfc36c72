//! A typical flag of each vendor: our engines in this process, beside the vendors' own crates in one of their own.

use std::hint::black_box;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use engine::{Bump, Context, Question, Selector, Snapshot, Type, Value};
use store::{Reader, Reading};

use crate::Failure;
use crate::args::Args;
use crate::probe::{Cost, measure};
use crate::report::{Report, Table};
use crate::server::beside;
use crate::vendor::{KEY, USERS, User, Vendor, user};

const OURS: &str = "hoist";

pub(super) async fn run(args: &Args, report: &mut Report) -> Result<(), Failure> {
    let theirs = beside("vendors").or_else(|_| theirs_in_their_own_target());
    let mut contests = Vec::new();
    for vendor in Vendor::ALL {
        let table = Table::new(format!("{}, one flag for one user", vendor.name()));
        contests.push(Contest { vendor, snapshot: flags(vendor)?, table, answers: String::new() });
    }
    for _ in 0..args.rounds {
        for contest in &mut contests {
            let (cost, answers) = ours(&contest.snapshot).await?;
            contest.table.add_cost(OURS, cost);
            contest.answers = answers;
        }
        if let Ok(program) = &theirs {
            let output = Command::new(program).output()?;
            if !output.status.success() {
                return Err(format!("vendors: {}", String::from_utf8_lossy(&output.stderr)).into());
            }
            read(&output.stdout, &mut contests)?;
        }
    }
    for Contest { mut table, .. } in contests {
        table.compare_cost(OURS);
        if let Err(why) = &theirs {
            table.note(format!("the vendors' crates are not measured: {why}"));
        }
        report.take(table);
    }
    Ok(())
}

/// One vendor's flags, and what was measured of them.
struct Contest {
    vendor: Vendor,
    snapshot: Snapshot,
    table: Table,
    /// A digit for what each user gets of us.
    answers: String,
}

fn theirs_in_their_own_target() -> Result<std::path::PathBuf, Failure> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("vendors/target/release/vendors");
    if path.exists() {
        return Ok(path);
    }
    Err("run `cargo build --release` in benches/vendors".into())
}

/// Reads the lines `vendor TAB subject TAB nanoseconds TAB allocations TAB answers`.
fn read(stdout: &[u8], contests: &mut [Contest]) -> Result<(), Failure> {
    for line in std::str::from_utf8(stdout)?.lines() {
        let fields: Vec<&str> = line.split('\t').collect();
        let [vendor, subject, nanoseconds, allocations, answers] = fields[..] else {
            return Err(format!("vendors: `{line}` is no line of five fields").into());
        };
        let contest = contests.iter_mut().find(|contest| contest.vendor.name() == vendor);
        let contest = contest.ok_or_else(|| format!("vendors: no vendor {vendor}"))?;
        if answers != contest.answers {
            return Err(format!("{subject} answers {answers}, and we {}", contest.answers).into());
        }
        let cost = Cost { nanoseconds: nanoseconds.parse()?, allocations: allocations.parse()? };
        contest.table.add_cost(subject, cost);
    }
    Ok(())
}

fn flags(vendor: Vendor) -> Result<Snapshot, Failure> {
    let reader: Box<dyn Reader> = match vendor {
        Vendor::Unleash => {
            Box::new(unleash::reader::ClientFeatures::new(unleash::rules::Settings::default(), None))
        }
        Vendor::Flagsmith => {
            Box::new(flagsmith::reader::EnvironmentDocument::new(flagsmith::Mapping::default(), None))
        }
        Vendor::Flipt => Box::new(flipt::reader::Snapshots::new(flipt::Mapping::default())),
    };
    let (text, source, options) =
        (vendor.document().to_string(), Arc::from(vendor.name()), engine::Options::default());
    let reading = Reading { text: &text, source: &source, options: &options, previous: None, flag_set: None };
    let compiled = reader.read(&reading).map_err(|error| format!("{}: {error:?}", vendor.name()))?;
    Ok(Snapshot::fold([&compiled.layer], 1))
}

/// What a call costs, and a digit for what each user gets.
async fn ours(snapshot: &Snapshot) -> Result<(Cost, String), Failure> {
    let users: Vec<User> = (0..USERS).map(user).collect();
    let attributes: Vec<[(&str, Value<'_>); 3]> = users
        .iter()
        .map(|user| {
            [
                ("targetingKey", Value::Str(&user.key)),
                ("region", Value::Str(user.region)),
                ("plan", Value::Str(user.plan)),
            ]
        })
        .collect();
    let mut arena = Bump::new();
    let mut ask = |attributes: &[(&str, Value<'_>)]| {
        let context = Context::new(attributes);
        let question = Question { want: Type::Any, context: &context, now: 1, bump: &arena, bulk: false };
        let flag = snapshot.find(&Selector::Any, KEY)?;
        let variant = flag.answer(&question, &mut ()).ok()?.variant;
        let on =
            variant.is_some_and(|variant| variant.name() == "on" || variant.value().as_bool() == Some(true));
        arena.reset();
        Some(on)
    };
    let mut answers = String::new();
    for attributes in &attributes {
        let on = ask(attributes).ok_or_else(|| format!("no answer for {KEY}"))?;
        answers.push(if on { '1' } else { '0' });
    }
    if !answers.contains('0') || !answers.contains('1') {
        return Err(format!("{KEY} is no typical flag: {answers}").into());
    }
    let mut next = attributes.iter().cycle();
    let cost = measure(async || {
        if let Some(attributes) = next.next() {
            black_box(ask(black_box(attributes)));
        }
    })
    .await;
    Ok((cost, answers))
}
