//! News of a file, from the directories it lives in.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use notify::event::{AccessKind, AccessMode};
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher, recommended_watcher};
use tokio::sync::Notify;

/// Watches a file's directory, and the directory of whatever the file is a symbolic link to.
pub(super) struct Watch {
    path: PathBuf,
    /// One permit at most: however many events there are, one look is due.
    news: Arc<Notify>,
    watcher: Option<RecommendedWatcher>,
    directories: Vec<PathBuf>,
}

impl Watch {
    pub(super) fn new(path: &Path) -> Self {
        let news = Arc::new(Notify::new());
        let sender = Arc::clone(&news);
        let on_event = move |event: notify::Result<Event>| {
            // An error may stand for events that were lost.
            if event.map_or(true, |event| is_change(&event.kind)) {
                sender.notify_one();
            }
        };
        let watcher = recommended_watcher(on_event)
            .inspect_err(|error| {
                tracing::warn!(path = %path.display(), %error, "no file events; looking at intervals alone");
            })
            .ok();
        Self { path: path.to_owned(), news, watcher, directories: Vec::new() }
    }

    /// Watches the directories as they are now: they may have been replaced, and links may lead elsewhere.
    pub(super) fn armed(mut self) -> Self {
        let Some(watcher) = &mut self.watcher else { return self };
        for directory in self.directories.drain(..) {
            // Fails if the directory is gone, and then so is the watch.
            let _ = watcher.unwatch(&directory);
        }
        for directory in directories(&self.path) {
            match watcher.watch(&directory, RecursiveMode::NonRecursive) {
                Ok(()) => self.directories.push(directory),
                Err(error) => tracing::debug!(directory = %directory.display(), %error, "cannot watch"),
            }
        }
        self
    }

    /// Ends when something happened since the last call.
    pub(super) async fn news(&self) {
        self.news.notified().await;
    }
}

fn is_change(kind: &EventKind) -> bool {
    !matches!(kind, EventKind::Access(access) if *access != AccessKind::Close(AccessMode::Write))
}

fn directories(path: &Path) -> Vec<PathBuf> {
    let parent = |path: &Path| match path.parent() {
        Some(parent) if parent.as_os_str().is_empty() => PathBuf::from("."),
        Some(parent) => parent.to_owned(),
        None => path.to_owned(),
    };
    let mut directories = vec![parent(path)];
    if let Ok(target) = path.canonicalize() {
        directories.push(parent(&target));
    }
    directories.dedup();
    directories
}
