//! Answers of an HTTP/2 connection that need not wait are given by the connection's own task.
//!
//! A task costs more than most answers do: it is made, queued, found again and put away. Each answer is therefore begun
//! where its request was read, and gets a task only if it has to wait: for the rest of a body, for a change, for its turn.
//! What was read at once is still answered at once, in as few writes as before.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use hyper::rt::Executor;

type Answer = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Takes the answers that a connection begins, as many at most as it may have streams.
#[derive(Clone, Default)]
pub(super) struct Begun(Arc<Mutex<Vec<Answer>>>);

impl<F> Executor<F> for Begun
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, answer: F) {
        self.lock().push(Box::pin(answer));
    }
}

impl Begun {
    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Answer>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pin_project_lite::pin_project! {
    /// A connection together with the answers that it begins.
    pub(super) struct Prompt<C> {
        #[pin]
        connection: C,
        begun: Begun,
        // Empty between two polls; kept for its room.
        now: Vec<Answer>,
    }
}

impl<C> Prompt<C> {
    /// Drives `connection`, which has `begun` for its executor.
    pub(super) fn new(connection: C, begun: Begun) -> Self {
        Self { connection, begun, now: Vec::new() }
    }

    /// The connection itself.
    pub(super) fn connection(self: Pin<&mut Self>) -> Pin<&mut C> {
        self.project().connection
    }
}

impl<C: Future> Future for Prompt<C> {
    type Output = C::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<C::Output> {
        let mut this = self.project();
        loop {
            let ended = this.connection.as_mut().poll(cx);
            std::mem::swap(&mut *this.begun.lock(), this.now);
            if this.now.is_empty() {
                return ended;
            }
            for answer in this.now.drain(..) {
                if ended.is_ready() {
                    tokio::spawn(answer);
                } else {
                    begin(answer, cx);
                }
            }
            if ended.is_ready() {
                return ended;
            }
        }
    }
}

/// Polls an answer for the first time. One that waits goes on in a task; one that panics is its own stream's end, as it
/// would be in a task.
fn begin(mut answer: Answer, cx: &mut Context<'_>) {
    match catch_unwind(AssertUnwindSafe(|| answer.as_mut().poll(cx))) {
        Ok(Poll::Pending) => drop(tokio::spawn(answer)),
        Ok(Poll::Ready(())) => {}
        // The panic was reported where it happened.
        Err(_) => drop(catch_unwind(AssertUnwindSafe(|| drop(answer)))),
    }
}
