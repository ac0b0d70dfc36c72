//! The flagd-testbed: scenarios in Gherkin over a set of flags, played through stock OpenFeature clients.
//!
//! `gherkin` reads them, `launch` starts a daemon over the flags, `driver` talks to one client, `play` knows the
//! steps, `client` says which scenarios a client takes and which of its own defects are known, `run` puts it together;
//! `follow` asks about changes what no scenario does.

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
pub use driver::{Driver, Event, Inside, Says};
pub use follow::{Follower, follow};
pub use gherkin::{Case, Step};
pub use launch::{Setup, Testbed};
pub use value::same;

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

/// What only clients within this process play too: how a client finds its daemon.
const CONNECTION: [&str; 1] = ["connection"];

/// The scenarios of a feature of the testbed at `root`, outlines expanded.
#[must_use]
pub fn cases(root: &Path, feature: &str) -> Vec<Case> {
    gherkin::read(&root.join(format!("gherkin/{feature}.feature")))
}

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
    play_features(client, Driver::start(command), &root, &FEATURES);
}

/// The same for a client within this process, which plays how it connects too.
pub fn run_inside(client: &Client, inside: impl Inside + 'static) {
    let Some(root) = world::shared("conformance/flagd-testbed") else { return };
    play_features(client, Driver::inside(inside), &root, &[&FEATURES[..], &CONNECTION].concat());
}

fn play_features(client: &Client, driver: Driver, root: &Path, features: &[&str]) {
    let started = Instant::now();
    let stage = &play::Stage::new(client, driver, root);
    let cases: Vec<_> = features.iter().flat_map(|name| cases(root, name)).collect();
    let idle = client.idle_defect(&cases);
    assert!(idle.is_none(), "{}: no case runs into {idle:?}", client.name);
    let mut outcomes = play_all(stage, &cases);
    let mut report = Report::default();
    for (at, case) in cases.iter().enumerate() {
        match (outcomes.remove(&at), client.defect(case)) {
            (Some(Ok(())), _) => report.pass(case),
            (Some(Err(why)), _) => report.fail(case, &why),
            (None, Some(defect)) if client.takes(case) => report.skip(case, defect.why),
            (None, _) => report.not_for_it += 1,
        }
    }
    report.finish(client, started);
}

/// What came of each case that is played, by its index.
///
/// Cases with a daemon of their own wait for it most of the time: they all do so at once, and beside the others.
fn play_all(stage: &play::Stage<'_>, cases: &[Case]) -> HashMap<usize, Result<(), String>> {
    let played = cases.iter().enumerate().filter(|(_, case)| stage.plays(case));
    let (own, shared): (Vec<_>, Vec<_>) = played.partition(|(_, case)| play::disturbs(case));
    std::thread::scope(|scope| {
        let own: Vec<_> = own.into_iter().map(|(at, case)| (at, scope.spawn(|| stage.play(case)))).collect();
        let mut outcomes: HashMap<_, _> =
            shared.into_iter().map(|(at, case)| (at, stage.play(case))).collect();
        let joined = own.into_iter().map(|(at, thread)| {
            (at, thread.join().unwrap_or_else(|_| Err("its daemon did not start".to_owned())))
        });
        outcomes.extend(joined);
        outcomes
    })
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
    fn pass(&mut self, case: &Case) {
        self.passed += 1;
        self.line("ok", case, "");
    }

    fn fail(&mut self, case: &Case, why: &str) {
        self.failed += 1;
        self.line("FAIL", case, why);
    }

    fn skip(&mut self, case: &Case, why: &str) {
        self.skipped += 1;
        self.line("skip", case, why);
    }

    fn line(&mut self, outcome: &str, case: &Case, note: &str) {
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
