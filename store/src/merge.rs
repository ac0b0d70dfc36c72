//! Layers by priority: which flags are seen, and which are shadowed.

use std::sync::Arc;

use engine::{Flag, Problem, Severity, Snapshot};

use crate::origin::redacted;
use crate::status::Notices;

/// For each source, in the order of `names`, the flags that a source of higher priority defines too.
///
/// The losing layer is kept, so that its flags come back when the winner's go; until then this is the notice.
pub(crate) fn shadowed<'n>(
    snapshot: &Snapshot,
    names: impl Iterator<Item = &'n str> + Clone,
) -> Vec<Notices> {
    let mut notices = vec![Notices::default(); names.clone().count()];
    if notices.len() < 2 {
        return notices;
    }
    // Flags with one identity stand side by side in a snapshot, the strongest first.
    for twins in snapshot.flags().chunk_by(|a, b| a.key() == b.key() && a.flag_set() == b.flag_set()) {
        let winner = &twins[0];
        for loser in twins[1..].iter().filter(|flag| flag.source() != winner.source()) {
            if let Some(at) = names.clone().position(|name| name == loser.source()) {
                notices[at].push(|| notice(loser, winner));
            }
        }
    }
    notices
}

fn notice(loser: &Arc<Flag>, winner: &Arc<Flag>) -> Problem {
    Problem {
        severity: Severity::Warning,
        flag: Some(loser.key().into()),
        path: format!("/flags/{}", loser.key().replace('~', "~0").replace('/', "~1")).into(),
        message: format!(
            "also defined by source `{}`, which comes later and wins",
            redacted(winner.source())
        ),
        hint: None,
        place: None,
        file: None,
    }
}
