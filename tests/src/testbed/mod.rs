//! The flagd-testbed: scenarios in Gherkin over a set of flags, played through stock OpenFeature clients.
//!
//! [`gherkin`] reads them, [`launch`] starts a daemon over the flags, [`driver`] talks to one client, [`play`] knows the
//! steps, [`client`] says which scenarios a client takes and which of its own defects are known, [`run`] puts it together;
//! [`follow`] asks about changes what no scenario does.

mod client;
mod driver;
mod follow;
mod gherkin;
mod launch;
mod play;
mod value;

use std::collections::HashMap;
use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

pub use client::{Client, Defect};
pub use driver::{Driver, Event};
pub use follow::{Follower, follow};
pub use gherkin::{Case, Step};
pub use launch::{Setup, Testbed};

use crate::world;

/// The features that are about evaluation, its events and its cache. The others are about a client's own options.
const FEATURES: [&str; 9] = [
    "contextEnrichment",
    "disabled",
    "evaluation",
    "events",
    "metadata",
    "rpc-caching",
    "selector",
    "sync-payload",
    "targeting",
];

/// Plays every scenario that the client takes, prints one line each and a summary, and panics if any failed.
///
/// `driver` makes the command that starts the client's driver, or says why this machine cannot have it.
pub fn run(client: &Client, driver: impl FnOnce() -> Result<Command, String>) {
    let Some(root) = world::shared("conformance/flagd-testbed") else { return };
    let command = match driver() {
        Ok(command) => command,
        Err(why) => {
            println!("skipped: {}: {why}", client.name);
            return;
        }
    };
    let started = Instant::now();
    let stage = &play::Stage::new(client, Driver::start(command), &root);
    let cases: Vec<_> = FEATURES
        .iter()
        .flat_map(|name| gherkin::read(&root.join(format!("gherkin/{name}.feature"))))
        .collect();
    let idle = client.idle_defect(&cases);
    assert!(idle.is_none(), "{}: no case runs into {idle:?}", client.name);
    let wanted = |case: &&Case| client.takes(case) && client.defect(case).is_none();
    // Cases with a daemon of their own wait for it most of the time: they all do so at once, and beside the others.
    let mut outcomes: HashMap<_, _> = std::thread::scope(|scope| {
        let (own, shared): (Vec<&Case>, Vec<&Case>) =
            cases.iter().filter(wanted).partition(|case| play::disturbs(case));
        let waiting: Vec<_> =
            own.into_iter().map(|case| (case.to_string(), scope.spawn(|| stage.play(case)))).collect();
        let played: Vec<_> = shared.into_iter().map(|case| (case.to_string(), stage.play(case))).collect();
        let waited = waiting
            .into_iter()
            .map(|(case, thread)| (case, thread.join().unwrap_or_else(|_| Err("panicked".into()))));
        played.into_iter().chain(waited).collect()
    });
    let mut report = Report::default();
    for case in &cases {
        let shown = case.to_string();
        match (outcomes.remove(&shown), client.defect(case)) {
            (Some(Ok(())), _) => report.pass(&shown),
            (Some(Err(why)), _) => report.fail(&shown, &why),
            (None, Some(defect)) if client.takes(case) => report.skip(&shown, defect.why),
            (None, _) => report.not_for_it += 1,
        }
    }
    report.finish(client, started);
}

/// What came out, line by line.
#[derive(Default)]
struct Report {
    lines: String,
    passed: usize,
    failed: usize,
    skipped: usize,
    not_for_it: usize,
}

impl Report {
    fn pass(&mut self, case: &str) {
        self.passed += 1;
        self.line("ok", case, "");
    }

    fn fail(&mut self, case: &str, why: &str) {
        self.failed += 1;
        self.line("FAIL", case, why);
    }

    fn skip(&mut self, case: &str, why: &str) {
        self.skipped += 1;
        self.line("skip", case, why);
    }

    fn line(&mut self, outcome: &str, case: &str, note: &str) {
        let dash = if note.is_empty() { "" } else { "  -- " };
        let _ = writeln!(self.lines, "{outcome:4} {case}{dash}{note}");
    }

    fn finish(mut self, client: &Client, started: Instant) {
        let Self { passed, failed, skipped, not_for_it, .. } = self;
        let _ = writeln!(
            self.lines,
            "{}: {passed} passed, {failed} failed, {skipped} skipped for a defect of the client, {not_for_it} not for it, {:.1} s",
            client.name,
            started.elapsed().as_secs_f64()
        );
        print!("{}", self.lines);
        save(client, &self.lines);
        assert!(passed > 0, "{} took no scenario", client.name);
        assert!(failed == 0, "{}: {failed} scenarios failed", client.name);
    }
}

/// Leaves the report below the target folder, because a passing test's output is not shown.
fn save(client: &Client, lines: &str) {
    let folder: &Path = &world::cargo_target().join("stock-clients/reports");
    let file = folder.join(format!("{}.txt", client.name.replace(' ', "-")));
    if let Err(e) = std::fs::create_dir_all(folder).and_then(|()| std::fs::write(&file, lines)) {
        println!("no report in {}: {e}", file.display());
    }
}
