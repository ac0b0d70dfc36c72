//! `hoistd doctor`: what is wrong, or will be, with a daemon that is started with the same flags.
//!
//! Sources are read once, certificates looked at, ports tried and let go again. Nothing is served and nothing changed.

mod clock;
mod ports;
mod settings;
mod sources;
mod state;
mod tls;

use std::io::{self, Write};
use std::time::Duration;

use serde_json::{Value, json};

use crate::args::{DoctorArgs, DoctorFormat, Environment};
use crate::config::{self, Config};

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Level {
    Ok,
    Warning,
    Error,
}

/// One line of the report.
#[derive(Debug)]
struct Finding {
    level: Level,
    /// What was looked at: `source`, `port`.
    what: &'static str,
    /// Which one, nothing secret.
    place: String,
    /// What was found.
    message: String,
    /// What to do about it.
    advice: Option<String>,
}

/// Why nothing can be checked.
#[derive(Debug, thiserror::Error)]
pub enum CannotCheck {
    /// `--timeout` is no duration.
    #[error(
        "invalid value {0:?}: a duration is a number with a unit (ms, s, m or h), such as 10s (from --timeout)"
    )]
    Timeout(String),
    /// The system refuses threads, or the report cannot be written.
    #[error(transparent)]
    System(#[from] io::Error),
}

/// Reports to `out`; returns whether nothing is wrong, warnings aside.
///
/// # Errors
/// Nothing can be checked, or the report not be written.
pub fn run(args: &DoctorArgs, environment: &Environment, out: &mut dyn Write) -> Result<bool, CannotCheck> {
    let timeout = config::duration(&args.timeout).filter(|timeout| !timeout.is_zero());
    let timeout = timeout.ok_or_else(|| CannotCheck::Timeout(args.timeout.clone()))?;
    let findings = examine(args, environment, timeout)?;
    match args.format {
        DoctorFormat::Text => text(&findings, out)?,
        DoctorFormat::Json => json(&findings, out)?,
    }
    Ok(findings.iter().all(|finding| finding.level < Level::Error))
}

fn examine(args: &DoctorArgs, environment: &Environment, timeout: Duration) -> io::Result<Vec<Finding>> {
    let config = match Config::read(&args.start, environment) {
        Ok(config) => config,
        Err(error) => {
            let advice =
                "correct the setting; the daemon does not start with it, and nothing else was checked";
            return Ok(vec![Finding::error("settings", "", error.to_string(), advice)]);
        }
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let mut findings = settings::check(&config, environment);
    findings.extend(tls::check(&config));
    findings.extend(state::check(&config));
    findings.extend(state::check_cache(&config));
    findings.extend(runtime.block_on(async {
        let mut found = ports::check(&config, timeout).await;
        found.extend(clock::check(&config, timeout).await);
        found.extend(sources::check(&config, timeout).await);
        found
    }));
    runtime.shutdown_timeout(crate::sources::PARTING);
    Ok(findings)
}

impl Finding {
    fn ok(what: &'static str, place: impl Into<String>, message: impl Into<String>) -> Self {
        Self { level: Level::Ok, what, place: place.into(), message: message.into(), advice: None }
    }

    fn warning(
        what: &'static str,
        place: impl Into<String>,
        message: impl Into<String>,
        advice: impl Into<String>,
    ) -> Self {
        Self { level: Level::Warning, advice: Some(advice.into()), ..Self::ok(what, place, message) }
    }

    fn error(
        what: &'static str,
        place: impl Into<String>,
        message: impl Into<String>,
        advice: impl Into<String>,
    ) -> Self {
        Self { level: Level::Error, ..Self::warning(what, place, message, advice) }
    }
}

impl Level {
    fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// One line per finding, its advice below it, and a sum at the end.
fn text(findings: &[Finding], out: &mut dyn Write) -> io::Result<()> {
    for Finding { level, what, place, message, advice } in findings {
        let room = if place.is_empty() { "" } else { " " };
        let message: String = message.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        writeln!(out, "{:8} {what}{room}{place}: {message}", level.as_str())?;
        if let Some(advice) = advice {
            writeln!(out, "         -> {advice}")?;
        }
    }
    let (errors, warnings) = (count(findings, Level::Error), count(findings, Level::Warning));
    writeln!(out, "{} checks: {errors} errors, {warnings} warnings", findings.len())
}

/// One JSON object.
fn json(findings: &[Finding], out: &mut dyn Write) -> io::Result<()> {
    let checks: Vec<Value> = findings
        .iter()
        .map(|Finding { level, what, place, message, advice }| {
            json!({ "level": level.as_str(), "what": what, "where": place, "message": message, "advice": advice })
        })
        .collect();
    let (errors, warnings) = (count(findings, Level::Error), count(findings, Level::Warning));
    let report = json!({ "checks": checks, "errors": errors, "warnings": warnings });
    writeln!(out, "{report:#}")
}

fn count(findings: &[Finding], level: Level) -> usize {
    findings.iter().filter(|finding| finding.level == level).count()
}
