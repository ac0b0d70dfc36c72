//! Answers of an HTTP/2 connection that need not wait are given by the connection's own task.
//!
//! A task costs more than most answers do: it is made, queued, found again and put away. Each answer is therefore begun
//! where its request was read, and gets a task only if it has to wait: for the rest of a body, for a change, for its turn.
//! What was read at once is still answered at once, in as few writes as before.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use http::Version;
use hyper::rt::Executor;

use super::outlet::Outlet;

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
    fn lock(&self) -> MutexGuard<'_, Vec<Answer>> {
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
        outlet: Option<Outlet>,
    }
}

impl<C> Prompt<C> {
    /// Drives `connection`, which has `begun` for its executor and sends through `outlet`.
    pub(super) fn new(connection: C, begun: Begun, outlet: Option<Outlet>) -> Self {
        if let Some(outlet) = &outlet {
            outlet.gather();
        }
        Self { connection, begun, now: Vec::new(), outlet }
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
        let ended = loop {
            let ended = this.connection.as_mut().poll(cx);
            std::mem::swap(&mut *this.begun.lock(), this.now);
            if this.now.is_empty() {
                break ended;
            }
            for answer in this.now.drain(..) {
                if ended.is_ready() {
                    tokio::spawn(answer);
                } else {
                    begin(answer, cx);
                }
            }
            if ended.is_ready() {
                break ended;
            }
        };
        if let Some(outlet) = this.outlet {
            outlet.release();
        }
        ended
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

/// Leaves the task of an HTTP/2 connection, for what takes long enough to hold up its other answers.
pub(crate) async fn aside(version: Version) {
    if version == Version::HTTP_2 {
        tokio::task::yield_now().await;
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
    use tokio::task::{Id, id};

    use super::*;

    /// In which task what was done.
    type Done = UnboundedSender<(&'static str, Id)>;

    /// A connection that begins three answers, tells in which task it is, and goes on until `end`.
    fn connection(done: Done, begun: Begun, mut end: UnboundedReceiver<()>) -> impl Future<Output = ()> {
        let mut first = true;
        poll_fn(move |cx| {
            if std::mem::take(&mut first) {
                let _ = done.send(("connection", id()));
                let prompt = done.clone();
                begun.execute(async move {
                    let _ = prompt.send(("prompt", id()));
                });
                begun.execute(async { std::panic::resume_unwind(Box::new("an answer's panic")) });
                let slow = done.clone();
                begun.execute(async move {
                    aside(Version::HTTP_11).await;
                    aside(Version::HTTP_2).await;
                    let _ = slow.send(("slow", id()));
                });
            }
            let ended = end.poll_recv(cx).map(drop);
            if ended.is_ready() {
                let last = done.clone();
                begun.execute(async move {
                    let _ = last.send(("last", id()));
                });
            }
            ended
        })
    }

    #[tokio::test]
    async fn an_answer_gets_a_task_only_if_it_waits_and_none_is_lost() {
        let (done, mut seen) = unbounded_channel();
        let (end, ends) = unbounded_channel();
        let begun = Begun::default();
        let task = tokio::spawn(Prompt::new(connection(done, begun.clone(), ends), begun, None));
        let mut next = async || seen.recv().await.expect("an answer");
        let (name, connection) = next().await;
        assert_eq!(name, "connection");
        assert_eq!(next().await, ("prompt", connection));
        let (name, task_of_slow) = next().await;
        assert_eq!(name, "slow");
        assert_ne!(task_of_slow, connection);
        end.send(()).expect("the connection goes on");
        let (name, task_of_last) = next().await;
        assert_eq!(name, "last");
        assert_ne!(task_of_last, connection);
        task.await.expect("no panic reaches the connection");
    }
}
