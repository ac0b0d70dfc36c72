//! Which files of a repository, and how they are found in the tree of a commit.
//!
//! Everything happens in the tree, nothing on disk: `..` and links lead from one place of the tree to another, or out of
//! it, which is refused. Submodules are not followed.

use std::collections::VecDeque;

use gix::bstr::{BStr, ByteSlice};
use gix::objs::tree::EntryKind;
use gix::{ObjectId, Repository};

use super::trouble::Trouble;
use crate::document::Format;

/// Files of one source.
const MOST_FILES: usize = 1_000;
/// Entries of trees that are looked at on the way.
const MOST_ENTRIES: usize = 100_000;
/// How deep directories may nest.
const DEEPEST: usize = 32;
/// Links on the way to a file.
const MOST_LINKS: usize = 16;
/// Bytes of a link.
const LONGEST_LINK: u64 = 4_096;

/// A file, a directory or a glob, from the root of the repository.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Paths(String);

/// Which flag set the flags of a file are in that name none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FlagSets {
    /// None.
    Own,
    /// One called as the file, without its extension.
    PerFile,
    /// One called as the directory that the file is in.
    PerDirectory,
}

/// A file that was found.
#[derive(Debug)]
pub(super) struct Found {
    /// Its path from the root, as it was looked for.
    pub(super) path: String,
    /// Its content.
    pub(super) blob: ObjectId,
}

impl Paths {
    /// Reads a path: no slash at its start, none at its end, no `.` and no `..`. Empty for none.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let segments: Vec<&str> =
            text.split('/').filter(|segment| !segment.is_empty() && *segment != ".").collect();
        if segments.contains(&"..") {
            return Err("path cannot go up with `..`; it begins at the root of the repository".to_owned());
        }
        let root = !text.is_empty() && segments.is_empty();
        Ok(Self(if root { ".".to_owned() } else { segments.join("/") }))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The path as people may see it.
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    fn is_glob(&self) -> bool {
        self.0.contains(['*', '?', '['])
    }

    /// The files in the tree `root`.
    ///
    /// # Errors
    /// There is no such file, something leads out of the repository, or there is too much of it.
    pub(super) fn find(&self, repository: &Repository, root: ObjectId) -> Result<Selection, Trouble> {
        let mut walk = Walk { repository, root, found: Vec::new(), entries: 0 };
        if self.is_glob() {
            let whole = self.0.find(['*', '?', '[']).unwrap_or_default();
            let base = self.0[..whole].rfind('/').map_or("", |slash| &self.0[..slash]);
            if let Some(Node::Tree(tree)) = walk.resolve(base)? {
                walk.glob(tree, base, self.0.as_str(), 0)?;
            }
        } else {
            match walk.resolve(&self.0)? {
                Some(Node::Blob(blob)) => return Ok(Selection::File(Found { path: self.0.clone(), blob })),
                Some(Node::Tree(tree)) => {
                    let base = if self.0 == "." { "" } else { &self.0 };
                    walk.directory(tree, base)?;
                }
                Some(Node::Submodule) => {
                    return Err(Trouble::unusable(format!(
                        "`{}` is a submodule, which is not followed",
                        self.0
                    )));
                }
                None => {}
            }
        }
        if walk.found.is_empty() {
            let what = if self.is_glob() { "matches no" } else { "leads to no" };
            return Err(Trouble::unusable(format!("path `{}` {what} .json, .yaml or .yml file", self.0)));
        }
        walk.found.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(Selection::Files(walk.found))
    }
}

/// What a path means.
#[derive(Debug)]
pub(super) enum Selection {
    /// One file by its name.
    File(Found),
    /// Files of a directory, or that match a glob; at least one.
    Files(Vec<Found>),
}

