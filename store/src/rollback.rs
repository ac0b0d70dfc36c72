//! Going back: an operator has an earlier document served than the origin's latest.
//!
//! What is served is one of the copies on disk. It stays until the origin has a document that it has not shown yet, or
//! until the operator takes it back; a restart in between changes nothing.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::intake::{Outcome, Shared, Slot, hex, locked};
use crate::last_good::{Copy, Shelf};
use crate::overrides::{Denied, Done};
use crate::stamp::{rfc3339, unix};
use crate::status::{RolledBack, Served, State};

/// That a source is rolled back, as it is kept on disk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Pin {
    /// The number of the copy that is served.
    pub(crate) number: u64,
    /// SHA-256 of the document that was gone back behind, in hexadecimal.
    pub(crate) from: Box<str>,
    /// Who said so.
    pub(crate) author: Box<str>,
    /// When, in Unix seconds.
    pub(crate) at: u64,
    /// When the copy's document was accepted, in Unix seconds.
    pub(crate) accepted: u64,
}

impl Pin {
    pub(crate) fn status(&self) -> RolledBack {
        RolledBack { author: self.author.clone(), at: self.at, accepted: self.accepted }
    }
}

impl Shared {
    /// Serves the document that was accepted `back` documents before the one in service.
    pub(crate) fn roll_back(&self, at: usize, back: usize, author: &str) -> Result<Done<u64>, Denied> {
        let slot = &self.slots[at];
        let shelf = self.shelf(at)?;
        let mut last = locked(&slot.last);
        let (number, copy, from) = self.earlier(slot, shelf, back)?;
        let accepted = self.compile(&copy, slot, None).map_err(|refusal| {
            let day = rfc3339(unix(copy.at));
            Denied(format!("the document of {day} cannot be served any more: {}", refusal.error))
        })?;
        let pin =
            Pin { number, from, author: author.into(), at: unix(self.now().at), accepted: unix(copy.at) };
        tracing::warn!(
            source = %slot.origin, author, back, accepted = rfc3339(pin.accepted),
            "ROLLED BACK: an earlier document is served until the origin has a new one"
        );
        let forgetful = shelf.pin(Some(&pin)).err().map(|error| error.to_string());
        let status = pin.status();
        *locked(&slot.pin) = Some(pin);
        if let Some(latest) = last.as_mut().filter(|latest| matches!(latest.outcome, Outcome::Accepted)) {
            latest.outcome = Outcome::RolledBack;
        }
        let stale = locked(&slot.status).stale.is_some();
        self.serve(slot, accepted, &copy, stale, |now| {
            now.served = Served::Copy;
            now.rolled_back = Some(status);
            if now.state == State::Ok {
                now.state = State::RolledBack;
            }
        });
        Ok(Done { what: unix(copy.at), forgetful })
    }

    /// Serves the newest accepted document again; `None` if the source is not rolled back.
    pub(crate) fn roll_forward(&self, at: usize) -> Result<Option<u64>, Denied> {
        let slot = &self.slots[at];
        let shelf = self.shelf(at)?;
        let mut last = locked(&slot.last);
        if locked(&slot.pin).is_none() {
            return Ok(None);
        }
        let (_, copy) =
            shelf.whole().next().ok_or_else(|| Denied("no document is kept on disk".to_owned()))?;
        let accepted = self.compile(&copy, slot, None).map_err(|refusal| Denied(refusal.error))?;
        tracing::warn!(source = %slot.origin, "rollback released: the newest accepted document is served again");
        self.unpin(at);
        let shown = last.as_mut().filter(|latest| matches!(latest.outcome, Outcome::RolledBack));
        let by_origin = shown.map(|latest| latest.outcome = Outcome::Accepted).is_some();
        let stale = locked(&slot.status).stale.is_some();
        self.serve(slot, accepted, &copy, stale, |now| {
            if by_origin {
                now.served = Served::Origin;
            }
            if now.state == State::RolledBack {
                now.state = State::Ok;
            }
        });
        Ok(Some(unix(copy.at)))
    }

    /// Whether an operator went back behind the document with this digest.
    pub(crate) fn withdrawn(&self, slot: &Slot, digest: &[u8; 32]) -> bool {
        locked(&slot.pin).as_ref().is_some_and(|pin| pin.from == hex(digest))
    }

    /// Forgets that a source is rolled back.
    pub(crate) fn unpin(&self, at: usize) {
        let slot = &self.slots[at];
        if locked(&slot.pin).take().is_none() {
            return;
        }
        if let Some(Err(error)) = self.shelf(at).ok().map(|shelf| shelf.pin(None)) {
            tracing::error!(source = %slot.origin, %error, "cannot note on disk that a rollback is over");
        }
        locked(&slot.status).rolled_back = None;
    }

    fn shelf(&self, at: usize) -> Result<&Shelf, Denied> {
        let keeper = self.keeper.as_ref();
        keeper
            .map(|keeper| keeper.shelf(at))
            .ok_or_else(|| Denied("earlier documents are kept only with --state-dir".to_owned()))
    }

    /// The copy that `back` others follow up to the one in service, and the digest of the newest accepted document.
    fn earlier(&self, slot: &Slot, shelf: &Shelf, back: usize) -> Result<(u64, Copy, Box<str>), Denied> {
        let pin = locked(&slot.pin).clone();
        let revision = locked(&slot.status).revision.clone();
        let Some(revision) = revision else { return Err(Denied("nothing is served of it yet".to_owned())) };
        let mut kept: Vec<(u64, Copy)> = shelf.whole().collect();
        let from = match &pin {
            Some(pin) => {
                kept.retain(|(number, _)| *number < pin.number);
                pin.from.clone()
            }
            None => {
                // The one in service may not have got to the disk yet.
                let current = kept.iter().position(|(_, copy)| hex(&Sha256::digest(&copy.bytes)) == revision);
                if let Some(current) = current {
                    kept.drain(..=current);
                }
                revision
            }
        };
        let there = kept.len();
        let found = back.checked_sub(1).and_then(|at| kept.into_iter().nth(at));
        let (number, copy) = found.ok_or_else(|| {
            Denied(format!("cannot go back by {back}: {there} earlier documents are kept (--generations)"))
        })?;
        Ok((number, copy, from))
    }
}
