//! From layers to the snapshot that everybody reads: folded, compared, swapped.

use std::sync::{Arc, MutexGuard};

use engine::{Flag, Layer, Notes, Snapshot};
use serde_json::Value;

use crate::change;
use crate::intake::{Shared, Slot, locked};
use crate::status::SourceStatus;
use crate::store::StaleAnswers;

/// The metadata of answers that may be out of date.
const STALE: &str = "stale";

impl Shared {
    /// Puts a source's new layer in place; gives the generation, and how many flags differ from before. The status says
    /// what is served only once it is.
    pub(crate) fn publish(
        &self,
        slot: &Slot,
        layer: Layer,
        stale: bool,
        note: impl FnOnce(&mut SourceStatus),
    ) -> (u64, usize) {
        let folding = locked(&self.folding);
        let flags = layer.flags().len();
        slot.layer.store(Arc::new(layer));
        self.show(slot, stale);
        let (generation, changed) = self.fold(&folding);
        self.update(slot, |status| {
            note(status);
            status.flags = flags;
            status.generation = generation;
            status.ready = true;
            status.stale = stale.then(|| self.now());
        });
        (generation, changed)
    }

    /// Has a source's flags shown as stale, or no longer so.
    pub(crate) fn mark(&self, folding: &MutexGuard<'_, ()>, slot: &Slot, stale: bool) {
        self.show(slot, stale);
        self.fold(folding);
        self.update(slot, |status| status.stale = stale.then(|| self.now()));
    }

    /// Decides how the flags of a source's layer are answered; for whoever holds `folding`.
    pub(crate) fn show(&self, slot: &Slot, stale: bool) {
        let layer = slot.layer.load_full();
        let overrides = self.overrides.load();
        let stale = stale && self.settings.stale_answers != StaleAnswers::Plain;
        if !stale && overrides.is_empty() {
            slot.shown.store(layer);
            return;
        }
        let reason = Some(engine::Reason::Stale)
            .filter(|_| stale && self.settings.stale_answers == StaleAnswers::Reason);
        let shown = |flag: &Arc<Flag>| {
            let over = overrides.iter().find_map(|one| Some((one, one.variant_of(flag)?)));
            let mut metadata: Vec<_> = over.iter().flat_map(|(one, _)| one.metadata()).collect();
            if stale {
                metadata.push((STALE, Value::Bool(true)));
            }
            // What an override says is as fresh as can be.
            let reason = reason.filter(|_| over.is_none());
            let variant = over.map(|(_, at)| at);
            match metadata.is_empty() {
                true => Arc::clone(flag),
                false => Arc::new(flag.noted(&Notes { metadata: &metadata, reason, variant })),
            }
        };
        slot.shown.store(Arc::new(layer.flags().iter().map(shown).collect()));
    }

    /// Folds the layers as they are shown into a snapshot, and swaps it in if anybody could tell.
    pub(crate) fn fold(&self, _folding: &MutexGuard<'_, ()>) -> (u64, usize) {
        let layers: Vec<_> = self.slots.iter().map(|slot| slot.shown.load_full()).collect();
        let current = self.snapshot.load_full();
        let next = Snapshot::fold(layers.iter().map(|layer| &**layer), current.generation() + 1);
        let changed = change::count(&current, &next);
        if changed == 0 {
            return (current.generation(), 0);
        }
        let generation = next.generation();
        self.report_shadowed(&next);
        self.snapshot.store(Arc::new(next));
        self.generation.send_replace(generation);
        (generation, changed)
    }
}
