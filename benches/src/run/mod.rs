//! What can be measured, one file each.

mod changes;
mod fanout;
mod hostile;
mod latency;
mod load;
mod providers;
mod serve;
mod vendors;

use std::fs;
use std::path::{Path, PathBuf};

use crate::Failure;
use crate::args::{Args, What};
use crate::document::Document;
use crate::report::Report;
use crate::server::Kind;

/// Measures `what`.
pub(crate) async fn run(what: &What, args: &Args, report: &mut Report) -> Result<(), Failure> {
    match what {
        What::Serve => serve::run(args, report).await,
        What::Latency { rate } => latency::run(args, rate, report).await,
        What::Load { flags } => load::run(args, flags, report).await,
        What::Changes { flags, changes } => changes::run(args, flags, *changes, report).await,
        What::Fanout { connections, streams } => fanout::run(args, (*connections, *streams), report).await,
        What::Providers => providers::run(args, report).await,
        What::Hostile { connections } => hostile::run(args, *connections, report).await,
        What::Vendors => vendors::run(args, report).await,
        // Needs nothing to run, and is done before.
        What::Markdown { .. } => Ok(()),
    }
}

/// The daemon and every peer.
fn contenders(args: &Args) -> Result<Vec<Kind>, Failure> {
    let daemon = Kind::hoistd(args.daemon.as_deref())?;
    Ok(std::iter::once(daemon).chain(args.peer.iter().cloned().map(Kind::Peer)).collect())
}

/// A folder with one flag file.
pub(crate) struct Flags {
    folder: tempfile::TempDir,
    document: Document,
}

impl Flags {
    fn new(flags: usize) -> Result<Self, Failure> {
        Self::of(Document::of(flags))
    }

    fn of(document: Document) -> Result<Self, Failure> {
        let new = Self { folder: tempfile::tempdir()?, document };
        new.write(0)?;
        Ok(new)
    }

    /// Where it is.
    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("flags.json")
    }

    /// What its `version` says.
    pub(crate) fn text(&self, version: u64) -> String {
        self.document.text(version)
    }

    /// Replaces the file as careful writers do: whole, by a rename. The next `version` differs in one flag, `R1`.
    fn write(&self, version: u64) -> Result<(), Failure> {
        self.prepare(version)?;
        self.publish()
    }

    /// Writes the next version beside the file.
    fn prepare(&self, version: u64) -> Result<(), Failure> {
        fs::write(self.next(), self.text(version))?;
        Ok(())
    }

    /// Puts the prepared version in the file's place.
    fn publish(&self) -> Result<(), Failure> {
        fs::rename(self.next(), self.path())?;
        Ok(())
    }

    fn next(&self) -> PathBuf {
        Path::join(self.folder.path(), "next")
    }
}
