//! Scratch space of a thread, reused from evaluation to evaluation.

use std::cell::RefCell;

use engine::Bump;

/// An arena that grew beyond this many bytes is given back instead of being reused.
const KEPT: usize = 64 << 10;

thread_local! {
    static ARENA: RefCell<Bump> = RefCell::default();
}

/// Lends the thread's arena, emptied afterwards. Whoever asks again meanwhile gets one of its own.
pub(crate) fn with<T>(work: impl FnOnce(&Bump) -> T) -> T {
    ARENA.with(|cell| match cell.try_borrow_mut() {
        Ok(mut arena) => {
            let result = work(&arena);
            if arena.allocated_bytes() > KEPT {
                *arena = Bump::new();
            } else {
                arena.reset();
            }
            result
        }
        Err(_) => work(&Bump::new()),
    })
}
