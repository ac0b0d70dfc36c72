//! Asking behind the first's back.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use kit::{Answer, NoRuntime, Task, Type, error};
use open_feature::{EvaluationContext, EvaluationError};
use tokio::sync::{Semaphore, mpsc};
use tokio::time::timeout;

use crate::member::Member;
use crate::report::{Difference, Report};

/// How much a shadow may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShadowOptions {
    /// One evaluation in so many is compared.
    pub one_in: NonZeroU32,
    /// How many evaluations may wait to be compared; beyond that they are skipped, and counted as such.
    pub backlog: usize,
    /// How many comparisons run at once.
    pub at_once: usize,
    /// How long a shadow may take over an answer.
    pub timeout: Duration,
}

impl Default for ShadowOptions {
    /// Every evaluation, 1024 waiting, 16 at once, five seconds.
    fn default() -> Self {
        Self { one_in: NonZeroU32::MIN, backlog: 1024, at_once: 16, timeout: Duration::from_secs(5) }
    }
}

/// What is to be compared.
struct Question {
    key: String,
    want: Type,
    context: EvaluationContext,
    first: Result<Answer, EvaluationError>,
}

/// The shadows, and the queue to them.
#[derive(Debug)]
pub(crate) struct Shadow {
    questions: mpsc::Sender<Question>,
    one_in: NonZeroU32,
    count: AtomicU32,
    report: Report,
    _work: Task,
}

impl Shadow {
    pub(crate) fn start(
        members: Arc<[Member]>,
        report: Report,
        options: ShadowOptions,
    ) -> Result<Self, NoRuntime> {
        let (questions, queue) = mpsc::channel(options.backlog.max(1));
        let work = Task::spawn(answer_all(queue, members, report.clone(), options))?;
        Ok(Self { questions, one_in: options.one_in, count: AtomicU32::new(0), report, _work: work })
    }

    /// Leaves a copy of the question for the shadows, and never waits for them.
    pub(crate) fn leave(
        &self,
        key: &str,
        want: Type,
        context: &EvaluationContext,
        first: &Result<Answer, EvaluationError>,
    ) {
        if !self.count.fetch_add(1, Ordering::Relaxed).is_multiple_of(self.one_in.get()) {
            return;
        }
        // The place first, so that a full queue costs no copies.
        match self.questions.try_reserve() {
            Ok(place) => place.send(Question {
                key: key.to_owned(),
                want,
                context: context.clone(),
                first: first.clone(),
            }),
            Err(_) => self.report.skip(),
        }
    }
}

/// Works off the queue until its sender is gone. Comparisons in flight hold the members, so they are few and short.
async fn answer_all(
    mut queue: mpsc::Receiver<Question>,
    members: Arc<[Member]>,
    report: Report,
    options: ShadowOptions,
) {
    let places = Arc::new(Semaphore::new(options.at_once.max(1)));
    let mut running = tokio::task::JoinSet::new();
    while let Some(question) = queue.recv().await {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        while running.try_join_next().is_some() {}
        let (members, report) = (Arc::clone(&members), report.clone());
        running.spawn(async move {
            compare(&members, &report, &question, options.timeout).await;
            drop(place);
        });
    }
}

async fn compare(members: &[Member], report: &Report, question: &Question, patience: Duration) {
    let Question { key, want, context, first } = question;
    for member in &members[1..] {
        let asked = timeout(patience, member.ask(key, *want, context)).await;
        let other = asked.unwrap_or_else(|_| Err(error::general(format!("no answer in {patience:?}"))));
        report.add(&Difference { key, want: *want, context, first, name: member.name(), other: &other });
    }
}
