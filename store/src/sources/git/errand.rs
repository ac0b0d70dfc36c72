//! One look at a repository, which blocks a thread: how long it may take, and how it is called off.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::sync::watch;

/// Bounds of one look.
#[derive(Clone, Debug)]
pub(super) struct Errand {
    runtime: Handle,
    called_off: Arc<AtomicBool>,
    news: watch::Receiver<bool>,
    deadline: Instant,
    time: Duration,
}

/// Calls the errand off when dropped.
#[derive(Debug)]
pub(super) struct Leash {
    called_off: Arc<AtomicBool>,
    news: watch::Sender<bool>,
}

impl Errand {
    /// An errand of at most `time`, for as long as nobody drops the leash. Must be called in a Tokio runtime.
    pub(super) fn new(time: Duration) -> (Self, Leash) {
        let called_off = Arc::new(AtomicBool::new(false));
        let (sender, news) = watch::channel(false);
        let leash = Leash { called_off: Arc::clone(&called_off), news: sender };
        (Self { runtime: Handle::current(), called_off, news, deadline: Instant::now() + time, time }, leash)
    }

    /// True once there is no point in going on.
    pub(super) fn called_off(&self) -> &AtomicBool {
        &self.called_off
    }

    /// Waits for `work` on a thread that may block.
    ///
    /// # Errors
    /// The time is over, or the errand is called off.
    pub(super) fn wait<T>(&self, work: impl Future<Output = T>) -> io::Result<T> {
        self.runtime.block_on(async {
            tokio::select! {
                biased;
                () = self.over() => Err(self.why()),
                done = work => Ok(done),
            }
        })
    }

    /// Runs `stop` on the runtime when the errand is over, unless `done` ends first.
    pub(super) fn on_end(
        &self,
        done: impl Future<Output = ()> + Send + 'static,
        stop: impl FnOnce() + Send + 'static,
    ) {
        let errand = self.clone();
        self.runtime.spawn(async move {
            tokio::select! {
                () = errand.over() => stop(),
                () = done => {}
            }
        });
    }

    /// Why it is over.
    pub(super) fn why(&self) -> io::Error {
        if self.called_off.load(Ordering::Relaxed) && Instant::now() < self.deadline {
            return io::Error::new(io::ErrorKind::Interrupted, "called off");
        }
        io::Error::new(io::ErrorKind::TimedOut, format!("no answer within {:?} (timeoutS)", self.time))
    }

    /// Whether the time is over or the errand called off.
    pub(super) fn is_over(&self) -> bool {
        self.called_off.load(Ordering::Relaxed) || Instant::now() >= self.deadline
    }

    async fn over(&self) {
        let mut news = self.news.clone();
        tokio::select! {
            // A leash that is gone means the same.
            _ = news.wait_for(|called_off| *called_off) => {}
            () = tokio::time::sleep_until(self.deadline.into()) => {}
        }
    }
}

impl Drop for Leash {
    fn drop(&mut self) {
        self.called_off.store(true, Ordering::Relaxed);
        self.news.send_replace(true);
    }
}
