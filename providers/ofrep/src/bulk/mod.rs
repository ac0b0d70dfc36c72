//! All flags of one context, kept in memory and followed.

mod follow;
mod snapshot;
mod sse;
mod stream;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arc_swap::ArcSwapOption;
use kit::{Answer, Emitter, State, Task, Type};
use open_feature::{EvaluationContext, EvaluationError, EvaluationReason};
use tokio::sync::watch;

use self::follow::Follow;
use self::snapshot::Snapshot;
use crate::answer::answer;
use crate::client::Client;
use crate::options::{Bulk, OptionsError, OtherContexts};

/// What is kept, and the task that keeps it current.
pub(crate) struct Kept {
    snapshot: Arc<ArcSwapOption<Snapshot>>,
    context: watch::Sender<EvaluationContext>,
    events: Emitter,
    other_contexts: OtherContexts,
    /// Whether it was said that other contexts are asked for.
    asked_others: AtomicBool,
    /// Stops when it is dropped.
    _task: Task,
}

impl Kept {
    pub(crate) fn start(client: Arc<Client>, events: Emitter, options: Bulk) -> Result<Self, OptionsError> {
        let snapshot = Arc::new(ArcSwapOption::empty());
        let (context, follows) = watch::channel(EvaluationContext::default());
        let other_contexts = options.other_contexts;
        let follow = Follow::new(client, Arc::clone(&snapshot), events.clone(), options, follows);
        let task = Task::spawn(follow.run())?;
        Ok(Self {
            snapshot,
            context,
            events,
            other_contexts,
            asked_others: AtomicBool::new(false),
            _task: task,
        })
    }

    pub(crate) fn set_context(&self, context: EvaluationContext) {
        self.context.send_if_modified(|known| {
            let differs = *known != context;
            *known = context;
            differs
        });
    }

    /// The answer that is kept; `None` if the server must be asked.
    pub(crate) fn answer(
        &self,
        key: &str,
        want: Type,
        context: &EvaluationContext,
    ) -> Option<Result<Answer, EvaluationError>> {
        let snapshot = self.snapshot.load();
        let snapshot = snapshot.as_ref()?;
        if self.other_contexts == OtherContexts::Ask && !snapshot.covers(context) {
            if !self.asked_others.swap(true, Ordering::Relaxed) {
                tracing::info!(
                    provider = "ofrep",
                    "an evaluation's context says more than the static one: such evaluations are asked for one by one"
                );
            }
            return None;
        }
        let Some(evaluation) = snapshot.flags.get(key) else { return Some(Err(kit::error::not_found(key))) };
        Some(answer(evaluation, key, want).map(|answer| self.aged(answer)))
    }

    /// An answer of before, said to be one (specification, types, resolution reason `STALE`).
    fn aged(&self, mut answer: Answer) -> Answer {
        let stale = matches!(self.events.state(), State::Stale | State::Error);
        if stale && answer.value.is_some() {
            answer.reason = EvaluationReason::Other("STALE".to_owned());
        }
        answer
    }
}
