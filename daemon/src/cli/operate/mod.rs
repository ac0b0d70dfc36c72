//! The commands that speak with a running daemon: `status`, `confirm`, `rollback`, `override`.
//!
//! They go through the unix socket in the daemon's state directory; see [`control`](crate::services::control).

mod door;

use std::io::{self, Write};

use serde_json::{Value, json};
use store::rfc3339;

use crate::args::{ConfirmArgs, Environment, OverrideArgs, OverrideCommand, RollbackArgs, StatusArgs};
use crate::config;
use door::{Door, author};

/// Why it is not done.
#[derive(Debug, thiserror::Error)]
pub enum NotDone {
    /// It is not said which daemon is meant.
    #[error(
        "which daemon? name its state directory with --state-dir (or HOISTD_STATE_DIR), as `hoistd start` has it; a \
         daemon without one cannot be operated"
    )]
    NoStateDir,
    /// Nobody listens.
    #[error(
        "no hoistd listens on {path}: {source}; is one running on this machine with this state directory?"
    )]
    NobodyThere {
        /// The socket.
        path: String,
        /// What the system said.
        source: io::Error,
    },
    /// The socket belongs to somebody else.
    #[error("{path}: {source}; run this as the daemon's user, or as root")]
    NotAllowed {
        /// The socket.
        path: String,
        /// What the system said.
        source: io::Error,
    },
    /// The daemon is there and does not answer as one should.
    #[error("{path}: {what}")]
    Garbled {
        /// The socket.
        path: String,
        /// What is wrong.
        what: String,
    },
    /// The daemon says no.
    #[error("{0}")]
    Refused(String),
    /// `--for` is no duration.
    #[error("invalid value {0:?}: a duration is a number with a unit (s, m or h), such as 2h (from --for)")]
    Duration(String),
    /// The answer cannot be written.
    #[error(transparent)]
    Write(#[from] io::Error),
}

/// `hoistd status`: how the daemon is doing; returns whether it is ready.
///
/// # Errors
/// The daemon cannot be asked.
pub fn status(args: &StatusArgs, environment: &Environment, out: &mut dyn Write) -> Result<bool, NotDone> {
    let report = Door::find(&args.door, environment)?.status()?;
    let ready = report["ready"].as_bool().unwrap_or_default();
    if args.json {
        writeln!(out, "{report:#}")?;
        return Ok(ready);
    }
    let (word, flags) = (if ready { "ready" } else { "not ready" }, &report["flags"]);
    writeln!(out, "{word}, {flags} flags, generation {}", report["generation"])?;
    for source in list(&report["sources"]) {
        write_source(source, out)?;
    }
    for one in list(&report["overrides"]) {
        write_override(one, out)?;
    }
    Ok(ready)
}

fn write_source(source: &Value, out: &mut dyn Write) -> io::Result<()> {
    let stale = if source["stale"] == true { ", STALE" } else { "" };
    writeln!(
        out,
        "source {}: {}{stale}, {} flags",
        said(&source["name"]),
        said(&source["state"]),
        source["flags"]
    )?;
    if let Some(error) = source["error"].as_str() {
        writeln!(out, "    {}", plain(error))?;
    }
    if let Some(accepted) = source["rolledBack"]["accepted"].as_u64() {
        let by = said(&source["rolledBack"]["author"]);
        writeln!(out, "    rolled back by {by} to the document accepted {}", rfc3339(accepted))?;
    }
    if let Some(error) = source["copy"]["error"].as_str() {
        writeln!(out, "    copies are not kept: {}", plain(error))?;
    }
    Ok(())
}

fn write_override(one: &Value, out: &mut dyn Write) -> io::Result<()> {
    let set = one["flagSet"].as_str().map_or(String::new(), |set| format!(" of flag set {}", plain(set)));
    let idle =
        if one["applies"] == false { ", not applied: no document has this flag and variant now" } else { "" };
    writeln!(
        out,
        "override {}{set}: {} until {}, by {}: {}{idle}",
        said(&one["key"]),
        said(&one["variant"]),
        rfc3339(one["until"].as_u64().unwrap_or_default()),
        said(&one["author"]),
        said(&one["reason"]),
    )
}

