//! Sync streams that all get every change.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::{Flags, contenders};
use crate::args::Args;
use crate::report::{Report, Table};
use crate::server::{Kind, Server};
use crate::streams::{Followers, Stream};
use crate::workload::single;
use crate::{Failure, machine};

/// Flags of a document of about 100 kB.
const FLAGS: usize = 500;
const SETTLE: Duration = Duration::from_millis(500);

pub(super) async fn run(
    args: &Args,
    (connections, streams): (usize, usize),
    report: &mut Report,
) -> Result<(), Failure> {
    let flags = Flags::new(FLAGS)?;
    let kilobytes = std::fs::metadata(flags.path())?.len() / 1_000;
    let mut table = Table::new(format!("{connections} x {streams} SyncFlags streams, {kilobytes} kB"));
    for kind in contenders(args)? {
        measure(args, &kind, &flags, (connections, streams), &mut table).await?;
    }
    report.take(table);
    Ok(())
}

async fn measure(
    args: &Args,
    kind: &Kind,
    flags: &Flags,
    (connections, streams): (usize, usize),
    table: &mut Table,
) -> Result<(), Failure> {
    flags.write(0)?;
    let mut server = Server::spawn(kind, &flags.path())?;
    server.answers(&single("R2")?).await?;
    let name = server.name.clone();
    let mut followers = Followers::of(Stream::Sync, &server, (connections, streams)).await?;
    sleep(SETTLE).await;
    table.add(&name, "RSS with all streams open, MB", machine::memory(server.pid(), "VmRSS")?);
    for round in 1..=args.rounds {
        flags.prepare(u64::try_from(round)?)?;
        sleep(SETTLE).await;
        let (cpu, begun) = (server.cpu_time()?, Instant::now());
        flags.publish()?;
        followers.reach(connections * streams * (round + 1)).await?;
        table.add(&name, "rename to last client, s (wall)", begun.elapsed().as_secs_f64());
        sleep(SETTLE).await;
        table.add(&name, "server CPU s/broadcast", (server.cpu_time()? - cpu).as_secs_f64());
        table.add(&name, "RSS after broadcast, MB", machine::memory(server.pid(), "VmRSS")?);
    }
    table.add(&name, "RSS peak, MB", machine::memory(server.pid(), "VmHWM")?);
    Ok(())
}
