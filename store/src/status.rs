//! What is known about each source, for whoever asks: readiness, metrics, logs, the command line.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use engine::Problem;

use crate::origin::Origin;
use crate::source::Authorship;

/// How a source is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Nothing is known yet.
    Pending,
    /// The origin's latest document is in service.
    Ok,
    /// The origin's latest document was refused; the one before it, if any, is in service.
    Refused,
    /// The origin's latest document takes so many flags away that it waits for confirmation; the one before it is in
    /// service.
    Held,
    /// The origin's latest document was accepted, and an operator went back to an earlier one.
    RolledBack,
    /// The origin cannot be read: the file is missing, the server does not answer. It is tried again.
    Unreachable,
    /// The source gave up for good.
    Stopped,
}

impl State {
    /// The state in one word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Ok => "ok",
            Self::Refused => "refused",
            Self::Held => "held",
            Self::RolledBack => "rolled-back",
            Self::Unreachable => "unreachable",
            Self::Stopped => "stopped",
        }
    }
}

/// Where the document in service came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Served {
    /// There is none.
    Nothing,
    /// From the origin, in the life of this process.
    Origin,
    /// From a copy on disk: the origin has not shown a good document since the start, or an operator went back.
    Copy,
}

impl Served {
    /// The same in one word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::Origin => "origin",
            Self::Copy => "copy",
        }
    }
}

/// How the copies on disk are doing.
#[derive(Clone, Debug, Default)]
pub struct Copied {
    /// When the document of the newest copy was accepted.
    pub at: Option<SystemTime>,
    /// Documents that were kept so in the life of this process.
    pub kept: u64,
    /// Copies that could not be written.
    pub failures: u64,
    /// Why the latest one could not be written; it is tried again.
    pub error: Option<String>,
}

/// That an operator went back to an earlier document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RolledBack {
    /// Who.
    pub author: Box<str>,
    /// When, in Unix seconds.
    pub at: u64,
    /// When the document in service was accepted, in Unix seconds.
    pub accepted: u64,
}

/// What is known about a source.
#[derive(Clone, Debug)]
pub struct SourceStatus {
    /// The name that selectors use. It may hold credentials; for people there is `origin`.
    pub name: Arc<str>,
    /// The name with whatever may be secret left out.
    pub origin: String,
    /// The provider, such as `file`.
    pub kind: Box<str>,
    /// How it is doing.
    pub state: State,
    /// Whether a document of it is in service.
    pub ready: bool,
    /// Where the document in service came from.
    pub served: Served,
    /// Since when the document in service may be out of date: at once if it is a copy, after a grace time if the origin
    /// cannot be read or has a document that is not taken.
    pub stale: Option<Seen>,
    /// Since when `state` is neither `Ok` nor `RolledBack`.
    pub troubled: Option<Seen>,
    /// The copies on disk; `None` if none are kept.
    pub copied: Option<Copied>,
    /// That an operator went back to an earlier document, which is in service.
    pub rolled_back: Option<RolledBack>,
    /// When the origin last showed the document in service, or showed it again.
    pub last_success: Option<Seen>,
    /// SHA-256 of the document in service, in hexadecimal.
    pub revision: Option<Box<str>>,
    /// What the origin calls the document in service: an ETag, a commit.
    pub origin_revision: Option<String>,
    /// Who made that version, and when, if the origin knows.
    pub authorship: Option<Authorship>,
    /// The snapshot generation that the document in service came with.
    pub generation: u64,
    /// Documents accepted, the unchanged ones not counted.
    pub accepted: u64,
    /// Documents refused.
    pub refused: u64,
    /// Documents held back because they remove so much.
    pub held: u64,
    /// Flags in service, shadowed ones included.
    pub flags: usize,
    /// Why `state` is not `Ok`.
    pub error: Option<String>,
    /// What is wrong with the latest document.
    pub problems: Notices,
    /// Flags in service from an earlier document because the latest one spoils them.
    pub kept: Kept,
    /// Flags that a source of higher priority defines too, and which are therefore not what a plain request gets.
    pub shadowed: Notices,
}

/// A moment on both clocks.
#[derive(Clone, Copy, Debug)]
pub struct Seen {
    /// The wall clock, for people.
    pub at: SystemTime,
    /// The monotonic clock, for ages.
    pub since: Instant,
}

/// Problems, the first hundred of them.
#[derive(Clone, Debug, Default)]
pub struct Notices {
    /// The first ones.
    pub list: Vec<Problem>,
    /// How many there are.
    pub total: usize,
}

/// Keys of kept flags, the first hundred of them.
#[derive(Clone, Debug, Default)]
pub struct Kept {
    /// The first ones.
    pub list: Vec<Box<str>>,
    /// How many there are.
    pub total: usize,
}

impl Seen {
    /// The moment `at` of the wall clock, as of `now`.
    pub(crate) fn long_ago(at: SystemTime, now: Self) -> Self {
        let age = now.at.duration_since(at).unwrap_or_default();
        Self { at, since: now.since.checked_sub(age).unwrap_or(now.since) }
    }
}

impl Notices {
    /// How many of a kind are kept per source; beyond that they are counted.
    pub(crate) const KEPT: usize = 100;

    pub(crate) fn of(mut problems: Vec<Problem>) -> Self {
        let total = problems.len();
        problems.truncate(Self::KEPT);
        problems.shrink_to_fit();
        Self { list: problems, total }
    }

    pub(crate) fn push(&mut self, problem: impl FnOnce() -> Problem) {
        self.total += 1;
        if self.list.len() < Self::KEPT {
            self.list.push(problem());
        }
    }
}

impl Kept {
    /// Takes the keys of another file in.
    pub(crate) fn add(&mut self, other: Self) {
        self.total += other.total;
        let room = Notices::KEPT.saturating_sub(self.list.len());
        self.list.extend(other.list.into_iter().take(room));
    }

    pub(crate) fn push(&mut self, key: &str) {
        self.total += 1;
        if self.list.len() < Notices::KEPT {
            self.list.push(key.into());
        }
    }
}

impl SourceStatus {
    /// How long the source has been out of touch: not at all while all is well. Reckoned from when the origin last showed
    /// the document in service; for a copy, from when that was accepted.
    pub fn out_of_touch(&self) -> Duration {
        match (self.state, self.last_success) {
            (State::Ok | State::RolledBack, _) => Duration::ZERO,
            (_, Some(seen)) => seen.since.elapsed(),
            (_, None) => Duration::MAX,
        }
    }

    pub(crate) fn new(origin: &Origin) -> Self {
        Self {
            name: Arc::clone(origin.name()),
            origin: origin.to_string(),
            kind: origin.provider().into(),
            state: State::Pending,
            ready: false,
            served: Served::Nothing,
            stale: None,
            troubled: None,
            copied: None,
            rolled_back: None,
            last_success: None,
            revision: None,
            origin_revision: None,
            authorship: None,
            generation: 0,
            accepted: 0,
            refused: 0,
            held: 0,
            flags: 0,
            error: None,
            problems: Notices::default(),
            kept: Kept::default(),
            shadowed: Notices::default(),
        }
    }
}
