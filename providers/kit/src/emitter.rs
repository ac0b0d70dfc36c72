//! Where a resolver tells what happens to it, and everybody else hears it.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use futures_core::Stream;
use open_feature::FlagMetadata;
use tokio::sync::{broadcast, watch};
use tokio_stream::wrappers::BroadcastStream;
use tokio_stream::wrappers::errors::BroadcastStreamRecvError;

use crate::event::{Event, EventKind, State};

/// How many events a reader may lie behind before it gets the latest state instead of a backlog.
const BACKLOG: usize = 64;
/// How many callbacks a provider takes.
const CALLBACKS: usize = 1024;

type Callback = Arc<dyn Fn(&Event) + Send + Sync>;

/// State and events of one provider. Clones are the same emitter.
#[derive(Clone)]
pub struct Emitter(Arc<Shared>);

struct Shared {
    provider: Arc<str>,
    /// The state again, for evaluations: reading the channel takes a lock.
    now: AtomicU8,
    closed: AtomicBool,
    state: watch::Sender<State>,
    inner: Mutex<Inner>,
}

struct Inner {
    /// Gone after [`Emitter::close`], which ends every stream.
    sender: Option<broadcast::Sender<Event>>,
    /// The last event that changed the state, for those who come later (specification 5.3.3).
    last: Option<Event>,
    callbacks: Vec<(EventKind, Callback)>,
}

impl Emitter {
    /// Of a provider that is not ready yet.
    pub fn new(provider: impl Into<Arc<str>>) -> Self {
        let inner = Inner { sender: Some(broadcast::channel(BACKLOG).0), last: None, callbacks: Vec::new() };
        let state = State::NotReady;
        Self(Arc::new(Shared {
            provider: provider.into(),
            now: AtomicU8::new(state as u8),
            closed: AtomicBool::new(false),
            state: watch::channel(state).0,
            inner: Mutex::new(inner),
        }))
    }

    /// Of a provider that is ready from the start and stays so.
    pub fn ready(provider: impl Into<Arc<str>>) -> Self {
        let emitter = Self::new(provider);
        emitter.became_ready();
        emitter
    }

    /// The provider's name.
    pub fn provider(&self) -> &Arc<str> {
        &self.0.provider
    }

    /// Where the provider stands now.
    #[inline]
    pub fn state(&self) -> State {
        State::from_u8(self.0.now.load(Ordering::Acquire))
    }

    /// Follows the state alone: the latest one, never a backlog.
    pub fn watch(&self) -> watch::Receiver<State> {
        self.0.state.subscribe()
    }

    /// What the last event of the state said, such as why it is an error.
    pub fn message(&self) -> Option<Arc<str>> {
        self.inner().last.as_ref().and_then(|event| event.message.clone())
    }

    /// Answers are current. Silent when that is no news.
    pub fn became_ready(&self) {
        self.enter(State::Ready, None);
    }

    /// Answers may be out of date. Silent when that is no news.
    pub fn became_stale(&self, message: impl Into<Arc<str>>) {
        self.enter(State::Stale, Some(message.into()));
    }

    /// The backend fails and is tried again. Silent when that is no news, though the message is kept.
    pub fn failed(&self, message: impl Into<Arc<str>>) {
        self.enter(State::Error, Some(message.into()));
    }

    /// The backend refused for good.
    pub fn failed_for_good(&self, message: impl Into<Arc<str>>) {
        self.enter(State::Fatal, Some(message.into()));
    }

    /// Flags changed: those of `keys`, or `None` when it is not known which. An empty list is silence.
    pub fn changed(&self, keys: Option<Vec<String>>) {
        self.changed_with(keys, None);
    }

    /// As [`Emitter::changed`], with what else the backend says, such as a revision.
    pub fn changed_with(&self, keys: Option<Vec<String>>, metadata: Option<FlagMetadata>) {
        if keys.as_ref().is_some_and(Vec::is_empty) {
            return;
        }
        let mut event = Event::of(EventKind::ConfigurationChanged, &self.0.provider, self.state());
        event.flags_changed = keys.map(Into::into);
        event.metadata = metadata.map(Arc::new);
        let callbacks = self.inner().publish(&event);
        run(callbacks, &event);
    }

    /// Not ready any more, and no event after this one: every stream ends.
    pub fn close(&self) {
        let mut inner = self.inner();
        inner.sender = None;
        inner.last = None;
        inner.callbacks.clear();
        self.0.closed.store(true, Ordering::Release);
        self.set(State::NotReady);
    }

    /// Whether [`Emitter::close`] was called.
    pub fn is_closed(&self) -> bool {
        // Without the lock: who waits for a state asks this while the channel is borrowed.
        self.0.closed.load(Ordering::Acquire)
    }

