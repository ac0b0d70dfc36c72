//! The flags of one moment, and whose turn it is to show the next ones.

use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use engine::{Selector, Snapshot};
use kit::{Emitter, Evaluate, Found, Type, error};
use local::FlagsView;
use open_feature::{EvaluationContext, EvaluationError};
use serde_json::{Map, Value};
use store::{Store, diff};

use crate::options::OptionsError;

/// All flags at one moment, with the server's context over every evaluation's own (contract 3.12, 5.3).
#[derive(Clone, Debug)]
pub struct Flags {
    view: FlagsView,
    /// Whether there ever was a document: before, no flag is known, which is not the same as there being none.
    loaded: bool,
}

impl Flags {
    /// The flags as the engine has them.
    pub fn snapshot(&self) -> &Arc<Snapshot> {
        self.view.snapshot()
    }
}

impl Evaluate for Flags {
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

/// What evaluations look at now.
#[derive(Debug)]
pub(super) struct Views {
    shown: ArcSwap<Flags>,
    /// Which flags are shown, as it was configured.
    selector: String,
    emitter: Emitter,
    /// What is laid over; held while a view is made, so that they follow one another.
    over: Mutex<Arc<Map<String, Value>>>,
}

impl Views {
    pub(super) fn new(selector: &str, emitter: &Emitter) -> Result<Arc<Self>, OptionsError> {
        Selector::parse(selector).map_err(|error| OptionsError::new("selector", error.to_string()))?;
        let view = FlagsView::new(Arc::default());
        Ok(Arc::new(Self {
            shown: ArcSwap::from_pointee(Flags { view, loaded: false }),
            selector: selector.to_owned(),
            emitter: emitter.clone(),
            over: Mutex::default(),
        }))
    }

    pub(super) fn current(&self) -> Arc<Flags> {
        self.shown.load_full()
    }

    #[inline]
    pub(super) fn read<T>(&self, look: impl FnOnce(&Flags) -> T) -> T {
        look(&self.shown.load())
    }

    /// Shows what the store has, under what is laid over from now on, if that is given; tells what changed.
    pub(super) fn refresh(&self, store: &Store, over: Option<Map<String, Value>>) {
        let mut standing = self.over.lock().unwrap_or_else(PoisonError::into_inner);
        let before = self.current();
        let (snapshot, loaded) = (Arc::clone(&store.read()), store.loaded());
        let news = over.filter(|over| *over != **standing).map(Arc::new);
        let same_flags = Arc::ptr_eq(before.snapshot(), &snapshot);
        if news.is_none() && same_flags && before.loaded == loaded {
            return;
        }
        if let Some(over) = &news {
            *standing = Arc::clone(over);
        }
        // It was read once before.
        let selector = Selector::parse(&self.selector).unwrap_or_default();
        let view =
            FlagsView::new(Arc::clone(&snapshot)).selecting(&selector).laid_over(Arc::clone(&standing));
        self.shown.store(Arc::new(Flags { view, loaded }));
        // Of the first flags the provider's readiness tells.
        if before.loaded && !same_flags {
            let changes = diff(before.snapshot(), &snapshot, &selector);
            self.emitter.changed(Some(changes.into_iter().map(|(key, _)| key.into()).collect()));
        }
    }
}
