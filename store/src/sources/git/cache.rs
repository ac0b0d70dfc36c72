//! Where fetched objects are kept: a bare repository in a directory that one process has to itself.
//!
//! ```text
//! <cache dir>/<hash of repository, ref and path>/lock     held for as long as a source uses the directory
//!                                               /repo     replaced whole when it is broken or has grown
//! <cache dir>/<hash>.<random>/...                         while another process holds the first; gone afterwards
//! ```

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use gix::Repository;
use sha2::{Digest, Sha256};
use tempfile::TempDir;

use super::address::Address;
use crate::intake::hex;
use crate::seal::private;

/// Packs that may gather: every change brings one.
const MOST_PACKS: usize = 32;

/// Where fetched objects are kept.
#[derive(Debug)]
pub(super) struct Cache {
    parent: Option<PathBuf>,
    key: String,
    held: Option<Held>,
}

/// A directory in use.
#[derive(Debug)]
struct Held {
    folder: PathBuf,
    /// Unlocked when it is closed.
    _lock: File,
    /// Removed at the end, if it is nobody else's.
    _temporary: Option<TempDir>,
}

impl Cache {
    /// A place below `parent`, or one in the system's temporary directory.
    pub(super) fn new(parent: Option<PathBuf>, address: &Address) -> Self {
        let mut hash = Sha256::new();
        let reference = address.reference.shown();
        for part in [address.url.as_str(), address.user.as_deref().unwrap_or_default(), &reference] {
            hash.update(part.len().to_le_bytes());
            hash.update(part);
        }
        hash.update(address.paths.as_str());
        Self { parent, key: hex(&hash.finalize())[..32].to_owned(), held: None }
    }

    /// The repository, made if there is none.
    pub(super) fn open(&mut self) -> io::Result<Repository> {
        let folder = self.folder()?.join("repo");
        if !folder.join("HEAD").is_file() {
            create(&folder)?;
        }
        open(&folder, gix::sec::Trust::Full)
    }

    /// Throws the repository away.
    pub(super) fn discard(&mut self) -> io::Result<()> {
        match fs::remove_dir_all(self.folder()?.join("repo")) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// Whether so many packs have gathered that it is time to begin anew.
    pub(super) fn is_full(&mut self) -> io::Result<bool> {
        let found = fs::read_dir(self.folder()?.join("repo/objects/pack")).into_iter().flatten().flatten();
        let packs = found.filter(|entry| entry.path().extension().is_some_and(|end| end == "pack"));
        Ok(packs.count() >= MOST_PACKS)
    }

    fn folder(&mut self) -> io::Result<&Path> {
        let held = match self.held.take().filter(|held| held.folder.is_dir()) {
            Some(held) => held,
            None => self.claim()?,
        };
        Ok(&self.held.insert(held).folder)
    }

    fn claim(&self) -> io::Result<Held> {
        let Some(parent) = &self.parent else {
            let temporary = tempfile::Builder::new().prefix("hoist-git-").tempdir()?;
            return Held::temporary(temporary);
        };
        private(fs::DirBuilder::new().recursive(true)).create(parent)?;
        self.sweep(parent);
        let folder = parent.join(&self.key);
        private(fs::DirBuilder::new().recursive(true)).create(&folder)?;
        if let Some(lock) = lock(&folder)? {
            remove_unfinished(&folder);
            return Ok(Held { folder, _lock: lock, _temporary: None });
        }
        let prefix = format!("{}.", self.key);
        Held::temporary(tempfile::Builder::new().prefix(&prefix).tempdir_in(parent)?)
    }

    /// Removes what processes that were killed have left. Failing is no harm.
    fn sweep(&self, parent: &Path) {
        let prefix = format!("{}.", self.key);
        for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
            let ours = entry.file_name().to_str().is_some_and(|name| name.starts_with(&prefix));
            if ours && let Ok(Some(_lock)) = lock(&entry.path()) {
                let _ = fs::remove_dir_all(entry.path());
            }
        }
    }
}

impl Held {
    fn temporary(temporary: TempDir) -> io::Result<Self> {
        let folder = temporary.path().to_owned();
        let lock = lock(&folder)?.ok_or_else(|| io::Error::other("a new directory is in use"))?;
        Ok(Self { folder, _lock: lock, _temporary: Some(temporary) })
    }
}

/// Removes packs that a process which was killed had begun: whole ones have a name. Failing is no harm.
fn remove_unfinished(folder: &Path) {
    for entry in fs::read_dir(folder.join("repo/objects/pack")).into_iter().flatten().flatten() {
        let path = entry.path();
        if !path.extension().is_some_and(|end| ["pack", "idx", "keep"].iter().any(|known| end == *known)) {
            let _ = fs::remove_file(path);
        }
    }
}

/// The lock of a directory, unless somebody has it.
fn lock(folder: &Path) -> io::Result<Option<File>> {
    let file = OpenOptions::new().write(true).create(true).truncate(false).open(folder.join("lock"))?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(fs::TryLockError::WouldBlock) => Ok(None),
        Err(fs::TryLockError::Error(error)) => Err(error),
    }
}

/// An empty bare repository.
fn create(folder: &Path) -> io::Result<()> {
    for part in ["objects/pack", "objects/info", "refs/heads"] {
        private(fs::DirBuilder::new().recursive(true)).create(folder.join(part))?;
    }
    fs::write(folder.join("config"), "[core]\n\trepositoryformatversion = 0\n\tbare = true\n")?;
    // The last one makes it a repository.
    fs::write(folder.join("HEAD"), "ref: refs/heads/none\n")
}

/// Opens a repository without any configuration but its own.
pub(super) fn open(folder: &Path, trust: gix::sec::Trust) -> io::Result<Repository> {
    let options = gix::open::Options::isolated().with(trust).config_overrides([
        "user.name=hoist",
        "user.email=hoist@localhost",
        "core.logAllRefUpdates=false",
    ]);
    gix::open_opts(folder, options).map_err(|error| io::Error::other(super::trouble::said(&error)))
}
