//! Sync streams that all get every change.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use super::{Flags, contenders};
use crate::args::Args;
use crate::load::{Client, Wire};
use crate::report::{Report, Table};
use crate::server::{Kind, Server};
use crate::streams::Stream;
use crate::workload::single;
use crate::{Failure, machine};

/// Flags of a document of about 100 kB.
const FLAGS: usize = 500;
/// How long one change may take to reach everybody; Go flagd takes 43 s.
const PATIENCE: Duration = Duration::from_secs(120);
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
    let board = Arc::new(watch::Sender::new(0_usize));
    let mut tasks: JoinSet<Result<(), Failure>> = JoinSet::new();
    for _ in 0..connections {
        let mut client = Client::connect(Wire::H2, server.ports.sync).await?;
        for _ in 0..streams {
            let body = client.open(Stream::Sync.request(server.ports.sync)?).await?;
            tasks.spawn(Stream::Sync.listen(body, Arc::clone(&board)));
        }
    }
    let all = connections * streams;
    reach(&board, all, &mut tasks).await?;
    sleep(SETTLE).await;
    table.add(&name, "RSS with all streams open, MB", machine::memory(server.pid(), "VmRSS")?);
    for round in 1..=args.rounds {
        flags.prepare(u64::try_from(round)?)?;
        sleep(SETTLE).await;
        let (cpu, begun) = (server.cpu_time()?, Instant::now());
        flags.publish()?;
        reach(&board, all * (round + 1), &mut tasks).await?;
        table.add(&name, "rename to last client, s (wall)", begun.elapsed().as_secs_f64());
        sleep(SETTLE).await;
        table.add(&name, "server CPU s/broadcast", (server.cpu_time()? - cpu).as_secs_f64());
        table.add(&name, "RSS after broadcast, MB", machine::memory(server.pid(), "VmRSS")?);
    }
    table.add(&name, "RSS peak, MB", machine::memory(server.pid(), "VmHWM")?);
    Ok(())
}

/// Waits until `many` documents arrived in all.
async fn reach(
    board: &watch::Sender<usize>,
    many: usize,
    tasks: &mut JoinSet<Result<(), Failure>>,
) -> Result<(), Failure> {
    let mut arrived = board.subscribe();
    let waited = timeout(PATIENCE, arrived.wait_for(|arrived| *arrived >= many));
    tokio::select! {
        waited = waited => {
            let seen = *board.borrow();
            waited.map_err(|_| format!("{seen} of {many} documents came within {PATIENCE:?}"))??;
            Ok(())
        }
        Some(ended) = tasks.join_next() => {
            ended??;
            Err("a sync stream ended".into())
        }
    }
}
