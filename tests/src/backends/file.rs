//! The file provider of the suite.

use std::fs;
use std::path::PathBuf;

use hoist::file::provider;
use kit::Evaluate;
use tempfile::TempDir;

use crate::backend::{Backend, Control, Started, Work};
use crate::capability::Capability;
use crate::suites::flags;

/// A document on disk, evaluated here.
pub(super) const FILE: Backend = Backend {
    name: "file",
    lacks: &[(Capability::Outage, "a file that is gone leaves the flags as they were")],
    start: || -> Work<'static, Started> {
        Box::pin(async {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("flags.json");
            fs::write(&path, flags::document(false).to_string()).unwrap();
            let provider = provider(path.to_str().unwrap()).unwrap();
            let handle = provider.handle();
            let mut started = Started::new(provider, Folder { path, _folder: folder });
            started.at_once = Some(Box::new(move |key, default, context| handle.bool(key, default, context)));
            started
        })
    },
};

struct Folder {
    path: PathBuf,
    _folder: TempDir,
}

impl Control for Folder {
    fn toggle(&mut self, on: bool) {
        let next = self.path.with_extension("next");
        fs::write(&next, flags::document(on).to_string()).unwrap();
        fs::rename(&next, &self.path).unwrap();
    }
}
