//! A repository behind a server, followed with a cache.

#![allow(dead_code, unreachable_pub, clippy::expect_used, reason = "a module of several test binaries")]

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use hoist_store::{BUILT_IN, Origin, Settings, Source, Store, find};
use serde_json::{Map, Value, json};

use super::{Forge, Repository, TOKEN};
use crate::suite::settings;

/// A repository behind a server, and a cache that the test can reach.
pub struct World {
    pub repository: Repository,
    pub forge: Forge,
    pub cache: tempfile::TempDir,
    pub options: Map<String, Value>,
}

impl World {
    pub async fn new() -> Self {
        let repository = Repository::new();
        let forge = Forge::start(repository.folder()).await;
        let cache = tempfile::tempdir().expect("a directory");
        let options = json!({
            "interval": 1, "timeoutS": 2, "username": "me", "token": TOKEN,
            "certPath": forge.certificate(), "cacheDir": cache.path(),
        });
        let options = options.as_object().cloned().unwrap_or_default();
        Self { repository, forge, cache, options }
    }

    pub fn open(&self) -> Store {
        self.open_at("ref=main&path=flags.json", settings())
    }

    pub fn open_at(&self, query: &str, settings: Settings) -> Store {
        Store::open(settings, vec![self.follow(query)])
    }

    /// A source that follows the repository.
    pub fn follow(&self, query: &str) -> (Origin, Box<dyn Source>) {
        follow(&self.forge.uri(query), &self.options)
    }

    /// The repository in the cache, once nobody uses it any more.
    pub async fn cache_at_rest(&self) -> PathBuf {
        let deadline = tokio::time::Instant::now() + Duration::from_secs(10);
        loop {
            if let [only] = &self.caches()[..] {
                let lock = fs::File::open(only.with_file_name("lock")).expect("a lock");
                if lock.try_lock().is_ok() {
                    return only.clone();
                }
            }
            assert!(tokio::time::Instant::now() < deadline, "in use: {:?}", self.caches());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// The repositories in the cache.
    pub fn caches(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.cache.path()).expect("a cache").flatten();
        entries.map(|entry| entry.path().join("repo")).filter(|path| path.is_dir()).collect()
    }
}

/// A source that follows the repository at `uri`.
pub fn follow(uri: &str, options: &Map<String, Value>) -> (Origin, Box<dyn Source>) {
    let origin = Origin::new("git", uri, options.clone());
    let source = (find(BUILT_IN, "git").expect("git is built in").build)(&origin).expect("good options");
    (origin, source)
}
