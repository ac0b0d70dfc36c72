//! A git repository that tests push to.

#![allow(
    dead_code,
    unreachable_pub,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a module of several test binaries"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

/// Whether `git` is there to test with; says so if it is not.
pub fn git_is_missing() -> bool {
    let missing = Command::new("git").arg("--version").output().is_err();
    if missing {
        println!("skipped: no git");
    }
    missing
}

/// A bare repository and a place to write its commits in.
pub struct Repository {
    folder: TempDir,
}

impl Repository {
    pub fn new() -> Self {
        let repository = Self { folder: tempfile::tempdir().expect("a directory") };
        repository.run(&["init", "-q", "--bare", "-b", "main", "origin.git"], "");
        repository.run(&["init", "-q", "-b", "main", "work"], "");
        repository.run(&["remote", "add", "origin", "../origin.git"], "work");
        repository
    }

    /// Where the bare repository is.
    pub fn bare(&self) -> PathBuf {
        self.folder.path().join("origin.git")
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The address of the repository in place.
    pub fn uri(&self, query: &str) -> String {
        format!("git+file://{}?{query}", self.bare().display())
    }

    pub fn write(&self, path: &str, text: &str) {
        let path = self.folder.path().join("work").join(path);
        fs::create_dir_all(path.parent().expect("a folder")).expect("folders");
        fs::write(path, text).expect("written");
    }

    /// Commits what is in the work tree and pushes it; gives the commit.
    pub fn push(&self) -> String {
        self.git(&["add", "-A"]);
        self.git(&["commit", "-q", "--allow-empty", "-m", "Change flags\n\nBecause."]);
        self.git(&["push", "-q", "--force", "origin", "HEAD"]);
        self.git(&["rev-parse", "HEAD"])
    }

    /// Writes, commits and pushes one file.
    pub fn put(&self, path: &str, text: &str) -> String {
        self.write(path, text);
        self.push()
    }

    /// Runs git in the work tree; gives what it says.
    pub fn git(&self, args: &[&str]) -> String {
        self.run(args, "work")
    }

    fn run(&self, args: &[&str], folder: &str) -> String {
        let output = Command::new("git")
            .args(args)
            .current_dir(self.folder.path().join(folder))
            .env("HOME", self.folder.path())
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .envs([("GIT_AUTHOR_NAME", "Ada"), ("GIT_AUTHOR_EMAIL", "ada@example.com")])
            .envs([("GIT_COMMITTER_NAME", "Bob"), ("GIT_COMMITTER_EMAIL", "bob@example.com")])
            .output()
            .expect("git runs");
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// Makes the repository vanish.
    pub fn vanish(&self) -> bool {
        fs::rename(self.bare(), self.folder.path().join("gone.git")).is_ok()
    }

    /// Brings it back, if it is gone.
    pub fn come_back(&self) {
        let gone = self.folder.path().join("gone.git");
        if gone.exists() {
            fs::rename(gone, self.bare()).expect("renamed");
        }
    }
}
