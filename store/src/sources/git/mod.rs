//! Flags in a git repository: a file, a directory or a glob at a branch, a tag or a commit. flagd has no such source.
//!
//! ```text
//! address   git+https://host/repo.git?ref=main&path=flags/
//! errand    one look, on a thread that may block: at once, on schedule, or when there is news
//!   remote    which commit is it now (ls-refs)? unknown: fetched, nothing of its past (by http, or ssh)
//!   cache     the bare repository that it is fetched into; broken or grown: thrown away and begun anew
//!   files     what in the commit's tree is meant; nothing is ever checked out
//!   version   its bytes, author and time
//! ```
//!
//! The reference decides and nothing else: whether a branch was rewritten does not matter. `git` itself is not needed; over
//! `git+ssh` there is the system's `ssh`.

mod address;
mod cache;
mod errand;
mod files;
mod http;
mod remote;
#[cfg(test)]
#[path = "../../../tests/forge/repository.rs"]
mod repository;
mod ssh;
mod trouble;
mod version;
mod visit;

use std::convert::Infallible;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use gix::ObjectId;
use serde::Deserialize;
use tokio::task::{JoinHandle, spawn_blocking};

use crate::origin::{Origin, OriginError, redacted};
use crate::schedule::Schedule;
use crate::source::{Delivery, Feed, Retry, Source, SourceError, SourceKind, Verdict};
use address::Address;
use errand::Errand;
use trouble::Trouble;
use version::Version;
use visit::Visit;

/// How often a repository is asked when nothing else is said.
const INTERVAL: Duration = Duration::from_secs(30);
/// How long a look may take when nothing else is said.
const TIMEOUT: Duration = Duration::from_secs(60);
/// How long a look that is called off may take to end.
const GRACE: Duration = Duration::from_secs(2);

/// The git source.
pub(crate) static KIND: SourceKind = SourceKind { providers: &["git"], build };

/// What the source understands beside its address.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Options {
    username: Option<String>,
    token: Option<String>,
    token_path: Option<PathBuf>,
    auth_header: Option<String>,
    cert_path: Option<PathBuf>,
    identity_path: Option<PathBuf>,
    known_hosts_path: Option<PathBuf>,
    cache_dir: Option<PathBuf>,
    interval: Option<u64>,
    interval_seed: Option<String>,
    #[serde(rename = "timeoutS")]
    timeout: Option<u64>,
}

/// Follows a reference of a repository.
struct Git {
    /// The address as people may see it.
    shown: String,
    visit: Arc<Visit>,
    schedule: Schedule,
    timeout: Duration,
    /// The commit that is in service.
    seen: Option<ObjectId>,
    /// A look that did not end in time; the next one waits for it.
    late: Option<JoinHandle<Looked>>,
}

/// What a look brought: nothing if the commit is known.
type Looked = Result<Option<Version>, Trouble>;

fn build(origin: &Origin) -> Result<Box<dyn Source>, OriginError> {
    let options: Options = origin.options()?;
    let wrong = |what: String| OriginError(format!("source {origin}: {what}"));
    let address = Address::parse(origin.name()).map_err(wrong)?;
    let interval = options.interval.filter(|seconds| *seconds > 0).map_or(INTERVAL, Duration::from_secs);
    let timeout = options.timeout.filter(|seconds| *seconds > 0).map_or(TIMEOUT, Duration::from_secs);
    let schedule = match options.interval_seed.as_deref().filter(|seed| !seed.is_empty()) {
        Some(seed) => Schedule::seeded(interval, seed),
        None => Schedule::every(interval),
    };
    let visit = Arc::new(Visit::new(address, options).map_err(wrong)?);
    let shown = redacted(origin.name()).into_owned();
    Ok(Box::new(Git { shown, visit, schedule, timeout, seen: None, late: None }))
}

#[async_trait]
impl Source for Git {
    async fn follow(&mut self, feed: &mut Feed<'_>) -> Result<Infallible, SourceError> {
        loop {
            match self.look(feed.max_bytes()).await {
                Ok(None) => feed.unchanged(),
                Ok(Some(Version { commit, authorship, bytes, format })) => {
                    let (revision, authorship) = (Some(commit.to_string()), Some(authorship));
                    let delivery = Delivery { bytes, format, revision, authorship, provisional: false };
                    // A commit is remembered only once it is in service: a refused one is looked at again.
                    self.seen = match feed.deliver(delivery).await {
                        Verdict::Accepted => Some(commit),
                        Verdict::Refused => None,
                    };
                }
                Err(Trouble::Unusable(why)) => {
                    self.seen = None;
                    feed.refuse(why);
                }
                Err(Trouble::Unreachable(what, retry)) => return Err(self.failed(what, retry)),
                Err(Trouble::Local(what)) => return Err(self.failed(what, Retry::Backoff)),
            }
            feed.rest(self.schedule.wait(feed.now())).await;
        }
    }
}

impl Git {
    /// Looks once, in bounded time. Never twice at a time.
    async fn look(&mut self, most: usize) -> Looked {
        if let Some(late) = &mut self.late {
            let ended = tokio::time::timeout(self.timeout, late).await;
            ended.map_err(|_| Trouble::unreachable("an earlier look has not ended yet"))?.ok();
            self.late = None;
        }
        let (errand, leash) = Errand::new(self.timeout);
        let (visit, seen) = (Arc::clone(&self.visit), self.seen);
        let mut look = spawn_blocking(move || visit.look(seen, most, &errand));
        let ended = match tokio::time::timeout(self.timeout, &mut look).await {
            Ok(ended) => Some(ended),
            Err(_) => {
                drop(leash);
                tokio::time::timeout(GRACE, &mut look).await.ok()
            }
        };
        match ended {
            Some(Ok(looked)) => looked,
            Some(Err(error)) => Err(Trouble::unreachable(format!("internal error: {error}"))),
            None => {
                self.late = Some(look);
                Err(Trouble::unreachable(format!("no answer within {:?} (timeoutS)", self.timeout)))
            }
        }
    }

    fn failed(&self, what: String, retry: Retry) -> SourceError {
        SourceError { what, place: self.shown.clone(), retry }
    }
}
