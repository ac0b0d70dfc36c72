//! A file on disk: `file`, `fsnotify` and `fileinfo` (contract 9.1, with its gaps closed).
//!
//! The directory is watched and not the file, so that replacing, renaming and Kubernetes' `..data` swap are all seen; and
//! the file is looked at every so often whatever the watch says, because network mounts say nothing. What was read decides,
//! by content: times and inodes do not matter.

mod watch;

use std::convert::Infallible;
use std::fs;
use std::io::{self, Read};
use std::path::PathBuf;
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::{MissedTickBehavior, interval, sleep};

use crate::document::{Format, too_large};
use crate::source::{Delivery, Feed, Retry, Source, SourceError, SourceKind, Verdict};
use watch::Watch;

/// How long events may go on gathering before the file is read: writers are rarely done at their first event.
const SETTLE: Duration = Duration::from_millis(10);
/// How long a writer is given to finish what looks broken, or to put back what looks gone.
const PATIENCE: Duration = Duration::from_millis(100);
/// How soon a missing file is looked for again.
const SEARCH: Duration = Duration::from_millis(500);
/// Files up to this size are read at every look; larger ones only if something about them differs.
const SMALL: u64 = 1 << 20;

/// The file source. `fsnotify` trusts the watch and looks every 5 seconds; the others look every second.
pub(crate) static KIND: SourceKind = SourceKind {
    providers: &["file", "fsnotify", "fileinfo"],
    build: |origin| {
        let look = Duration::from_secs(if origin.provider() == "fsnotify" { 5 } else { 1 });
        Ok(Box::new(File::new(&**origin.name(), look)))
    },
};

/// Follows a file.
#[derive(Debug)]
pub struct File {
    path: PathBuf,
    look: Duration,
    stamp: Option<Stamp>,
}

/// What tells two versions of a large file apart without reading them.
type Stamp = (u64, Option<std::time::SystemTime>, [i64; 4]);

/// What was found in the file's place.
enum Found {
    Bytes(Vec<u8>),
    TooLarge,
    Same,
}

impl File {
    /// Follows the file at `path`, looking at it every `look` even if nothing announces a change.
    pub fn new(path: impl Into<PathBuf>, look: Duration) -> Self {
        Self { path: path.into(), look, stamp: None }
    }

    /// Reads the file and delivers what is there. What looks broken or gone gets a second look.
    async fn load(&mut self, feed: &mut Feed<'_>) -> Result<(), SourceError> {
        match self.look(feed, true).await {
            Ok(Verdict::Accepted) => return Ok(()),
            Ok(Verdict::Refused) | Err(_) => sleep(PATIENCE).await,
        }
        self.stamp = None;
        self.look(feed, false).await.map(drop)
    }

    async fn look(&mut self, feed: &mut Feed<'_>, provisional: bool) -> Result<Verdict, SourceError> {
        let (path, most, stamp) = (self.path.clone(), feed.max_bytes(), self.stamp.take());
        let (found, stamp) =
            blocking(move || read(&path, most, stamp)).await.map_err(|error| self.failed(&error))?;
        self.stamp = stamp;
        let bytes = match found {
            Found::Bytes(bytes) => bytes,
            Found::TooLarge => return Ok(feed.refuse(too_large(most))),
            Found::Same => {
                feed.unchanged();
                return Ok(Verdict::Accepted);
            }
        };
        match Format::of_path(&self.path) {
            Ok(format) => Ok(feed
                .deliver(Delivery { bytes, format, revision: None, authorship: None, provisional })
                .await),
            Err(error) => Ok(feed.refuse(error)),
        }
    }

    fn failed(&self, error: &io::Error) -> SourceError {
        let what = match error.kind() {
            io::ErrorKind::NotFound => "no such file".to_owned(),
            _ => error.to_string(),
        };
        SourceError { what, place: self.path.display().to_string(), retry: Retry::After(SEARCH) }
    }
}

#[async_trait]
impl Source for File {
    async fn follow(&mut self, feed: &mut Feed<'_>) -> Result<Infallible, SourceError> {
        let path = self.path.clone();
        let exists = move || fs::metadata(&path).map(|_| Watch::new(&path));
        let mut watch = blocking(exists).await.map_err(|error| self.failed(&error))?;
        let mut looks = interval(self.look);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        looks.tick().await;
        loop {
            // First the watch, then the look: whatever happens after the look is announced.
            watch = blocking(move || Ok(watch.armed())).await.map_err(|error| self.failed(&error))?;
            self.load(feed).await?;
            tokio::select! {
                () = watch.news() => sleep(SETTLE).await,
                _ = looks.tick() => {}
            }
        }
    }
}

/// File systems may hang: nothing of them is done on the runtime's own threads.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(io::Error::other(error)))
}

/// Reads at most one byte more than `most`, and nothing at all of what is no file.
fn read(path: &PathBuf, most: usize, seen: Option<Stamp>) -> io::Result<(Found, Option<Stamp>)> {
    let about = fs::metadata(path)?;
    if !about.is_file() {
        return Err(io::Error::other("not a file"));
    }
    let stamp = stamp(&about);
    if about.len() > most as u64 {
        return Ok((Found::TooLarge, Some(stamp)));
    }
    if about.len() > SMALL && seen == Some(stamp) {
        return Ok((Found::Same, Some(stamp)));
    }
    let mut bytes = Vec::with_capacity(usize::try_from(about.len()).unwrap_or_default() + 1);
    fs::File::open(path)?.take(most as u64 + 1).read_to_end(&mut bytes)?;
    let found = if bytes.len() > most { Found::TooLarge } else { Found::Bytes(bytes) };
    Ok((found, Some(stamp)))
}

#[cfg(unix)]
fn stamp(about: &fs::Metadata) -> Stamp {
    use std::os::unix::fs::MetadataExt;
    let identity = [about.dev() as i64, about.ino() as i64, about.ctime(), about.ctime_nsec()];
    (about.len(), about.modified().ok(), identity)
}

#[cfg(not(unix))]
fn stamp(about: &fs::Metadata) -> Stamp {
    (about.len(), about.modified().ok(), [0; 4])
}
