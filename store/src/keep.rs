//! Keeping copies: a thread of its own writes them, so that no disk can hold up a request or a source.
//!
//! Of each source the latest document waits, never more. What cannot be written is tried again until it can, or until a
//! later document takes its place.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;
use std::{io, thread};

use crate::intake::{Shared, locked};
use crate::last_good::{Copy, Shelf};

/// How long a disk that failed is left alone.
const REST: Duration = Duration::from_secs(5);

/// The copies of a store: a shelf per source, and what waits to be put there.
#[derive(Debug)]
pub(crate) struct Keeper {
    shelves: Vec<Shelf>,
    waiting: Mutex<Waiting>,
    changed: Condvar,
}

#[derive(Debug)]
struct Waiting {
    copies: Vec<Option<Copy>>,
    /// Whether one is being written.
    busy: bool,
    closed: bool,
}

impl Waiting {
    fn is_over(&self) -> bool {
        !self.busy && self.copies.iter().all(Option::is_none)
    }
}

impl Keeper {
    pub(crate) fn new(shelves: Vec<Shelf>) -> Self {
        let copies = shelves.iter().map(|_| None).collect();
        let waiting = Waiting { copies, busy: false, closed: false };
        Self { shelves, waiting: Mutex::new(waiting), changed: Condvar::new() }
    }

    /// The copies of the source at `slot`.
    pub(crate) fn shelf(&self, slot: usize) -> &Shelf {
        &self.shelves[slot]
    }

    /// Has `copy` written, soon.
    pub(crate) fn keep(&self, slot: usize, copy: Copy) {
        locked(&self.waiting).copies[slot] = Some(copy);
        self.changed.notify_all();
    }

    /// Ends the thread once nothing waits, or when the disk fails.
    pub(crate) fn close(&self) {
        locked(&self.waiting).closed = true;
        self.changed.notify_all();
    }

    /// Waits until nothing waits to be written any more, but no longer than `patience`.
    pub(crate) fn settle(&self, patience: Duration) {
        // Whether it was in time makes no difference to whoever is leaving.
        let _ =
            self.changed.wait_timeout_while(locked(&self.waiting), patience, |waiting| !waiting.is_over());
    }

    /// The next copy to write; `None` at the end.
    fn next(&self) -> Option<(usize, Copy)> {
        let mut waiting = locked(&self.waiting);
        waiting.busy = false;
        loop {
            let copies = waiting.copies.iter_mut().enumerate();
            if let Some(next) = copies.filter_map(|(slot, copy)| Some((slot, copy.take()?))).next() {
                waiting.busy = true;
                return Some(next);
            }
            self.changed.notify_all();
            if waiting.closed {
                return None;
            }
            waiting = self.changed.wait(waiting).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Lets the disk rest, then has `copy` written again unless a later one waits; `false` at the end.
    fn again(&self, slot: usize, copy: Copy) -> bool {
        let mut waiting = locked(&self.waiting);
        waiting.copies[slot].get_or_insert(copy);
        let rested = self.changed.wait_timeout_while(waiting, REST, |waiting| !waiting.closed);
        !rested.unwrap_or_else(PoisonError::into_inner).0.closed
    }
}

/// Starts the thread that writes the copies of `shared`. Without it nothing is kept, which its status then says.
pub(crate) fn start(shared: &Arc<Shared>) {
    let Some(keeper) = shared.keeper.clone() else { return };
    let told = Arc::clone(shared);
    let work = move || {
        while let Some((slot, copy)) = keeper.next() {
            let written = keeper.shelf(slot).put(&copy);
            let failed = written.is_err();
            told.kept(slot, copy.at, written);
            if failed && !keeper.again(slot, copy) {
                return;
            }
        }
    };
    if let Err(error) = thread::Builder::new().name("hoist-copies".to_owned()).spawn(work) {
        for slot in 0..shared.slots.len() {
            shared.kept(slot, shared.now().at, Err(io::Error::new(error.kind(), error.to_string())));
        }
    }
}
