//! A file as a backend.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use hoist_store::{File, Origin, Source};
use serde_json::Map;
use tempfile::TempDir;

use super::Backend;

/// A file in a directory of its own. Looks every 5 s, so that what is seen at once is seen by the watch.
pub struct OnDisk {
    _directory: TempDir,
    pub path: PathBuf,
    pub look: Duration,
}

impl OnDisk {
    pub fn new() -> Self {
        let directory = TempDir::new().expect("a directory");
        let path = directory.path().join("flags.json");
        Self { _directory: directory, path, look: Duration::from_secs(5) }
    }

    pub fn at(path: PathBuf) -> Self {
        Self { path, ..Self::new() }
    }

    /// Replaces the file as editors do.
    pub fn rename_over(&self, document: &str) {
        let aside = self.path.with_extension("new");
        fs::write(&aside, document).expect("write");
        fs::rename(&aside, &self.path).expect("rename");
    }
}

impl Backend for OnDisk {
    fn follow(&self) -> (Origin, Box<dyn Source>) {
        let name = self.path.to_str().expect("UTF-8");
        (Origin::new("file", name, Map::new()), Box::new(File::new(&self.path, self.look)))
    }

    fn put(&mut self, document: &str) {
        fs::write(&self.path, document).expect("write");
    }

    fn vanish(&mut self) -> bool {
        fs::remove_file(&self.path).is_ok()
    }
}
