//! Asking all at once.

use futures_util::future::join_all;
use kit::{Answer, Type};
use open_feature::{EvaluationContext, EvaluationError};

use crate::member::Member;
use crate::report::{Difference, Report};

/// The first's outcome, after all were asked and compared with it (OpenFeature specification, appendix A, comparison).
pub(crate) async fn compare(
    members: &[Member],
    report: &Report,
    key: &str,
    want: Type,
    context: &EvaluationContext,
) -> Result<Answer, EvaluationError> {
    let mut outcomes =
        join_all(members.iter().map(|member| member.ask(key, want, context))).await.into_iter();
    let Some(first) = outcomes.next() else { return Err(kit::error::not_found(key)) };
    for (member, other) in members[1..].iter().zip(outcomes) {
        report.add(&Difference { key, want, context, first: &first, name: member.name(), other: &other });
    }
    first
}
