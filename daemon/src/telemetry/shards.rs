//! A value kept in several copies, so that threads that count do not wait for one another.

use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// More than most machines have worker threads; a thread keeps its copy for life.
const COPIES: usize = 16;

/// Copies of a `T`, each on cache lines of its own. A thread uses its own copy, a reader visits all of them.
#[derive(Debug, Default)]
pub(super) struct Shards<T> {
    copies: [Copy<T>; COPIES],
}

#[derive(Debug, Default)]
#[repr(align(128))]
struct Copy<T>(T);

impl<T> Shards<T> {
    /// This thread's copy, its own unless threads outnumber the copies.
    pub(super) fn mine(&self) -> &T {
        &self.copies[place()].0
    }

    /// Shows every copy to `look`, one after the other.
    pub(super) fn each(&self, mut look: impl FnMut(&T)) {
        for copy in &self.copies {
            look(&copy.0);
        }
    }
}

fn place() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local!(static PLACE: Cell<Option<usize>> = const { Cell::new(None) });
    PLACE.with(|place| {
        place.get().unwrap_or_else(|| {
            let mine = NEXT.fetch_add(1, Ordering::Relaxed) % COPIES;
            place.set(Some(mine));
            mine
        })
    })
}

/// Counters stay true even when a thread panicked between two of them, so a poisoned lock is used as it is.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_thread_is_counted() {
        let shards = Shards::<AtomicUsize>::default();
        std::thread::scope(|scope| {
            for _ in 0..40 {
                scope.spawn(|| {
                    (0..100).for_each(|_| {
                        shards.mine().fetch_add(1, Ordering::Relaxed);
                    })
                });
            }
        });
        let mut total = 0;
        shards.each(|count| total += count.load(Ordering::Relaxed));
        assert_eq!(total, 4000);
    }
}
