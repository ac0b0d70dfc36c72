//! What a server has to do while it is under load.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{interval, timeout};

use crate::Failure;
use crate::load::{Client, Wire};
use crate::run::Flags;
use crate::server::Server;
use crate::streams::Stream;
use crate::workload::Beside;

const CONNECTIONS: usize = 100;
const STREAMS: usize = 100;
/// Between two versions of the flag file.
const PERIOD: Duration = Duration::from_millis(100);
/// How long all streams may take to get their first document.
const PATIENCE: Duration = Duration::from_secs(120);

/// Goes on until it is dropped.
pub(crate) struct Going {
    tasks: JoinSet<Result<(), Failure>>,
    board: Arc<watch::Sender<usize>>,
    at_work: Arc<AtomicBool>,
}

impl Going {
    /// Begins what `beside` says, and returns when it is under way.
    pub(crate) async fn on(beside: Beside, server: &Server, flags: &Flags) -> Result<Self, Failure> {
        let (board, at_work) = (Arc::new(watch::Sender::new(0)), Arc::default());
        let mut going = Self { tasks: JoinSet::new(), board, at_work };
        match beside {
            Beside::Nothing => {}
            Beside::Rewrites => {
                going.follow(server, 1, 1).await?;
                let texts = [flags.text(1), flags.text(0)];
                going.tasks.spawn(rewrite(flags.path(), texts, Arc::clone(&going.at_work)));
            }
            Beside::IdleStreams => going.follow(server, CONNECTIONS, STREAMS).await?,
        }
        Ok(going)
    }

    /// Whether the file is rewritten now; at first it is not.
    pub(crate) fn set_at_work(&self, at_work: bool) {
        self.at_work.store(at_work, Ordering::Relaxed);
    }

    /// Documents that arrived in sync streams.
    pub(crate) fn arrived(&self) -> usize {
        *self.board.borrow()
    }

    /// Says what has ended that was to go on.
    pub(crate) fn check(&mut self) -> Result<(), Failure> {
        match self.tasks.try_join_next() {
            Some(ended) => {
                ended??;
                Err("a sync stream ended".into())
            }
            None => Ok(()),
        }
    }

    /// Opens sync streams, and waits until each has its first document.
    async fn follow(&mut self, server: &Server, connections: usize, streams: usize) -> Result<(), Failure> {
        for _ in 0..connections {
            let mut client = Client::connect(Wire::H2, server.ports.sync).await?;
            for _ in 0..streams {
                let body = client.open(Stream::Sync.request(server.ports.sync)?).await?;
                self.tasks.spawn(Stream::Sync.listen(body, Arc::clone(&self.board)));
            }
        }
        let mut arrived = self.board.subscribe();
        let all = arrived.wait_for(|arrived| *arrived >= connections * streams);
        timeout(PATIENCE, all).await.map_err(|_| "some sync stream got no document")??;
        Ok(())
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
