//! What documents of some size cost: start, memory, and a reload with one change.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::{Flags, contenders};
use crate::args::Args;
use crate::load::Exchange;
use crate::report::{Report, Table};
use crate::server::{Kind, Server};
use crate::workload::single;
use crate::{Failure, machine};

/// How long a change may take to be seen.
const PATIENCE: Duration = Duration::from_secs(180);
/// How long a server is left alone before its memory and CPU time are read.
const SETTLE: Duration = Duration::from_millis(500);

pub(super) async fn run(args: &Args, sizes: &[usize], report: &mut Report) -> Result<(), Failure> {
    for &size in sizes {
        let flags = Flags::new(size)?;
        let megabytes = std::fs::metadata(flags.path())?.len() / 1_000_000;
        let mut table = Table::new(format!("{size} flags, {megabytes} MB"));
        for _ in 0..args.rounds {
            for kind in contenders(args)? {
                round(&kind, &flags, &mut table).await?;
            }
        }
        report.take(table);
    }
    Ok(())
}

async fn round(kind: &Kind, flags: &Flags, table: &mut Table) -> Result<(), Failure> {
    flags.write(0)?;
    let before = single("R1")?;
    let mut after = before.clone();
    after.check = |reply| match serde_json::from_slice::<serde_json::Value>(&reply.body) {
        Ok(answer) if answer["variant"] == "on" => Ok(()),
        other => Err(format!("{other:?}")),
    };
    let mut server = Server::spawn(kind, &flags.path())?;
    let ready = server.answers(&before).await?;
    let name = server.name.clone();
    table.add(&name, "start to first right answer, ms (wall)", ready.as_secs_f64() * 1e3);
    sleep(SETTLE).await;
    let loaded = server.cpu_time()?;
    table.add(&name, "load, CPU ms", loaded.as_secs_f64() * 1e3);
    table.add(&name, "RSS after load, MB", machine::memory(server.pid(), "VmRSS")?);
    flags.prepare(1)?;
    // Whatever the preparation woke up in the server is not the reload's.
    sleep(SETTLE).await;
    let (cpu, begun) = (server.cpu_time()?, Instant::now());
    flags.publish()?;
    seen(&server, &after, begun).await?;
    table.add(&name, "rename to new answer, ms (wall)", begun.elapsed().as_secs_f64() * 1e3);
    sleep(SETTLE).await;
    table.add(&name, "reload with one change, CPU ms", (server.cpu_time()? - cpu).as_secs_f64() * 1e3);
    table.add(&name, "RSS after reload, MB", machine::memory(server.pid(), "VmRSS")?);
    table.add(&name, "RSS peak, MB", machine::memory(server.pid(), "VmHWM")?);
    Ok(())
}

async fn seen(server: &Server, after: &Exchange, since: Instant) -> Result<(), Failure> {
    while let Err(why) = server.ask(after).await {
        if since.elapsed() > PATIENCE {
            return Err(format!("{}: the change was not seen within {PATIENCE:?}: {why}", server.name).into());
        }
        sleep(Duration::from_millis(5)).await;
    }
    Ok(())
}
