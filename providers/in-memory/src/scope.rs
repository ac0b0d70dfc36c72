//! Flags for one task or closure alone.

use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;

use crate::flag::Flag;

tokio::task_local! {
    static LAID: Arc<Layer>;
}

/// What lies over the flags of one store, and what lies over others beneath it.
pub(crate) struct Layer {
    store: usize,
    flags: HashMap<String, Flag>,
    under: Option<Arc<Layer>>,
}

impl Layer {
    fn over(store: usize, flags: HashMap<String, Flag>) -> Arc<Self> {
        Arc::new(Self { store, flags, under: LAID.try_with(Arc::clone).ok() })
    }
}

pub(crate) async fn scope<F: Future>(store: usize, flags: HashMap<String, Flag>, work: F) -> F::Output {
    LAID.scope(Layer::over(store, flags), work).await
}

pub(crate) fn scope_sync<T>(store: usize, flags: HashMap<String, Flag>, work: impl FnOnce() -> T) -> T {
    LAID.sync_scope(Layer::over(store, flags), work)
}

/// Hands the flag `key` that is laid over `store` here, if any, to `look`.
pub(crate) fn with<T>(store: usize, key: &str, look: impl FnOnce(Option<&Flag>) -> T) -> T {
    let laid = LAID.try_with(Arc::clone).ok();
    let mut layer = laid.as_deref();
    while let Some(here) = layer {
        if here.store == store
            && let Some(flag) = here.flags.get(key)
        {
            return look(Some(flag));
        }
        layer = here.under.as_deref();
    }
    look(None)
}
