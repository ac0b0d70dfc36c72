//! The state of several from the states of each.

use std::sync::Arc;

use futures_util::future::join_all;
use kit::{Emitter, EventKind, EventStream, State};

use crate::member::Member;

/// Which states count, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum View {
    /// The worst of all (OpenFeature specification, appendix A, multi-provider status).
    Worst,
    /// Ready as long as the first is, stale while another stands in for it.
    StandIn,
    /// The first's alone.
    First,
}

/// A member's name with its emitter, which keeps no provider alive.
pub(crate) type Followed = (Arc<str>, Emitter);

pub(crate) fn followed(members: &[Member]) -> Vec<Followed> {
    members.iter().map(|member| (Arc::clone(member.name()), member.provider().emitter().clone())).collect()
}

/// Follows the members until they are all shut down, and tells `events` what it amounts to.
pub(crate) async fn follow(members: Vec<(Followed, EventStream)>, view: View, events: Emitter) {
    let all: Arc<[Followed]> = members.iter().map(|(followed, _)| followed.clone()).collect();
    settle(&all, view, &events);
    let each = members.into_iter().enumerate().map(|(position, (_, mut stream))| {
        let (all, events) = (Arc::clone(&all), events.clone());
        async move {
            while let Some(event) = stream.next().await {
                if event.kind != EventKind::ConfigurationChanged {
                    settle(&all, view, &events);
                } else if view != View::First || position == 0 {
                    let keys = event.flags_changed.as_deref().map(<[String]>::to_vec);
                    events.changed_with(keys, event.metadata.as_deref().cloned());
                }
            }
        }
    });
    join_all(each).await;
}

/// Tells the state that the members' states amount to.
pub(crate) fn settle(all: &[Followed], view: View, events: &Emitter) {
    let (state, said) = match view {
        View::First => {
            all.first().map_or((State::NotReady, String::new()), |first| (first.1.state(), say(first)))
        }
        View::Worst => worst(all),
        View::StandIn => stand_in(all),
    };
    match state {
        State::NotReady => {}
        State::Ready => events.became_ready(),
        State::Stale => events.became_stale(said),
        State::Error => events.failed(said),
        State::Fatal => events.failed_for_good(said),
    }
}

fn worst(all: &[Followed]) -> (State, String) {
    let rank = |state: State| match state {
        State::Ready => 0,
        State::Stale => 1,
        State::Error => 2,
        State::NotReady => 3,
        State::Fatal => 4,
    };
    let worst = all.iter().max_by_key(|member| rank(member.1.state()));
    worst.map_or((State::NotReady, String::new()), |member| (member.1.state(), say(member)))
}

fn stand_in(all: &[Followed]) -> (State, String) {
    let answering = all.iter().position(|member| matches!(member.1.state(), State::Ready | State::Stale));
    match (answering, all.first()) {
        (Some(0), Some(first)) => (first.1.state(), say(first)),
        (Some(position), Some(first)) => {
            (State::Stale, format!("{} stands in, {}", all[position].0, say(first)))
        }
        _ => worst(all),
    }
}

fn say((name, events): &Followed) -> String {
    match events.message() {
        Some(message) => format!("{name} is {}: {message}", events.state()),
        None => format!("{name} is {}", events.state()),
    }
}
