//! What was asked.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use kit::{Answer, Type};
use open_feature::{EvaluationContext, EvaluationError};

/// How many evaluations are kept; then the oldest go.
const KEPT: usize = 10_000;

/// One evaluation, as the provider saw it.
#[derive(Clone, Debug, PartialEq)]
pub struct Recorded {
    /// The flag's key.
    pub key: String,
    /// The type it was asked for.
    pub want: Type,
    /// The context, merged of all levels.
    pub context: EvaluationContext,
    /// What came of it.
    pub outcome: Result<Answer, EvaluationError>,
}

#[derive(Debug, Default)]
pub(crate) struct Recorder(Mutex<VecDeque<Recorded>>);

impl Recorder {
    pub(crate) fn add(&self, recorded: Recorded) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() == KEPT {
            kept.pop_front();
        }
        kept.push_back(recorded);
    }

    pub(crate) fn take(&self) -> Vec<Recorded> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).drain(..).collect()
    }
}
