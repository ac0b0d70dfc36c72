//! The store of flags and its resolver.

use std::collections::HashMap;
use std::future::Future;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use kit::{Emitter, Evaluate, Found, Local, Provider, Type, error};
use open_feature::{EvaluationContext, EvaluationError};

use crate::flag::Flag;
use crate::record::{Recorded, Recorder};
use crate::scope;

/// The name of the provider.
const NAME: &str = "in-memory";

/// Flags that a test holds and changes. Clones are the same store.
#[derive(Clone, Debug)]
pub struct InMemory(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    view: ArcSwap<MemoryView>,
    /// Held while flags are exchanged, so that no change is lost.
    writing: Mutex<()>,
    /// One of each provider that was made of the store.
    emitters: Mutex<Vec<Emitter>>,
}

/// All flags at one moment.
#[derive(Clone, Debug)]
pub struct MemoryView {
    /// Which store this is, for [`InMemory::scope`].
    store: usize,
    flags: HashMap<String, Flag>,
    recorder: Option<Arc<Recorder>>,
}

impl Default for InMemory {
    fn default() -> Self {
        Self::new()
    }
}

impl InMemory {
    /// No flags yet.
    pub fn new() -> Self {
        static STORES: AtomicUsize = AtomicUsize::new(0);
        let store = STORES.fetch_add(1, Ordering::Relaxed);
        let view = MemoryView { store, flags: HashMap::new(), recorder: None };
        Self(Arc::new(Shared {
            view: ArcSwap::from_pointee(view),
            writing: Mutex::default(),
            emitters: Mutex::default(),
        }))
    }

    /// With one more flag.
    #[must_use]
    pub fn with(self, key: impl Into<String>, flag: impl Into<Flag>) -> Self {
        self.set(key, flag);
        self
    }

    /// Keeps what is asked from now on, up to 10,000 evaluations; see [`InMemory::evaluations`].
    #[must_use]
    pub fn recording(self) -> Self {
        self.change(|view| view.recorder = Some(Arc::default()), Vec::new());
        self
    }

    /// A provider of these flags. There can be several.
    pub fn provider(&self) -> Provider<Memory> {
        let events = Emitter::ready(NAME);
        let mut emitters = self.0.emitters.lock().unwrap_or_else(PoisonError::into_inner);
        emitters.retain(|emitter| !emitter.is_closed());
        emitters.push(events.clone());
        Provider::new(Memory { store: self.clone(), events })
    }

    /// Sets a flag for everybody, and tells so.
    pub fn set(&self, key: impl Into<String>, flag: impl Into<Flag>) {
        let (key, flag) = (key.into(), flag.into());
        self.change(|view| drop(view.flags.insert(key.clone(), flag)), vec![key.clone()]);
    }

    /// Removes a flag, and tells so. Returns whether there was one.
    pub fn remove(&self, key: &str) -> bool {
        if !self.0.view.load().flags.contains_key(key) {
            return false;
        }
        self.change(|view| drop(view.flags.remove(key)), vec![key.to_owned()]);
        true
    }

    /// Replaces all flags, and tells the keys of old and new ones.
    pub fn replace<K: Into<String>, F: Into<Flag>>(&self, flags: impl IntoIterator<Item = (K, F)>) {
        let flags = keyed(flags);
        let mut keys: Vec<String> = self.0.view.load().flags.keys().cloned().collect();
        keys.extend(flags.keys().filter(|key| !self.0.view.load().flags.contains_key(*key)).cloned());
        self.change(|view| view.flags = flags, keys);
    }

    /// Runs `work` with other flags, which it alone sees: not what runs beside it, and not what it spawns. Scopes nest.
    pub async fn scope<K: Into<String>, F: Into<Flag>, W: Future>(
        &self,
        flags: impl IntoIterator<Item = (K, F)>,
        work: W,
    ) -> W::Output {
        scope::scope(self.0.view.load().store, keyed(flags), work).await
    }

    /// As [`InMemory::scope`], without `await`.
    pub fn scope_sync<K: Into<String>, F: Into<Flag>, T>(
        &self,
        flags: impl IntoIterator<Item = (K, F)>,
        work: impl FnOnce() -> T,
    ) -> T {
        scope::scope_sync(self.0.view.load().store, keyed(flags), work)
    }

    /// Takes what was asked since the last call, oldest first. Empty unless [`InMemory::recording`].
    pub fn evaluations(&self) -> Vec<Recorded> {
        self.0.view.load().recorder.as_ref().map(|recorder| recorder.take()).unwrap_or_default()
    }

    /// Exchanges the flags, then tells of `keys` without a lock held.
    fn change(&self, edit: impl FnOnce(&mut MemoryView), keys: Vec<String>) {
        let writing = self.0.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut view = MemoryView::clone(&self.0.view.load());
        edit(&mut view);
        self.0.view.store(Arc::new(view));
        drop(writing);
        let emitters = self.0.emitters.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for emitter in emitters {
            emitter.changed(Some(keys.clone()));
        }
    }
}

fn keyed<K: Into<String>, F: Into<Flag>>(flags: impl IntoIterator<Item = (K, F)>) -> HashMap<String, Flag> {
    flags.into_iter().map(|(key, flag)| (key.into(), flag.into())).collect()
}

/// The resolver of an [`InMemory`].
#[derive(Debug)]
pub struct Memory {
    store: InMemory,
    events: Emitter,
}

impl Local for Memory {
    const NAME: &'static str = NAME;
    type View = MemoryView;

    fn view(&self) -> Arc<MemoryView> {
        self.store.0.view.load_full()
    }

    fn read<T>(&self, look: impl FnOnce(&MemoryView) -> T) -> T {
        look(&self.store.0.view.load())
    }

    fn events(&self) -> &Emitter {
        &self.events
    }
}

impl Evaluate for MemoryView {
    fn evaluate<T>(
        &self,
        key: &str,
        want: Type,
        context: &EvaluationContext,
        take: impl FnOnce(Found<'_>) -> T,
    ) -> Result<T, EvaluationError> {
        scope::with(self.store, key, |laid| {
            let found = match laid.or_else(|| self.flags.get(key)) {
                Some(flag) => flag.evaluate(key, context),
                None => Err(error::not_found(key)),
            };
            if let Some(recorder) = &self.recorder {
                let outcome = match &found {
                    Ok(found) => found.to_answer(),
                    Err(error) => Err(error.clone()),
                };
                recorder.add(Recorded { key: key.to_owned(), want, context: context.clone(), outcome });
            }
            found.map(take)
        })
    }
}
