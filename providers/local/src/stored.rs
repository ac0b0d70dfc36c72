//! A store's flags as a provider's: what evaluations look at, the state, the events.

use std::sync::Arc;

use arc_swap::ArcSwap;
use engine::{Selector, Snapshot};
use kit::{Emitter, Evaluate, Found, NoRuntime, Task, Type, error};
use open_feature::{EvaluationContext, EvaluationError};
use store::{Followed, Served, Settings, SourceStatus, StaleAnswers, State, Store, diff};

use crate::{FlagsView, clock};

/// All flags of a store at one moment.
#[derive(Clone, Debug)]
pub struct StoredFlags {
    view: FlagsView,
    /// Whether there ever was a document: before, no flag is known, which is not the same as there being none.
    loaded: bool,
}

impl StoredFlags {
    /// The flags as the engine has them.
    pub fn snapshot(&self) -> &Arc<Snapshot> {
        self.view.snapshot()
    }
}

impl Evaluate for StoredFlags {
    #[inline]
    fn evaluate<T>(
        &self,
        key: &str,
        want: Type,
        context: &EvaluationContext,
        take: impl FnOnce(Found<'_>) -> T,
    ) -> Result<T, EvaluationError> {
        if !self.loaded {
            return Err(error::not_ready("no flags have come yet"));
        }
        self.view.evaluate(key, want, context, take)
    }
}

/// Follows sources and shows their flags for as long as it lives. A vendor's in-process resolver is little more than this.
#[derive(Debug)]
pub struct Stored {
    shown: Arc<ArcSwap<StoredFlags>>,
    emitter: Emitter,
    /// Ends with the resolver.
    _task: Task,
}

impl Stored {
    /// How a provider takes documents in: nothing is held back, and that flags may be out of date is told by its state.
    pub fn settings() -> Settings {
        Settings { stale_answers: StaleAnswers::Plain, shrink_hold: None, ..Settings::new(clock::wall) }
    }

    /// Starts to follow `sources` for the provider `name`. Returns at once.
    ///
    /// # Errors
    /// The caller is on no runtime.
    pub fn open(name: &'static str, settings: Settings, sources: Vec<Followed>) -> Result<Self, NoRuntime> {
        let empty = StoredFlags { view: FlagsView::new(Arc::default()), loaded: false };
        let shown = Arc::new(ArcSwap::from_pointee(empty));
        let emitter = Emitter::new(name);
        let (flags, told) = (Arc::clone(&shown), emitter.clone());
        let task = Task::spawn(async move {
            let store = Store::open(settings, sources);
            watch(&store, &flags, &told).await;
        })?;
        Ok(Self { shown, emitter, _task: task })
    }

    /// The flags of now, to keep.
    pub fn view(&self) -> Arc<StoredFlags> {
        self.shown.load_full()
    }

    /// Lends the flags of now.
    #[inline]
    pub fn read<T>(&self, look: impl FnOnce(&StoredFlags) -> T) -> T {
        look(&self.shown.load())
    }

    /// Where state and changes are told.
    pub fn events(&self) -> &Emitter {
        &self.emitter
    }
}

async fn watch(store: &Store, shown: &ArcSwap<StoredFlags>, emitter: &Emitter) {
    let (mut generations, mut news) = (store.subscribe(), store.subscribe_status());
    loop {
        generations.mark_unchanged();
        news.mark_unchanged();
        show(store, shown, emitter);
        tell(&store.sources(), emitter);
        // The senders live in the store.
        tokio::select! {
            _ = generations.changed() => {}
            _ = news.changed() => {}
        }
    }
}

fn show(store: &Store, shown: &ArcSwap<StoredFlags>, emitter: &Emitter) {
    let before = shown.load_full();
    let (snapshot, loaded) = (Arc::clone(&store.read()), store.loaded());
    let same = Arc::ptr_eq(before.snapshot(), &snapshot);
    if same && before.loaded == loaded {
        return;
    }
    shown.store(Arc::new(StoredFlags { view: FlagsView::new(Arc::clone(&snapshot)), loaded }));
    // Of the first flags the provider's readiness tells.
    if before.loaded && !same {
        let changes = diff(before.snapshot(), &snapshot, &Selector::Any);
        emitter.changed(Some(changes.into_iter().map(|(key, _)| key.into()).collect()));
    }
}

/// Says how the worst of the sources stands.
fn tell(sources: &[SourceStatus], emitter: &Emitter) {
    let why = |status: &SourceStatus| {
        status.error.clone().unwrap_or_else(|| format!("{} cannot be read", status.origin))
    };
    if let Some(missing) = sources.iter().find(|status| !status.ready) {
        match missing.state {
            State::Pending | State::Ok | State::RolledBack => {}
            State::Stopped => emitter.failed_for_good(why(missing)),
            State::Refused | State::Held | State::Unreachable => emitter.failed(why(missing)),
        }
        return;
    }
    let stale = sources.iter().find(|status| status.stale.is_some() || status.served == Served::Copy);
    match stale {
        Some(status) => emitter.became_stale(why(status)),
        None => emitter.became_ready(),
    }
}
