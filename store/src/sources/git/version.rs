//! From a commit to a document: its files, who made it and when.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use gix::bstr::{BStr, ByteSlice};
use gix::objs::Kind;
use gix::{Commit, ObjectId, Repository};

use super::address::Address;
use super::files::{FlagSets, Found, Selection};
use super::trouble::Trouble;
use crate::document::{Format, Part, bundle, too_large};
use crate::source::Authorship;

/// Characters of an author or a subject that are kept.
const LONGEST: usize = 200;

/// A commit as a document.
#[derive(Debug)]
pub(super) struct Version {
    pub(super) commit: ObjectId,
    pub(super) authorship: Authorship,
    pub(super) bytes: Vec<u8>,
    pub(super) format: Format,
}

/// The commit that `tip` is or leads to.
pub(super) fn commit(repository: &Repository, tip: ObjectId) -> Result<Commit<'_>, Trouble> {
    let object = repository.find_object(tip)?;
    let peeled = object.peel_tags_to_end()?;
    peeled.try_into_commit().map_err(|_| Trouble::unreachable("the ref leads to no commit"))
}

/// Reads the files of a commit, at most `most` bytes of them.
///
/// # Errors
/// The commit has no such files, or too much of them; or the repository is broken.
pub(super) fn read(
    repository: &Repository,
    commit: &Commit<'_>,
    address: &Address,
    most: usize,
) -> Result<Version, Trouble> {
    let root = commit.tree_id()?.detach();
    let (bytes, format) = match address.paths.find(repository, root)? {
        Selection::File(file) if address.flag_sets == FlagSets::Own => {
            let format = Format::of_path(&file.path).map_err(Trouble::Unusable)?;
            let mut room = most;
            (content(repository, &file, &mut room)?, format)
        }
        Selection::File(file) => several(repository, vec![file], address, most)?,
        Selection::Files(files) => several(repository, files, address, most)?,
    };
    Ok(Version { commit: commit.id, authorship: authorship(commit)?, bytes, format })
}

fn several(
    repository: &Repository,
    files: Vec<Found>,
    address: &Address,
    most: usize,
) -> Result<(Vec<u8>, Format), Trouble> {
    let mut room = most;
    let mut contents = Vec::with_capacity(files.len());
    for file in &files {
        contents.push(content(repository, file, &mut room)?);
    }
    let mut parts = Vec::with_capacity(files.len());
    for (Found { path, .. }, bytes) in files.iter().zip(&contents) {
        let format = Format::of_path(path).map_err(Trouble::Unusable)?;
        let flag_set = address.flag_sets.of(path);
        parts.push(Part { name: Some(plain(path).into()), format, flag_set, bytes });
    }
    Ok((bundle(&parts), Format::Bundle))
}

/// A file's content, and what room is left after it.
fn content(repository: &Repository, file: &Found, room: &mut usize) -> Result<Vec<u8>, Trouble> {
    let size = repository.find_header(file.blob)?.size();
    let left = usize::try_from(size).ok().and_then(|size| room.checked_sub(size));
    *room = left.ok_or_else(|| Trouble::unusable(format!("{}: {}", plain(&file.path), too_large(*room))))?;
    let bytes = repository.find_blob(file.blob)?.take_data();
    // A disk that forgets would go unnoticed: objects are known by what is in them.
    let hash = gix::objs::compute_hash(repository.object_hash(), Kind::Blob, &bytes)?;
    if hash == file.blob {
        Ok(bytes)
    } else {
        Err(Trouble::Local(format!("{}: the stored object {} is broken", plain(&file.path), file.blob)))
    }
}

fn authorship(commit: &Commit<'_>) -> Result<Authorship, Trouble> {
    let author = commit.author()?;
    let seconds = u64::try_from(commit.time()?.seconds).unwrap_or_default();
    let at: SystemTime = UNIX_EPOCH.checked_add(Duration::from_secs(seconds)).unwrap_or(UNIX_EPOCH);
    let subject = commit.message_raw_sloppy().lines().next().unwrap_or_default();
    let by = format!("{} <{}>", author.name.to_str_lossy(), author.email.to_str_lossy());
    Ok(Authorship { author: cut(by.as_str().into()), at, subject: cut(subject.as_bstr()) })
}

/// A person's text on one line, cut to what is read.
fn cut(text: &BStr) -> String {
    text.to_str_lossy().chars().filter(|c| !c.is_control()).take(LONGEST).collect()
}

/// A path as it may be shown.
fn plain(path: &str) -> String {
    if path.chars().any(char::is_control) { path.escape_debug().to_string() } else { path.to_owned() }
}
