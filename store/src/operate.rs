//! What an operator may do to a running store. All of it blocks while flags are folded or the disk is asked.

use std::time::Duration;

use crate::overrides::{Denied, Done, Override, Wanted};
use crate::store::Store;

/// What came of going back or forth, by the names of sources as people may see them. The moment, in Unix seconds, is when
/// the document that is now in service was accepted.
pub type Moved = Vec<(String, Result<Done<u64>, Denied>)>;

impl Store {
    /// Takes documents that are held back into service at once: that of the source with this name, or all. Gives the names
    /// of the sources, as people may see them.
    pub fn confirm(&self, source: Option<&str>) -> Vec<String> {
        self.meant(source)
            .filter(|(at, _)| self.shared.release(*at, Duration::ZERO))
            .map(|(_, name)| name)
            .collect()
    }

    /// Whether there is a source that people may mean by `name`.
    pub fn is_called(&self, name: &str) -> bool {
        self.meant(Some(name)).next().is_some()
    }

    /// The sources' names, as people may see them.
    pub fn source_names(&self) -> Vec<String> {
        self.meant(None).map(|(_, name)| name).collect()
    }

    /// Has the source with this name, or each, serve what it served `back` accepted documents ago, until its origin has a
    /// document that it has not shown yet.
    pub fn roll_back(&self, source: Option<&str>, back: usize, author: &str) -> Moved {
        self.meant(source).map(|(at, name)| (name, self.shared.roll_back(at, back, author))).collect()
    }

    /// Has the source with this name, or each, serve its newest accepted document again. Sources that were not rolled back
    /// are left out.
    pub fn roll_forward(&self, source: Option<&str>) -> Moved {
        let forward = |(at, name)| {
            let moved = self.shared.roll_forward(at).transpose()?;
            Some((name, moved.map(|what| Done { what, forgetful: None })))
        };
        self.meant(source).filter_map(forward).collect()
    }

    /// Has everybody get one variant of a flag for a while.
    ///
    /// # Errors
    /// There is no such flag or variant, or more was asked for than is allowed.
    pub fn override_flag(&self, wanted: Wanted) -> Result<Done<Override>, Denied> {
        self.shared.override_flag(wanted)
    }

    /// Ends an override before its time. The flag set is not needed if only one has an override of the flag.
    ///
    /// # Errors
    /// There is none, or it is not clear which is meant.
    pub fn clear_override(
        &self,
        key: &str,
        flag_set: Option<&str>,
        author: &str,
    ) -> Result<Done<Override>, Denied> {
        self.shared.clear_override(key, flag_set, author)
    }

    /// The overrides in force. Never waits.
    pub fn overrides(&self) -> Vec<Override> {
        self.shared.overrides.load().to_vec()
    }

    fn meant<'s>(&'s self, source: Option<&'s str>) -> impl Iterator<Item = (usize, String)> + use<'s> {
        let slots = self.shared.slots.iter().enumerate();
        let meant = slots.filter(move |(_, slot)| source.is_none_or(|name| slot.origin.is_called(name)));
        meant.map(|(at, slot)| (at, slot.origin.to_string()))
    }
}