/// `hoistd confirm`: takes documents that are held back.
///
/// # Errors
/// The daemon cannot be asked, or has nothing that waits.
pub fn confirm(args: &ConfirmArgs, environment: &Environment, out: &mut dyn Write) -> Result<(), NotDone> {
    let door = Door::find(&args.door, environment)?;
    let done = door.order("/v1/confirm", &json!({ "source": args.source }))?;
    for name in list(&done["sources"]) {
        writeln!(out, "source {}: the document that was held back is in service", said(name))?;
    }
    Ok(())
}

/// `hoistd rollback`: serves an earlier document, or the latest again. Returns whether every source moved.
///
/// # Errors
/// The daemon cannot be asked, or no source can go back so far.
pub fn rollback(
    args: &RollbackArgs,
    environment: &Environment,
    out: &mut dyn Write,
) -> Result<bool, NotDone> {
    let door = Door::find(&args.door, environment)?;
    let done = match args.generations {
        Some(generations) => {
            let author = author(environment);
            let order = json!({ "source": args.source, "generations": generations, "author": author });
            door.order("/v1/rollback", &order)?
        }
        None => door.order("/v1/release", &json!({ "source": args.source }))?,
    };
    let mut all = true;
    for source in list(&done["sources"]) {
        let name = said(&source["source"]);
        match source["error"].as_str() {
            Some(error) => {
                all = false;
                writeln!(out, "source {name}: {}", plain(error))?;
            }
            None => {
                let accepted = rfc3339(source["accepted"].as_u64().unwrap_or_default());
                writeln!(out, "source {name}: serving the document accepted {accepted}")?;
            }
        }
        write_not_kept(source, out)?;
    }
    Ok(all)
}

/// `hoistd override`, `override list` and `override clear`.
///
/// # Errors
/// The daemon cannot be asked, or there is no such flag, variant or override.
pub fn override_flag(
    args: &OverrideArgs,
    environment: &Environment,
    out: &mut dyn Write,
) -> Result<(), NotDone> {
    match &args.other {
        Some(OverrideCommand::List { door, json }) => {
            let report = Door::find(door, environment)?.status()?;
            if *json {
                writeln!(out, "{:#}", report["overrides"])?;
                return Ok(());
            }
            list(&report["overrides"]).try_for_each(|one| write_override(one, out))?;
            Ok(())
        }
        Some(OverrideCommand::Clear { key, flag_set, door }) => {
            let door = Door::find(door, environment)?;
            let order = json!({ "key": key, "flagSet": flag_set, "author": author(environment) });
            let done = door.order("/v1/override/clear", &order)?;
            writeln!(out, "flag {}: the documents decide again", plain(key))?;
            Ok(write_not_kept(&done, out)?)
        }
        None => {
            let door = Door::find(&args.door, environment)?;
            let duration = args.duration.clone().unwrap_or_default();
            let time = config::duration(&duration).filter(|time| time.as_secs() > 0);
            let seconds = time.ok_or(NotDone::Duration(duration))?.as_secs();
            let order = json!({
                "key": args.key, "flagSet": args.flag_set, "variant": args.variant, "seconds": seconds,
                "reason": args.reason, "author": author(environment),
            });
            let done = door.order("/v1/override", &order)?;
            write_override(&done["override"], out)?;
            Ok(write_not_kept(&done, out)?)
        }
    }
}

fn write_not_kept(done: &Value, out: &mut dyn Write) -> io::Result<()> {
    match done["notKept"].as_str() {
        Some(why) => writeln!(out, "    a restart will forget it: {}", plain(why)),
        None => Ok(()),
    }
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn said(value: &Value) -> String {
    plain(value.as_str().unwrap_or_default())
}

/// Text as one line of a terminal shows it.
fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}