impl FlagSets {
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        match text {
            "" => Ok(Self::Own),
            "file" => Ok(Self::PerFile),
            "directory" => Ok(Self::PerDirectory),
            _ => Err("flagSet must be file or directory".to_owned()),
        }
    }

    /// The flag set of the file at `path`.
    pub(super) fn of(self, path: &str) -> Option<Box<str>> {
        let (directory, name) = path.rsplit_once('/').unwrap_or(("", path));
        let set = match self {
            Self::Own => "",
            Self::PerFile => name.rsplit_once('.').map_or(name, |(stem, _)| stem),
            Self::PerDirectory => directory.rsplit('/').next().unwrap_or_default(),
        };
        (!set.is_empty()).then(|| set.into())
    }
}

/// What is at a path.
#[derive(Clone, Copy, Debug)]
enum Node {
    Tree(ObjectId),
    Blob(ObjectId),
    Submodule,
}

struct Walk<'r> {
    repository: &'r Repository,
    root: ObjectId,
    found: Vec<Found>,
    entries: usize,
}

impl Walk<'_> {
    /// What is at `path` from the root; links are followed within the tree.
    fn resolve(&self, path: &str) -> Result<Option<Node>, Trouble> {
        self.follow(Vec::new(), path.as_bytes(), path)
    }

    /// What `path` means in the directory `stack` leads to, the root not counted.
    fn follow(&self, mut stack: Vec<ObjectId>, path: &[u8], shown: &str) -> Result<Option<Node>, Trouble> {
        let mut rest: VecDeque<Vec<u8>> = path.split_str("/").map(<[u8]>::to_vec).collect();
        let mut links = 0;
        while let Some(segment) = rest.pop_front() {
            match segment.as_slice() {
                b"" | b"." => continue,
                b".." => {
                    stack.pop().ok_or_else(|| outside(shown))?;
                    continue;
                }
                _ => {}
            }
            let tree = *stack.last().unwrap_or(&self.root);
            let Some((kind, id)) = self.entry(tree, segment.as_bstr())? else { return Ok(None) };
            let last = rest.iter().all(|segment| matches!(segment.as_slice(), b"" | b"."));
            match kind {
                EntryKind::Tree => stack.push(id),
                EntryKind::Blob | EntryKind::BlobExecutable => return Ok(last.then_some(Node::Blob(id))),
                EntryKind::Commit => return Ok(last.then_some(Node::Submodule)),
                EntryKind::Link => {
                    links += 1;
                    if links > MOST_LINKS {
                        return Err(Trouble::unusable(format!(
                            "`{shown}` leads through more than {MOST_LINKS} links"
                        )));
                    }
                    let target = self.link(id, shown)?;
                    for segment in target.rsplit(|byte| *byte == b'/') {
                        rest.push_front(segment.to_vec());
                    }
                }
            }
        }
        Ok(Some(Node::Tree(*stack.last().unwrap_or(&self.root))))
    }

    fn entry(&self, tree: ObjectId, name: &BStr) -> Result<Option<(EntryKind, ObjectId)>, Trouble> {
        let tree = self.repository.find_tree(tree)?;
        let decoded = tree.decode()?;
        let found = decoded.entries.iter().find(|entry| entry.filename == name);
        Ok(found.map(|entry| (entry.mode.kind(), entry.oid.to_owned())))
    }

    /// Where a link leads.
    fn link(&self, id: ObjectId, shown: &str) -> Result<Vec<u8>, Trouble> {
        if self.repository.find_header(id)?.size() > LONGEST_LINK {
            return Err(Trouble::unusable(format!("`{shown}` is a link of more than {LONGEST_LINK} bytes")));
        }
        let target = self.repository.find_blob(id)?.take_data();
        if target.starts_with(b"/") { Err(outside(shown)) } else { Ok(target) }
    }

    /// Takes the flag documents right in a directory.
    fn directory(&mut self, tree: ObjectId, base: &str) -> Result<(), Trouble> {
        for (kind, id, name) in self.list(tree)? {
            let path = joined(base, &name);
            if !name.starts_with('.') {
                self.take(kind, id, path)?;
            }
        }
        Ok(())
    }

    /// Takes the flag documents below a directory whose paths match `pattern`.
    fn glob(&mut self, tree: ObjectId, base: &str, pattern: &str, depth: usize) -> Result<(), Trouble> {
        if depth > DEEPEST {
            return Err(Trouble::unusable(format!("`{base}` is more than {DEEPEST} directories deep")));
        }
        // What is hidden is meant only by who says so.
        let hidden = pattern.starts_with('.') || pattern.contains("/.");
        for (kind, id, name) in self.list(tree)? {
            let path = joined(base, &name);
            if name.starts_with('.') && !hidden {
                continue;
            }
            if kind == EntryKind::Tree {
                self.glob(id, &path, pattern, depth + 1)?;
            } else if matches(pattern, &path) {
                self.take(kind, id, path)?;
            }
        }
        Ok(())
    }

    fn list(&mut self, tree: ObjectId) -> Result<Vec<(EntryKind, ObjectId, String)>, Trouble> {
        let tree = self.repository.find_tree(tree)?;
        let decoded = tree.decode()?;
        self.entries += decoded.entries.len();
        if self.entries > MOST_ENTRIES {
            return Err(Trouble::unusable(format!(
                "more than {MOST_ENTRIES} files are to be looked at; narrow the path"
            )));
        }
        let entry = |entry: &gix::objs::tree::EntryRef<'_>| {
            (entry.mode.kind(), entry.oid.to_owned(), entry.filename.to_str_lossy().into_owned())
        };
        Ok(decoded.entries.iter().map(entry).collect())
    }

    /// Takes what is at `path` if it is a flag document by its name.
    fn take(&mut self, kind: EntryKind, id: ObjectId, path: String) -> Result<(), Trouble> {
        if Format::of_path(&path).is_err() {
            return Ok(());
        }
        let blob = match kind {
            EntryKind::Blob | EntryKind::BlobExecutable => id,
            EntryKind::Link => match self.resolve(&path)? {
                Some(Node::Blob(blob)) => blob,
                _ => return Ok(()),
            },
            EntryKind::Tree | EntryKind::Commit => return Ok(()),
        };
        if self.found.len() == MOST_FILES {
            return Err(Trouble::unusable(format!("more than {MOST_FILES} files; narrow the path")));
        }
        self.found.push(Found { path, blob });
        Ok(())
    }
}

