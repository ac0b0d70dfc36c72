//! What is noted and logged about sources. A log line is written when something changes, not every time it is seen.

use std::io;
use std::time::{Instant, SystemTime};

use engine::{Problem, Severity, Snapshot};

use crate::intake::{Last, Outcome, Shared, Slot, locked};
use crate::merge;
use crate::source::{Delivery, Retry, SourceError};
use crate::status::{Notices, Seen, SourceStatus, State};

/// How many problems of one document are logged line by line.
const LOGGED: usize = 10;

/// What to do about a document that is held back.
fn advice(why: &str) -> String {
    format!(
        "{why}; it is taken if the origin still says so after a while, unless that is a mistake to be mended there"
    )
}

impl Shared {
    /// Notes which flags another source hides, and logs those that it did not hide before.
    pub(crate) fn report_shadowed(&self, snapshot: &Snapshot) {
        let names = self.slots.iter().map(|slot| &**slot.origin.name());
        for (slot, shadowed) in self.slots.iter().zip(merge::shadowed(snapshot, names)) {
            let mut status = locked(&slot.status);
            let known = &status.shadowed.list;
            for problem in shadowed.list.iter().filter(|problem| !known.contains(problem)).take(LOGGED) {
                tracing::warn!(source = %slot.origin, "{problem}");
            }
            status.shadowed = shadowed;
        }
    }

    /// Notes that a document was refused.
    pub(crate) fn refused(&self, slot: &Slot, error: String, problems: Vec<Problem>) {
        tracing::error!(source = %slot.origin, %error, "document refused, the one before stays in service");
        self.update(slot, |status| {
            status.state = State::Refused;
            status.refused += 1;
            status.error = Some(error);
            status.problems = Notices::of(problems);
        });
    }

    /// Notes that the origin has a document that is not even read.
    pub(crate) fn refuse(&self, at: usize, why: String) {
        let slot = &self.slots[at];
        let known = {
            let status = locked(&slot.status);
            status.state == State::Refused && status.error.as_ref() == Some(&why)
        };
        if !known {
            self.refused(slot, why, Vec::new());
        }
    }

    /// Notes that the origin was asked and has nothing new.
    pub(crate) fn unchanged(&self, at: usize) {
        let slot = &self.slots[at];
        if let Some(last) = locked(&slot.last).as_ref() {
            self.still(slot, last);
        }
    }

    /// Notes by which name the origin has the document in service now: another commit may hold the same files.
    pub(crate) fn renamed(&self, slot: &Slot, last: &Last, delivery: Delivery) {
        let Delivery { revision, authorship, .. } = delivery;
        if matches!(last.outcome, Outcome::Accepted)
            && revision.is_some()
            && locked(&slot.status).origin_revision != revision
        {
            self.update(slot, |status| (status.origin_revision, status.authorship) = (revision, authorship));
        }
    }

    /// Notes that the origin still has its last document, whatever became of that.
    pub(crate) fn still(&self, slot: &Slot, last: &Last) {
        let (was, stale) = {
            let status = locked(&slot.status);
            (status.state, status.stale.is_some())
        };
        let (state, error) = match &last.outcome {
            Outcome::Accepted => (State::Ok, None),
            Outcome::RolledBack => (State::RolledBack, None),
            Outcome::Refused(error) => (State::Refused, Some(error.clone())),
            Outcome::Held(held) => (State::Held, Some(advice(&held.why))),
        };
        let now = self.now();
        let well = matches!(state, State::Ok | State::RolledBack);
        if was == state {
            if well {
                locked(&slot.status).last_success = Some(now);
            }
            return;
        }
        tracing::info!(source = %slot.origin, state = state.as_str(), "source is back with the document it had");
        self.update(slot, |status| {
            status.state = state;
            status.error = error;
            if well {
                status.last_success = Some(now);
            }
        });
        if stale && well {
            self.mark(&locked(&self.folding), slot, false);
        }
    }

    /// Notes that a document waits for confirmation.
    pub(crate) fn held_back(&self, slot: &Slot, why: &str) {
        let error = advice(why);
        tracing::error!(source = %slot.origin, %error, "document held back, the one before it stays in service");
        self.update(slot, |status| {
            status.state = State::Held;
            status.held += 1;
            status.error = Some(error);
        });
    }

    /// Notes what became of a copy that was to be written.
    pub(crate) fn kept(&self, at: usize, accepted_at: SystemTime, written: io::Result<()>) {
        let slot = &self.slots[at];
        let was_failing = locked(&slot.status).copied.as_ref().is_some_and(|copied| copied.error.is_some());
        match &written {
            Err(error) if !was_failing => {
                tracing::error!(source = %slot.origin, %error, "cannot keep a copy on disk; flags are served all the same");
            }
            Ok(()) if was_failing => tracing::info!(source = %slot.origin, "copies on disk are kept again"),
            _ => {}
        }
        self.update(slot, |status| {
            let copied = status.copied.get_or_insert_default();
            copied.failures += u64::from(written.is_err());
            copied.kept += u64::from(written.is_ok());
            match written {
                Ok(()) => (copied.at, copied.error) = (Some(accepted_at), None),
                Err(error) => copied.error = Some(error.to_string()),
            }
        });
    }

    /// Notes that the source stopped following.
    pub(crate) fn unreachable(&self, at: usize, error: &SourceError) {
        let slot = &self.slots[at];
        let state = if error.retry == Retry::Never { State::Stopped } else { State::Unreachable };
        let text = error.to_string();
        let known = {
            let status = locked(&slot.status);
            status.state == state && status.error.as_ref() == Some(&text)
        };
        if known {
            tracing::debug!(source = %slot.origin, error = %text, "source still cannot be read");
            return;
        }
        tracing::error!(source = %slot.origin, error = %text, "source cannot be read, its last flags stay in service");
        self.update(slot, |status| {
            status.state = state;
            status.error = Some(text);
        });
    }

    /// Changes a source's status and tells whoever waits for that.
    pub(crate) fn update(&self, slot: &Slot, change: impl FnOnce(&mut SourceStatus)) {
        {
            let mut status = locked(&slot.status);
            change(&mut status);
            status.troubled = match status.state {
                State::Ok | State::Pending | State::RolledBack => None,
                _ => status.troubled.or_else(|| Some(self.now())),
            };
        }
        self.news.send_modify(|news| *news += 1);
    }

    pub(crate) fn now(&self) -> Seen {
        Seen { at: (self.settings.clock)(), since: Instant::now() }
    }

    /// Logs what is wrong with a document, within bounds.
    pub(crate) fn log_problems(&self, slot: &Slot, problems: &[Problem]) {
        for problem in problems.iter().take(LOGGED) {
            match problem.severity {
                Severity::Error => tracing::error!(source = %slot.origin, "{problem}"),
                Severity::Warning => tracing::warn!(source = %slot.origin, "{problem}"),
            }
        }
        if problems.len() > LOGGED {
            tracing::warn!(source = %slot.origin, "and {} problems more", problems.len() - LOGGED);
        }
    }
}
