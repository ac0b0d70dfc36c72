//! Several providers behind one resolver.

use std::sync::Arc;

use kit::{Answer, Emitter, NoRuntime, Provider, Resolver, Task, Type};
use open_feature::{EvaluationContext, EvaluationError};

use crate::follow::{self, View};
use crate::member::Member;
use crate::report::Report;
use crate::shadow::{Shadow, ShadowOptions};
use crate::{compare, search};

/// The resolver of several providers. Dropping it drops them all.
#[derive(Debug)]
pub struct Multi {
    members: Arc<[Member]>,
    strategy: Strategy,
    events: Emitter,
    report: Report,
    _follow: Task,
}

#[derive(Debug)]
enum Strategy {
    FirstMatch,
    FirstSuccess,
    Compare,
    Shadow(Shadow),
}

/// Why there is no provider of several.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MultiError {
    /// There is nothing to ask.
    #[error("no providers were given: name at least one")]
    Empty,
    /// Two have one name, so reports could not tell them apart.
    #[error("two providers are named {0:?}: give each a name of its own")]
    SameName(String),
    /// There is nobody to follow the members.
    #[error(transparent)]
    NoRuntime(#[from] NoRuntime),
}

impl Multi {
    /// Answers with the first that has the flag. One that is not ready is passed over; an error other than
    /// `FLAG_NOT_FOUND` ends the search.
    ///
    /// # Errors
    /// See [`MultiError`].
    pub fn first_match(members: impl IntoIterator<Item = Member>) -> Result<Provider<Self>, MultiError> {
        Self::build(members, View::Worst, |_, _| Ok(Strategy::FirstMatch))
    }

    /// Answers with the first that has an answer, whatever kept the others from it. It is ready while the first is, and
    /// stale while another stands in.
    ///
    /// # Errors
    /// See [`MultiError`].
    pub fn fallback(members: impl IntoIterator<Item = Member>) -> Result<Provider<Self>, MultiError> {
        Self::build(members, View::StandIn, |_, _| Ok(Strategy::FirstSuccess))
    }

    /// Asks all at once, answers with the first's answer, and counts and tells disagreements in the
    /// [report](Multi::report). As slow as the slowest.
    ///
    /// # Errors
    /// See [`MultiError`].
    pub fn compare(members: impl IntoIterator<Item = Member>) -> Result<Provider<Self>, MultiError> {
        Self::build(members, View::Worst, |_, _| Ok(Strategy::Compare))
    }

    /// Answers with the first, and compares the others with it afterwards, in the background. The first never waits for
    /// them: what does not fit into the backlog is skipped.
    ///
    /// # Errors
    /// See [`MultiError`].
    pub fn shadow(
        members: impl IntoIterator<Item = Member>,
        options: ShadowOptions,
    ) -> Result<Provider<Self>, MultiError> {
        Self::build(members, View::First, |members, report| {
            Ok(Strategy::Shadow(Shadow::start(Arc::clone(members), report.clone(), options)?))
        })
    }

    /// What [`Multi::compare`] and [`Multi::shadow`] found. Stays good after the provider's shutdown.
    pub fn report(&self) -> &Report {
        &self.report
    }

    /// The providers it is made of.
    pub fn members(&self) -> &[Member] {
        &self.members
    }

    fn build(
        members: impl IntoIterator<Item = Member>,
        view: View,
        strategy: impl FnOnce(&Arc<[Member]>, &Report) -> Result<Strategy, NoRuntime>,
    ) -> Result<Provider<Self>, MultiError> {
        let members: Arc<[Member]> = members.into_iter().collect();
        if members.is_empty() {
            return Err(MultiError::Empty);
        }
        for (position, member) in members.iter().enumerate() {
            if members[..position].iter().any(|other| other.name() == member.name()) {
                return Err(MultiError::SameName(member.name().to_string()));
            }
        }
        let (events, report) = (Emitter::new(Self::NAME), Report::default());
        let strategy = strategy(&members, &report)?;
        let followed = follow::followed(&members);
        // What is true already is told before the first question.
        follow::settle(&followed, view, &events);
        let streams = followed.into_iter().map(|member| {
            let stream = member.1.subscribe();
            (member, stream)
        });
        let follow = Task::spawn(follow::follow(streams.collect(), view, events.clone()))?;
        Ok(Provider::new(Self { members, strategy, events, report, _follow: follow }))
    }
}

impl Resolver for Multi {
    const NAME: &'static str = "multi";
    const ASKED_UNREADY: bool = true;

    async fn resolve(
        &self,
        key: &str,
        want: Type,
        context: &EvaluationContext,
    ) -> Result<Answer, EvaluationError> {
        match &self.strategy {
            Strategy::FirstMatch => search::first_match(&self.members, key, want, context).await,
            Strategy::FirstSuccess => search::first_success(&self.members, key, want, context).await,
            Strategy::Compare => compare::compare(&self.members, &self.report, key, want, context).await,
            Strategy::Shadow(shadow) => {
                let first = self.members[0].ask(key, want, context).await;
                shadow.leave(key, want, context, &first);
                first
            }
        }
    }

    fn events(&self) -> &Emitter {
        &self.events
    }

    fn initialize(&self, context: &EvaluationContext) {
        for member in &*self.members {
            if let Some(resolver) = member.provider().resolver() {
                resolver.initialize(context);
            }
        }
    }
}
