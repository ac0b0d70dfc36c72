//! How long after the rename of a flag file those who follow a server hear of the change.

use std::fs;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::{Flags, contenders};
use crate::Failure;
use crate::args::Args;
use crate::pace::Latencies;
use crate::report::{Report, Table};
use crate::server::{Kind, Server};
use crate::streams::{Followers, Stream};
use crate::workload::single;

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
    let mut of_events = Followers::of(Stream::Events, &server, (1, 1)).await?;
    let mut of_documents = Followers::of(Stream::Sync, &server, (1, 1)).await?;
    let [mut events, mut documents] = [Vec::new(), Vec::new()];
    for change in 1..=changes {
        sleep(SETTLE).await;
        fs::write(flags.next(), &texts[change % 2])?;
        let begun = Instant::now();
        flags.publish()?;
        let hears =
            async |followers: &mut Followers| followers.reach(change + 1).await.map(|()| begun.elapsed());
        let (event, document) = tokio::try_join!(hears(&mut of_events), hears(&mut of_documents))?;
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
