//! What an application keeps of a provider after the SDK took it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use open_feature::{EvaluationContext, EvaluationError};
use tokio::time::timeout;

use crate::answer::{Answer, Found, Type};
use crate::emitter::{Emitter, EventStream};
use crate::error;
use crate::evaluate::Evaluate;
use crate::event::{Event, EventKind, State};
use crate::resolver::{Local, Resolver};

/// State, events and stop of a provider, and evaluation without the SDK. Clones are the same handle.
///
/// A handle does not keep a provider alive: when the SDK drops the provider, or [`Handle::shutdown`] is called, its
/// background work stops and evaluations are `PROVIDER_NOT_READY`.
pub struct Handle<R> {
    events: Emitter,
    resolver: Arc<ArcSwapOption<R>>,
}

impl<R: Resolver> Handle<R> {
    pub(crate) fn new(resolver: R) -> Self {
        Self { events: resolver.events().clone(), resolver: Arc::new(ArcSwapOption::from_pointee(resolver)) }
    }

    /// Where the provider stands now.
    pub fn state(&self) -> State {
        self.events.state()
    }

    /// Waits until the provider answers: until it is ready, or stale and so with answers of before.
    ///
    /// # Errors
    /// It was not within `deadline`, the backend refused for good, or the provider was shut down meanwhile.
    pub async fn ready(&self, deadline: Duration) -> Result<(), NotReady> {
        let mut states = self.events.watch();
        let settled = |state: &State| matches!(state, State::Ready | State::Stale | State::Fatal);
        let waited =
            timeout(deadline, states.wait_for(|state| settled(state) || self.events.is_closed())).await;
        let state = match waited {
            Ok(Ok(state)) => *state,
            Ok(Err(_)) | Err(_) => self.state(),
        };
        match state {
            State::Ready | State::Stale => Ok(()),
            State::NotReady | State::Error | State::Fatal => Err(NotReady {
                provider: Arc::clone(self.events.provider()),
                state,
                deadline,
                message: self.events.message(),
            }),
        }
    }

    /// Where the provider's state and events come from.
    pub fn emitter(&self) -> &Emitter {
        &self.events
    }

    /// The provider's name.
    pub fn name(&self) -> &str {
        self.events.provider()
    }

    /// The events from now on, see [`Emitter::subscribe`].
    pub fn events(&self) -> EventStream {
        self.events.subscribe()
    }

    /// Calls `callback` on every event of `kind`, see [`Emitter::on`].
    pub fn on(&self, kind: EventKind, callback: impl Fn(&Event) + Send + Sync + 'static) -> bool {
        self.events.on(kind, callback)
    }

    /// Stops the provider: the resolver is dropped when the evaluations that hold it are done, and with it its background
    /// work.
    pub fn shutdown(&self) {
        self.events.close();
        self.resolver.store(None);
    }

    /// The resolver, as long as the provider is not shut down.
    pub fn resolver(&self) -> Option<Arc<R>> {
        self.resolver.load_full()
    }

    /// Answers for the flag `key` without the SDK and its hooks.
    ///
    /// # Errors
    /// There is no such flag, it cannot be evaluated, or the provider is not ready.
    pub async fn resolve(
        &self,
        key: &str,
        want: Type,
        context: &EvaluationContext,
    ) -> Result<Answer, EvaluationError> {
        self.admit()?;
        match self.resolver.load_full() {
            Some(resolver) => resolver.resolve(key, want, context).await,
            None => Err(shut_down(self.name())),
        }
    }

    pub(crate) fn initialize(&self, context: &EvaluationContext) {
        if let Some(resolver) = self.resolver.load_full() {
            resolver.initialize(context);
        }
    }

    /// Refuses what would have no answer (specification 1.7.6, 1.7.7).
    #[inline]
    fn admit(&self) -> Result<(), EvaluationError> {
        match self.events.state() {
            State::Ready | State::Stale | State::Error => Ok(()),
            State::NotReady | State::Fatal if R::ASKED_UNREADY && !self.events.is_closed() => Ok(()),
            State::NotReady | State::Fatal => Err(self.refusal()),
        }
    }

    #[cold]
    fn refusal(&self) -> EvaluationError {
        let name = self.name();
        if self.events.is_closed() {
            return shut_down(name);
        }
        let said = self.events.message().map(|said| format!(": {said}")).unwrap_or_default();
        match self.events.state() {
            State::Fatal => error::fatal(format!("provider {name} gave up{said}")),
            _ => error::not_ready(format!("provider {name} is not ready yet{said}; await ready() first")),
        }
    }
}

fn shut_down(name: &str) -> EvaluationError {
    error::not_ready(format!("provider {name} is shut down"))
}

impl<R: Local> Handle<R> {
    /// The flags of now, to ask several questions that get answers of one moment. It stays as it is, also after the
    /// provider's shutdown.
    ///
    /// # Errors
    /// The provider is not ready.
    pub fn snapshot(&self) -> Result<Arc<R::View>, EvaluationError> {
        self.admit()?;
        match &*self.resolver.load() {
            Some(resolver) => Ok(resolver.view()),
            None => Err(shut_down(self.name())),
        }
    }
}

impl<R: Local> Evaluate for Handle<R> {
    #[inline]
    fn evaluate<T>(
        &self,
        key: &str,
        want: Type,
        context: &EvaluationContext,
        take: impl FnOnce(Found<'_>) -> T,
    ) -> Result<T, EvaluationError> {
        self.admit()?;
        match &*self.resolver.load() {
            Some(resolver) => resolver.read(|view| view.evaluate(key, want, context, take)),
            None => Err(shut_down(self.name())),
        }
    }
}

impl<R> Clone for Handle<R> {
    fn clone(&self) -> Self {
        Self { events: self.events.clone(), resolver: Arc::clone(&self.resolver) }
    }
}

impl<R> fmt::Debug for Handle<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle").field("events", &self.events).finish_non_exhaustive()
    }
}

/// Why [`Handle::ready`] gave up.
#[derive(Clone, Debug, thiserror::Error)]
#[error(
    "provider {provider} is {state} after {deadline:?}{}",
    message.as_ref().map(|message| format!(": {message}")).unwrap_or_default()
)]
pub struct NotReady {
    /// The provider's name.
    pub provider: Arc<str>,
    /// Where it stands.
    pub state: State,
    /// How long was waited at most.
    pub deadline: Duration,
    /// What the backend said last.
    pub message: Option<Arc<str>>,
}
