//! A state directory belongs to one daemon: two would take each other's generations away.

use std::fs::{self, File, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};

use crate::seal::private;

/// The file that is locked. It stays when its daemon goes; the lock does not, however that ends.
const FILE: &str = "lock";

/// A state directory that is ours for as long as this lives.
#[derive(Debug)]
pub struct Claim {
    _file: File,
}

/// Why a state directory cannot be ours.
#[derive(Debug, thiserror::Error)]
pub enum ClaimError {
    /// Another daemon has it.
    #[error("the state directory {} belongs to another hoistd{holder}; each daemon needs a directory of its own", .folder.display())]
    Taken {
        /// The directory.
        folder: PathBuf,
        /// Which process, if that can be told.
        holder: String,
    },
    /// It cannot be made or locked.
    #[error("the state directory {} cannot be used: {source}", .folder.display())]
    Unusable {
        /// The directory.
        folder: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl Claim {
    /// Makes `folder` if it is not there, and takes hold of it.
    ///
    /// # Errors
    /// Another process has it, or the system does not allow it.
    pub fn take(folder: &Path) -> Result<Self, ClaimError> {
        let unusable = |source| ClaimError::Unusable { folder: folder.to_owned(), source };
        private(fs::DirBuilder::new().recursive(true)).create(folder).map_err(unusable)?;
        let path = folder.join(FILE);
        let mut options = fs::OpenOptions::new();
        let file = options.read(true).write(true).create(true).truncate(false).open(path);
        let mut file = file.map_err(unusable)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(ClaimError::Taken { folder: folder.to_owned(), holder: holder(&mut file) });
            }
            Err(TryLockError::Error(source)) => return Err(unusable(source)),
        }
        // Who holds it is a courtesy: a full disk may withhold it.
        let _ = sign(&mut file);
        Ok(Self { _file: file })
    }
}

fn sign(file: &mut File) -> io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    file.write_all(std::process::id().to_string().as_bytes())
}

fn holder(file: &mut File) -> String {
    let mut text = String::new();
    let read = file.take(20).read_to_string(&mut text);
    match text.trim().parse::<u32>() {
        Ok(process) if read.is_ok() => format!(" (process {process})"),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_has_one_owner_at_a_time() {
        let folder = tempfile::tempdir().expect("a directory");
        let state = folder.path().join("new");
        let first = Claim::take(&state).expect("free");
        let refused = Claim::take(&state).expect_err("taken").to_string();
        let me = format!("belongs to another hoistd (process {})", std::process::id());
        assert!(refused.contains(&me), "{refused}");
        drop(first);
        Claim::take(&state).expect("free again");
        fs::write(folder.path().join("file"), "").expect("write");
        let refused = Claim::take(&folder.path().join("file")).expect_err("no directory").to_string();
        assert!(refused.contains("cannot be used"), "{refused}");
    }
}
