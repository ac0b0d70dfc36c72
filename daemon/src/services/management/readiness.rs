//! What `/readyz` says in words: every source, how it is doing and what is wrong with its document.
//!
//! Sources go by the name that people may see, without credentials.

use std::time::{SystemTime, UNIX_EPOCH};

use engine::Problem;
use serde::Serialize;
use store::{Notices, Override, SourceStatus, Store};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Report<'s> {
    ready: bool,
    generation: u64,
    flags: usize,
    sources: Vec<Source<'s>>,
    /// The variants that operators have everybody get for a while.
    overrides: Vec<Overridden<'s>>,
}

#[derive(Serialize)]
struct Overridden<'s> {
    #[serde(flatten)]
    what: &'s Override,
    /// Whether there is such a flag and variant at the moment.
    applies: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Source<'s> {
    name: &'s str,
    kind: &'s str,
    state: &'static str,
    ready: bool,
    /// Where the document in service came from: `origin`, `copy` (on disk) or `nothing`.
    served: &'static str,
    /// Whether the flags in service may be out of date, and for how long they have been.
    stale: bool,
    stale_seconds: Option<f64>,
    flags: usize,
    generation: u64,
    /// SHA-256 of the document in service.
    revision: Option<&'s str>,
    /// What the origin itself calls it, such as an ETag.
    origin_revision: Option<&'s str>,
    /// Who made that version, when (Unix seconds) and what for, where the origin knows.
    origin_author: Option<&'s str>,
    origin_timestamp: Option<f64>,
    origin_subject: Option<&'s str>,
    /// Unix seconds.
    last_success_timestamp: Option<f64>,
    last_success_age_seconds: Option<f64>,
    accepted: u64,
    refused: u64,
    held: u64,
    /// That an operator went back to an earlier document, which is in service.
    rolled_back: Option<Back<'s>>,
    /// The copies on disk, if any are kept.
    copy: Option<CopyOnDisk<'s>>,
    error: Option<&'s str>,
    problems: List<Fault<'s>>,
    /// Keys of flags that stay as an earlier document had them.
    kept: List<&'s str>,
    /// Flags that a source of higher priority defines too.
    shadowed: List<Fault<'s>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct CopyOnDisk<'s> {
    /// When its document was accepted, in Unix seconds.
    timestamp: Option<f64>,
    failures: u64,
    error: Option<&'s str>,
}

#[derive(Serialize)]
struct Back<'s> {
    author: &'s str,
    /// When, in Unix seconds.
    at: u64,
    /// When the document in service was accepted, in Unix seconds.
    accepted: u64,
}

/// The first ones of a possibly longer list.
#[derive(Serialize)]
struct List<T> {
    total: usize,
    list: Vec<T>,
}

#[derive(Serialize)]
struct Fault<'s> {
    severity: &'static str,
    flag: Option<&'s str>,
    path: &'s str,
    message: &'s str,
    hint: Option<&'s str>,
    /// In which of the source's files, if it has several.
    file: Option<&'s str>,
    line: Option<usize>,
    column: Option<usize>,
}

/// The report as JSON text.
pub(crate) fn report(store: &Store, ready: bool) -> Vec<u8> {
    let sources = store.sources();
    let (snapshot, overrides) = (store.read(), store.overrides());
    let overridden = |what| Overridden { what, applies: what.applies(&snapshot) };
    let report = Report {
        ready,
        generation: snapshot.generation(),
        flags: snapshot.flags().len(),
        sources: sources.iter().map(Source::of).collect(),
        overrides: overrides.iter().map(overridden).collect(),
    };
    // Plain text and numbers can always be written.
    serde_json::to_vec(&report).unwrap_or_default()
}

impl<'s> Source<'s> {
    fn of(status: &'s SourceStatus) -> Self {
        let seen = status.last_success;
        Self {
            name: &status.origin,
            kind: &status.kind,
            state: status.state.as_str(),
            ready: status.ready,
            served: status.served.as_str(),
            stale: status.stale.is_some(),
            stale_seconds: status.stale.map(|stale| stale.since.elapsed().as_secs_f64()),
            flags: status.flags,
            generation: status.generation,
            revision: status.revision.as_deref(),
            origin_revision: status.origin_revision.as_deref(),
            origin_author: status.authorship.as_ref().map(|authorship| &*authorship.author),
            origin_timestamp: status.authorship.as_ref().and_then(|authorship| unix(authorship.at)),
            origin_subject: status.authorship.as_ref().map(|authorship| &*authorship.subject),
            last_success_timestamp: seen.and_then(|seen| unix(seen.at)),
            last_success_age_seconds: seen.map(|seen| seen.since.elapsed().as_secs_f64()),
            accepted: status.accepted,
            refused: status.refused,
            held: status.held,
            rolled_back: status.rolled_back.as_ref().map(|back| Back {
                author: &back.author,
                at: back.at,
                accepted: back.accepted,
            }),
            copy: status.copied.as_ref().map(|copied| CopyOnDisk {
                timestamp: copied.at.and_then(unix),
                failures: copied.failures,
                error: copied.error.as_deref(),
            }),
            error: status.error.as_deref(),
            problems: List::of(&status.problems),
            kept: List {
                total: status.kept.total,
                list: status.kept.list.iter().map(|key| &**key).collect(),
            },
            shadowed: List::of(&status.shadowed),
        }
    }
}

fn unix(at: SystemTime) -> Option<f64> {
    Some(at.duration_since(UNIX_EPOCH).ok()?.as_secs_f64())
}

impl<'s> List<Fault<'s>> {
    fn of(notices: &'s Notices) -> Self {
        Self { total: notices.total, list: notices.list.iter().map(Fault::of).collect() }
    }
}

impl<'s> Fault<'s> {
    fn of(problem: &'s Problem) -> Self {
        Self {
            severity: match problem.severity {
                engine::Severity::Warning => "warning",
                engine::Severity::Error => "error",
            },
            flag: problem.flag.as_deref(),
            path: &problem.path,
            message: &problem.message,
            hint: problem.hint.as_deref(),
            file: problem.file.as_deref(),
            line: problem.place.map(|place| place.line),
            column: problem.place.map(|place| place.column),
        }
    }
}
