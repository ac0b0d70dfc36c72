//! Answers of an HTTP/2 connection that need not wait are given by the connection's own task.
//!
//! A task costs more than most answers do: it is made, queued, found again and put away. Each answer is therefore begun
//! where its request was read, and gets a task only if it has to wait: for the rest of a body, for a change, for its turn.
//! What was read at once is still answered at once, in as few writes as before.
//!
//! Where answers turn out to take long, as those of very large rules do, the next ones get tasks, so that other threads can
//! take their share.
//!
//! An answer that is given wakes the connection, which is about to be driven on anyway: a [`Bell`] between the two keeps that
//! from costing another turn of the task.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use futures_util::task::AtomicWaker;
use http::Version;
use hyper::rt::Executor;

use super::outlet::Outlet;

/// Answers that take longer than this, on average of those begun together and twice in a row, hold up the others of their
/// connection. Once may be the system's doing, which had something else to run.
const LONG: Duration = Duration::from_millis(2);
/// How many answers get tasks after such ones.
const APART: usize = 256;

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
        // Whether those begun last took long.
        long: bool,
        // How many of the next answers get tasks at once.
        apart: usize,
        outlet: Option<Outlet>,
        bell: Arc<Bell>,
        ringer: Waker,
    }
}

impl<C> Prompt<C> {
    /// Drives `connection`, which has `begun` for its executor and sends through `outlet`.
    pub(super) fn new(connection: C, begun: Begun, outlet: Option<Outlet>) -> Self {
        if let Some(outlet) = &outlet {
            outlet.gather();
        }
        let bell = Arc::new(Bell::default());
        Self {
            connection,
            begun,
            now: Vec::new(),
            long: false,
            apart: 0,
            outlet,
            ringer: Waker::from(Arc::clone(&bell)),
            bell,
        }
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
        this.bell.task.register(cx.waker());
        let mut ringing = Context::from_waker(this.ringer);
        let ended = loop {
            this.bell.hush();
            let ended = this.connection.as_mut().poll(&mut ringing);
            std::mem::swap(&mut *this.begun.lock(), this.now);
            if this.now.is_empty() {
                break ended;
            }
            let (since, mut many) = (Instant::now(), 0);
            for answer in this.now.drain(..) {
                if ended.is_ready() || *this.apart > 0 {
                    *this.apart = this.apart.saturating_sub(1);
                    tokio::spawn(answer);
                } else {
                    begin(answer, &mut ringing);
                    many += 1;
                }
            }
            if many > 0 {
                let before = std::mem::replace(this.long, since.elapsed() > LONG * many);
                if before && *this.long {
                    *this.apart = APART;
                }
            }
            if ended.is_ready() {
                break ended;
            }
        };
        if let Some(outlet) = this.outlet {
            outlet.release();
        }
        this.bell.listen();
        ended
    }
}

/// Wakes the connection's task, unless that is at work and will look again by itself.
#[derive(Default)]
struct Bell {
    state: AtomicU8,
    task: AtomicWaker,
}

/// Whoever rings wakes the task.
const HEARD: u8 = 0;
/// The task is at work.
const HUSHED: u8 = 1;
/// Somebody rang since the connection was last driven.
const RUNG: u8 = 2;

impl Bell {
    /// Says that the connection is driven now; who rang before is served by that.
    fn hush(&self) {
        self.state.swap(HUSHED, Ordering::SeqCst);
    }

    /// Says that the task rests. Who rang since the connection was last driven is heard now.
    fn listen(&self) {
        if self.state.swap(HEARD, Ordering::SeqCst) == RUNG {
            self.task.wake();
        }
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let rung = self.state.compare_exchange(HUSHED, RUNG, Ordering::SeqCst, Ordering::SeqCst);
        if rung == Err(HEARD) {
            self.task.wake();
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
    async fn answers_that_take_long_twice_send_the_next_ones_away() {
        let (done, mut seen) = unbounded_channel();
        let begun = Begun::default();
        let executor = begun.clone();
        let mut turn = 0;
        let connection = poll_fn(move |cx| {
            turn += 1;
            let name = if turn <= 2 { "here" } else { "apart" };
            if turn <= 4 {
                let done = done.clone();
                executor.execute(async move {
                    let _ = done.send((name, id()));
                    if turn <= 2 {
                        std::thread::sleep(2 * LONG);
                    }
                });
            }
            cx.waker().wake_by_ref();
            if turn < 6 { Poll::Pending } else { Poll::Ready(()) }
        });
        let task = tokio::spawn(Prompt::new(connection, begun, None));
        let own = task.id();
        task.await.expect("no panic");
        for _ in 0..4 {
            let (name, task) = seen.recv().await.expect("an answer");
            assert_eq!(name == "here", task == own, "{name}");
        }
    }

    /// A task that counts how often it is woken.
    #[derive(Default)]
    struct Task(AtomicU8);

    impl Wake for Task {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    #[test]
    fn who_rings_while_the_task_works_is_heard_when_it_rests_or_served_before() {
        let (task, bell) = (Arc::new(Task::default()), Arc::new(Bell::default()));
        let waker = Waker::from(Arc::clone(&task));
        let woken = || task.0.swap(0, Ordering::SeqCst);
        let ringer = Waker::from(Arc::clone(&bell));
        bell.task.register(&waker);
        ringer.wake_by_ref();
        ringer.wake_by_ref();
        assert_eq!(woken(), 1, "at rest the first one wakes, until the task has been at work");
        bell.task.register(&waker);
        bell.hush();
        ringer.wake_by_ref();
        bell.hush();
        assert_eq!(woken(), 0, "served, since the connection is driven after it");
        bell.listen();
        assert_eq!(woken(), 0);
        bell.hush();
        ringer.wake_by_ref();
        assert_eq!(woken(), 0);
        bell.listen();
        assert_eq!(woken(), 1, "nobody has looked since");
        bell.task.register(&waker);
        ringer.wake_by_ref();
        assert_eq!(woken(), 1);
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
