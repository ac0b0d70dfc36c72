//! Background work that lives as long as its owner.

use std::future::Future;

use tokio::runtime::Handle;
use tokio::task::JoinHandle;

/// A task that is stopped when this is dropped. The resolver owns it, and the task must not own the resolver.
#[derive(Debug)]
pub struct Task(JoinHandle<()>);

/// There is no tokio runtime to run background work on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no tokio runtime here: build the provider inside #[tokio::main], or enter a runtime first")]
pub struct NoRuntime;

impl Task {
    /// Runs `work` on the runtime of the caller.
    ///
    /// # Errors
    /// The caller is on no runtime.
    pub fn spawn(work: impl Future<Output = ()> + Send + 'static) -> Result<Self, NoRuntime> {
        let runtime = Handle::try_current().map_err(|_| NoRuntime)?;
        Ok(Self(runtime.spawn(work)))
    }

    /// Whether the work has come to its end.
    pub fn is_finished(&self) -> bool {
        self.0.is_finished()
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}