    /// The events from now on, beginning with the current state's own unless the provider is not ready. A reader that
    /// lies too far behind gets the latest state, then one change of unknown keys, in place of what it missed. The stream
    /// ends when the provider is shut down.
    pub fn subscribe(&self) -> EventStream {
        let inner = self.inner();
        let events = inner.sender.as_ref().map(|sender| BroadcastStream::new(sender.subscribe()));
        EventStream {
            provider: Arc::clone(&self.0.provider),
            state: self.0.state.subscribe(),
            pending: [inner.last.clone(), None],
            events,
        }
    }

    /// Calls `callback` on every event of `kind`, and at once if the provider is in that state already (specification
    /// 5.3.3). It runs where the event comes up, so it must not block; one that panics does not keep the others from
    /// running (specification 5.2.5). Returns whether it was taken: a provider holds 1024, and none after its shutdown.
    pub fn on(&self, kind: EventKind, callback: impl Fn(&Event) + Send + Sync + 'static) -> bool {
        let callback: Callback = Arc::new(callback);
        let mut inner = self.inner();
        if inner.sender.is_none() || inner.callbacks.len() >= CALLBACKS {
            return false;
        }
        inner.callbacks.push((kind, Arc::clone(&callback)));
        let current = inner.last.clone().filter(|event| event.kind == kind);
        drop(inner);
        if let Some(event) = current {
            run(vec![callback], &event);
        }
        true
    }

    fn enter(&self, state: State, message: Option<Arc<str>>) {
        let Some(kind) = state.event() else { return };
        let mut event = Event::of(kind, &self.0.provider, state);
        event.message = message;
        let mut inner = self.inner();
        if inner.sender.is_none() {
            return;
        }
        inner.last = Some(event.clone());
        // The state first: whoever hears of the event sees it (specification 5.3.5).
        if self.set(state) == state {
            return;
        }
        let callbacks = inner.publish(&event);
        drop(inner);
        run(callbacks, &event);
    }

    /// Called with the lock held, so that both places change in one order. Returns the state before.
    fn set(&self, state: State) -> State {
        self.0.now.store(state as u8, Ordering::Release);
        self.0.state.send_replace(state)
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// Hands the event to the streams, and returns whom else to call.
    fn publish(&mut self, event: &Event) -> Vec<Callback> {
        let Some(sender) = &self.sender else { return Vec::new() };
        // Without a reader it goes nowhere, which is fine.
        let _ = sender.send(event.clone());
        let interested = self.callbacks.iter().filter(|(kind, _)| *kind == event.kind);
        interested.map(|(_, callback)| Arc::clone(callback)).collect()
    }
}

fn run(callbacks: Vec<Callback>, event: &Event) {
    for callback in callbacks {
        if catch_unwind(AssertUnwindSafe(|| callback(event))).is_err() {
            tracing::error!(
                provider = &*event.provider,
                event = event.kind.as_str(),
                "an event callback panicked"
            );
        }
    }
}

impl fmt::Debug for Emitter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Emitter").field("provider", &self.0.provider).field("state", &self.state()).finish()
    }
}

/// The events of a provider, as a stream or by [`EventStream::next`].
#[derive(Debug)]
pub struct EventStream {
    provider: Arc<str>,
    state: watch::Receiver<State>,
    pending: [Option<Event>; 2],
    events: Option<BroadcastStream<Event>>,
}

impl EventStream {
    /// The next event; `None` when the provider is shut down.
    pub async fn next(&mut self) -> Option<Event> {
        std::future::poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }

    /// What stands for events that were missed.
    fn latest(&self) -> [Option<Event>; 2] {
        let state = *self.state.borrow();
        let standing = state.event().map(|kind| Event::of(kind, &self.provider, state));
        [standing, Some(Event::of(EventKind::ConfigurationChanged, &self.provider, state))]
    }
}

impl Stream for EventStream {
    type Item = Event;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Event>> {
        loop {
            if let Some(event) = self.pending.iter_mut().find_map(Option::take) {
                return Poll::Ready(Some(event));
            }
            let Some(events) = &mut self.events else { return Poll::Ready(None) };
            match Pin::new(events).poll_next(cx) {
                Poll::Ready(Some(Ok(event))) => return Poll::Ready(Some(event)),
                Poll::Ready(Some(Err(BroadcastStreamRecvError::Lagged(_)))) => self.pending = self.latest(),
                Poll::Ready(None) => return Poll::Ready(None),
                Poll::Pending => return Poll::Pending,
            }
        }
    }
}
