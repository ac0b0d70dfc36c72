//! A namespace's snapshot, as the server gives it.

use engine::{Compiled, Harvest, Malformed};
use store::{Reader, Reading};

use super::{malformed, within};
use crate::mapping::Mapping;
use crate::model::Snapshot;
use crate::{features, native, rules};

/// Makes flags of a snapshot.
#[derive(Debug)]
pub struct Snapshots(Mapping);

/// Places that are looked for: each is a walk through the text.
const MOST_PLACES: usize = 100;

impl Snapshots {
    /// A reader that serves flags as `mapping` says.
    pub fn new(mapping: Mapping) -> Self {
        Self(mapping)
    }
}

impl Reader for Snapshots {
    fn read(&self, document: &Reading<'_>) -> Result<Compiled, Malformed> {
        let snapshot = parse(document.text)?;
        let mut harvest = Harvest::new(document.previous);
        let key = Some(snapshot.namespace.key.clone()).filter(|key| !key.is_empty());
        let namespace = key.unwrap_or_else(|| features::DEFAULT_NAMESPACE.to_owned());
        let mapping = within(&self.0, document);
        native::flags(&mut harvest, &namespace, rules::read(snapshot), document.source, &mapping);
        let mut compiled = harvest.finish();
        for problem in compiled.problems.iter_mut().take(MOST_PLACES) {
            problem.place = engine::locate(document.text, &problem.path);
        }
        Ok(compiled)
    }

    fn check(&self, text: &str) -> Result<(), Malformed> {
        parse(text).map(drop)
    }
}

fn parse(text: &str) -> Result<Snapshot, Malformed> {
    serde_json::from_str(text).map_err(|error| malformed("a snapshot of Flipt", &error))
}
