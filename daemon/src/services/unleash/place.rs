//! One source's place: who may come in, what is handed out, and what is passed on.

use std::sync::Arc;
use std::time::Duration;

use percent_encoding::percent_decode_str;
use store::{Origin, OriginError, Store};
use tokio::sync::{Mutex, watch};
use unleash::door::{Desk, Door, Gate};

use crate::ask;

/// How long passing on may take when the daemon goes down.
const FAREWELL: Duration = Duration::from_secs(2);

/// One source's place.
#[derive(Debug)]
pub(super) struct Place {
    source: Box<str>,
    pub(super) gate: Gate,
    pub(super) desk: Desk,
    /// The door of a generation; whoever comes while the next one is put together waits for it.
    door: Mutex<(u64, Arc<Door>)>,
}

impl Place {
    pub(super) fn open(origin: &Origin) -> Result<Self, OriginError> {
        Ok(Self {
            source: (**origin.name()).into(),
            gate: Gate::of(origin)?,
            desk: Desk::default(),
            door: Mutex::default(),
        })
    }

    /// The documents as of now; `None` before there are any.
    pub(super) async fn door(&self, store: &Arc<Store>) -> Option<Arc<Door>> {
        let ready = |source: &store::SourceStatus| source.ready && *source.name == *self.source;
        let mut door = self.door.lock().await;
        let generation = store.read().generation();
        if door.0 != generation || generation == 0 {
            if !store.sources().iter().any(ready) {
                return None;
            }
            let (store, sources) = (Arc::clone(store), [self.source.clone()]);
            let built = tokio::task::spawn_blocking(move || {
                let snapshot = Arc::clone(&store.read());
                (snapshot.generation(), Arc::new(Door::of(&snapshot, &sources)))
            });
            *door = built.await.ok()?;
        }
        Some(Arc::clone(&door.1))
    }

    /// Passes on what SDKs report, for as long as the daemon runs and once at its end.
    pub(super) async fn report(self: Arc<Self>, mut closing: watch::Receiver<bool>) {
        loop {
            let over = tokio::select! {
                // Whoever could close it having gone means the same.
                _ = closing.wait_for(|closing| *closing) => true,
                () = tokio::time::sleep(Desk::INTERVAL) => false,
            };
            let now = unleash::stamp(ask::clock());
            let passing = self.desk.pass_on(self.gate.api(), &now);
            match tokio::time::timeout(if over { FAREWELL } else { Desk::INTERVAL }, passing).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::warn!(%error, "unleash: reports of SDKs not passed on; kept"),
                Err(_) => tracing::warn!("unleash: reports of SDKs not passed on in time"),
            }
            if over {
                return;
            }
        }
    }
}

/// The value of a parameter of a query.
pub(super) fn parameter(query: &str, name: &str) -> String {
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    let value = pairs.filter(|(known, _)| *known == name).map(|(_, value)| value.replace('+', " ")).next();
    percent_decode_str(&value.unwrap_or_default()).decode_utf8_lossy().into_owned()
}