fn outside(shown: &str) -> Trouble {
    Trouble::unusable(format!("`{shown}` is, or leads through, a link out of the repository"))
}

fn joined(base: &str, name: &str) -> String {
    if base.is_empty() { name.to_owned() } else { format!("{base}/{name}") }
}

fn matches(pattern: &str, path: &str) -> bool {
    let mode = gix::glob::wildmatch::Mode::NO_MATCH_SLASH_LITERAL;
    gix::glob::wildmatch(pattern.into(), path.into(), mode)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_brought_into_one_form() {
        for (text, path) in
            [("/flags/", "flags"), ("a//b/./c.json", "a/b/c.json"), ("/", "."), (".", "."), ("", "")]
        {
            assert_eq!(Paths::parse(text).expect(text).as_str(), path);
        }
        assert!(Paths::parse("a/../b").is_err());
    }

    #[test]
    fn flag_sets_are_called_as_files_or_directories() {
        for (sets, path, set) in [
            (FlagSets::Own, "a/b.json", None),
            (FlagSets::PerFile, "a/b.c.json", Some("b.c")),
            (FlagSets::PerFile, "b.json", Some("b")),
            (FlagSets::PerDirectory, "env/prod/b.json", Some("prod")),
            (FlagSets::PerDirectory, "b.json", None),
        ] {
            assert_eq!(sets.of(path).as_deref(), set, "{sets:?} {path}");
        }
    }

    #[test]
    fn globs_match_as_in_git() {
        for (pattern, path, does) in [
            ("flags/*.json", "flags/a.json", true),
            ("flags/*.json", "flags/sub/a.json", false),
            ("flags/**", "flags/sub/a.json", true),
            ("**/prod/*.y*ml", "env/prod/a.yaml", true),
            ("**/*.json", "a.json", true),
            ("flags/[ab].json", "flags/c.json", false),
        ] {
            assert_eq!(matches(pattern, path), does, "{pattern} {path}");
        }
    }
}
