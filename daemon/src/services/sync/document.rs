//! The document that clients get: written once per selector and generation, shared by all who ask.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use bytes::Bytes;
use engine::{Flag, Selector, Snapshot};
use proto::Struct;
use sha2::{Digest, Sha256};
use store::Store;
use tonic::Status;

use super::convert::Shape;
use crate::config::Translations;

/// How many selectors' documents of the newest generation are remembered.
const REMEMBERED: usize = 256;

/// Some flags as a flag document (contract 5.2).
#[derive(Debug)]
pub(super) struct Document {
    /// The JSON text.
    text: Bytes,
    /// SHA-256 of the text: equal documents are not sent twice.
    pub(super) digest: [u8; 32],
    /// The text in the messages that were asked for, by shape.
    frames: [OnceLock<Bytes>; Shape::COUNT],
}

/// Every selector's document.
#[derive(Debug)]
pub(super) struct Documents {
    store: Arc<Store>,
    translations: Translations,
    newest: Mutex<Newest>,
}

#[derive(Debug, Default)]
struct Newest {
    generation: u64,
    by_selector: HashMap<Arc<str>, Arc<Document>>,
}

impl Documents {
    pub(super) fn new(store: Arc<Store>, translations: Translations) -> Self {
        Self { store, translations, newest: Mutex::default() }
    }

    /// The document of `selector` as of now.
    ///
    /// # Errors
    /// INVALID_ARGUMENT if it is no selector.
    pub(super) fn now(&self, selector: &Arc<str>) -> Result<Arc<Document>, Status> {
        let parsed =
            Selector::parse(selector).map_err(|error| Status::invalid_argument(error.to_string()))?;
        // Written while the lock is held, so that of many who wait for the same text only one writes it.
        let mut newest = self.newest.lock().unwrap_or_else(PoisonError::into_inner);
        let snapshot = self.store.read();
        if newest.generation != snapshot.generation() {
            newest.generation = snapshot.generation();
            newest.by_selector.clear();
        }
        if let Some(known) = newest.by_selector.get(selector) {
            return Ok(Arc::clone(known));
        }
        let document = Arc::new(Document::write(&snapshot, &parsed, self.translations));
        if newest.by_selector.len() < REMEMBERED {
            newest.by_selector.insert(Arc::clone(selector), Arc::clone(&document));
        }
        Ok(document)
    }
}

impl Document {
    fn write(snapshot: &Snapshot, selector: &Selector<'_>, translations: Translations) -> Self {
        // A flag without variants can only mean the code's default, and makes strict clients refuse the whole document.
        let served = snapshot.select(selector).filter(|flag| match flag.translation() {
            None => !flag.variants().is_empty(),
            Some(translation) => {
                !translation.variants.is_empty() && translations.allow(&translation.fidelity)
            }
        });
        let mut flags: Vec<&Flag> = served.map(Arc::as_ref).collect();
        flags.sort_unstable_by_key(|flag| flag.key());
        let room: usize = flags.iter().map(|flag| flag.key().len() + flag.definition().len() + 8).sum();
        let mut text = String::with_capacity(room + 16);
        text.push_str("{\"flags\":{");
        for (at, flag) in flags.iter().enumerate() {
            if at > 0 {
                text.push(',');
            }
            engine::write_json(&flag.key().into(), &mut text);
            text.push(':');
            text.push_str(flag.definition());
        }
        text.push_str("}}");
        Self { digest: Sha256::digest(&text).into(), text: text.into(), frames: Default::default() }
    }

    /// The document in a message, encoded when somebody asks first. `context` is the same for all who ask.
    pub(super) fn frame(&self, shape: Shape, context: &Struct) -> Bytes {
        self.frames[shape as usize].get_or_init(|| shape.frame(self.text.clone(), context)).clone()
    }
}
