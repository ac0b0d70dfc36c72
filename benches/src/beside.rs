//! What a server has to do while it is under load.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::interval;

use crate::Failure;
use crate::run::Flags;
use crate::server::Server;
use crate::streams::{Followers, Stream};
use crate::workload::Beside;

const CONNECTIONS: usize = 100;
const STREAMS: usize = 100;
/// Between two versions of the flag file.
const PERIOD: Duration = Duration::from_millis(100);

/// Goes on until it is dropped.
pub(crate) struct Going {
    followers: Option<Followers>,
    tasks: JoinSet<Result<(), Failure>>,
    at_work: Arc<AtomicBool>,
}

impl Going {
    /// Begins what `beside` says, and returns when it is under way.
    pub(crate) async fn on(beside: Beside, server: &Server, flags: &Flags) -> Result<Self, Failure> {
        let streams = match beside {
            Beside::Nothing => None,
            Beside::Rewrites => Some((1, 1)),
            Beside::IdleStreams => Some((CONNECTIONS, STREAMS)),
        };
        let followers = match streams {
            Some(streams) => Some(Followers::of(Stream::Sync, server, streams).await?),
            None => None,
        };
        let mut going = Self { followers, tasks: JoinSet::new(), at_work: Arc::default() };
        if beside == Beside::Rewrites {
            let texts = [flags.text(1), flags.text(0)];
            going.tasks.spawn(rewrite(flags.path(), texts, Arc::clone(&going.at_work)));
        }
        Ok(going)
    }

    /// Whether the file is rewritten now; at first it is not.
    pub(crate) fn set_at_work(&self, at_work: bool) {
        self.at_work.store(at_work, Ordering::Relaxed);
    }

    /// Documents that arrived in sync streams.
    pub(crate) fn arrived(&self) -> usize {
        self.followers.as_ref().map_or(0, Followers::arrived)
    }

    /// Says what has ended that was to go on.
    pub(crate) fn check(&mut self) -> Result<(), Failure> {
        if let Some(ended) = self.tasks.try_join_next() {
            return ended?;
        }
        self.followers.as_mut().map_or(Ok(()), Followers::check)
    }
}

/// Replaces the file at `path` again and again, as careful writers do.
async fn rewrite(path: PathBuf, texts: [String; 2], at_work: Arc<AtomicBool>) -> Result<(), Failure> {
    let (mut ticks, next) = (interval(PERIOD), path.with_extension("next"));
    for text in texts.iter().cycle() {
        ticks.tick().await;
        while !at_work.load(Ordering::Relaxed) {
            ticks.tick().await;
        }
        fs::write(&next, text)?;
        fs::rename(&next, &path)?;
    }
    Ok(())
}
