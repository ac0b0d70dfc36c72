//! How long after the rename of a flag file those who follow a server hear of the change.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use super::{Flags, contenders};
use crate::Failure;
use crate::args::Args;
use crate::load::{Client, Wire};
use crate::pace::Latencies;
use crate::report::{Report, Table};
use crate::server::{Kind, Server};
use crate::streams::Stream;
use crate::workload::single;

/// How long one change may take to be heard of; Go flagd takes half a minute for 100,000 flags.
const PATIENCE: Duration = Duration::from_secs(180);
/// Between two changes, so that none is part of the one before.
const SETTLE: Duration = Duration::from_millis(100);

pub(super) async fn run(
    args: &Args,
    sizes: &[usize],
    changes: usize,
    report: &mut Report,
) -> Result<(), Failure> {
    for &size in sizes {
        let flags = Flags::new(size)?;
        let mut table = Table::new(format!("{changes} changes of one flag of {size}, from the rename on"));
        for kind in contenders(args)? {
            measure(&kind, &flags, changes, &mut table).await?;
        }
        report.take(table);
    }
    Ok(())
}

async fn measure(kind: &Kind, flags: &Flags, changes: usize, table: &mut Table) -> Result<(), Failure> {
    flags.write(0)?;
    let texts = [flags.text(0), flags.text(1)];
    let mut server = Server::spawn(kind, &flags.path())?;
    server.answers(&single("R2")?).await?;
    let mut event = Follower::of(Stream::Events, &server).await?;
    let mut document = Follower::of(Stream::Sync, &server).await?;
    let [mut events, mut documents] = [Vec::new(), Vec::new()];
    for change in 1..=changes {
        sleep(SETTLE).await;
        fs::write(flags.next(), &texts[change % 2])?;
        let begun = Instant::now();
        flags.publish()?;
        let (event, document) =
            tokio::try_join!(event.hears(change + 1, begun), document.hears(change + 1, begun))?;
        events.push(event);
        documents.push(document);
    }
    for (what, heard) in [("event", events), ("sync payload", documents)] {
        let heard = Latencies::of(heard);
        for (figure, share) in [("p50", 0.5), ("p99", 0.99), ("most", 1.0)] {
            let figure = format!("rename to {what}, {figure} ms (wall)");
            table.add(&server.name, &figure, heard.percentile(share).as_secs_f64() * 1e3);
        }
    }
    Ok(())
}

/// Somebody who holds a stream open.
struct Follower {
    board: Arc<watch::Sender<usize>>,
    tasks: JoinSet<Result<(), Failure>>,
}

impl Follower {
    /// Opens the stream, and returns when its first message is there.
    async fn of(stream: Stream, server: &Server) -> Result<Self, Failure> {
        let port = stream.port(server.ports);
        let mut client = Client::connect(Wire::H2, port).await?;
        let body = client.open(stream.request(port)?).await?;
        let mut follower = Self { board: Arc::default(), tasks: JoinSet::new() };
        follower.tasks.spawn(stream.listen(body, Arc::clone(&follower.board)));
        follower.hears(1, Instant::now()).await?;
        Ok(follower)
    }

    /// Waits for as many messages as `many` in all, and says how long after `begun` the last one came.
    async fn hears(&mut self, many: usize, begun: Instant) -> Result<Duration, Failure> {
        let mut arrived = self.board.subscribe();
        tokio::select! {
            waited = timeout(PATIENCE, arrived.wait_for(|arrived| *arrived >= many)) => {
                waited.map_err(|_| format!("nothing was heard of a change within {PATIENCE:?}"))??;
                Ok(begun.elapsed())
            }
            Some(ended) = self.tasks.join_next() => {
                ended??;
                Err("a stream ended".into())
            }
        }
    }
}
