//! What honest clients notice of hostile ones.

use std::time::Duration;

use tokio::time::sleep;

use super::{Flags, contenders};
use crate::args::Args;
use crate::hostile::Crowd;
use crate::pace::pace;
use crate::report::{Report, Table};
use crate::server::{Kind, Server};
use crate::workload::{Version, grpc};
use crate::{Failure, machine};

const FLAGS: usize = 1_000;
/// Honest requests per second.
const RATE: u32 = 1_000;
/// How long the crowd is at work before anything is counted.
const SETTLE: Duration = Duration::from_secs(2);

pub(super) async fn run(args: &Args, connections: u32, report: &mut Report) -> Result<(), Failure> {
    let flags = Flags::new(FLAGS)?;
    let mut table =
        Table::new(format!("gRPC v1 R2 at {RATE}/s, alone and beside {connections} hostile connections"));
    for kind in contenders(args)? {
        measure(args, &kind, &flags, connections, &mut table).await?;
    }
    report.take(table);
    Ok(())
}

async fn measure(
    args: &Args,
    kind: &Kind,
    flags: &Flags,
    connections: u32,
    table: &mut Table,
) -> Result<(), Failure> {
    let exchange = grpc(Version::V1, "R2")?;
    let mut server = Server::spawn(kind, &flags.path())?;
    server.answers(&exchange).await?;
    let name = server.name.clone();
    for _ in 0..args.rounds {
        let alone = pace(&server, &exchange, RATE, args.seconds).await?.percentile(0.99);
        let before = machine::memory(server.pid(), "VmRSS")?;
        let crowd = Crowd::gather(connections, server.ports)?;
        sleep(SETTLE).await;
        let cpu = server.cpu_time()?;
        let beside = pace(&server, &exchange, RATE, args.seconds).await?.percentile(0.99);
        let cpu = (server.cpu_time()? - cpu).as_secs_f64() / args.seconds.as_secs_f64();
        if crowd.len() < connections {
            return Err(format!("{} of {connections} hostile connections are left", crowd.len()).into());
        }
        table.add(&name, "p99 alone, us", alone.as_secs_f64() * 1e6);
        table.add(&name, "p99 beside them, us", beside.as_secs_f64() * 1e6);
        table.add(&name, "times", beside.as_secs_f64() / alone.as_secs_f64());
        table.add(&name, "RSS more, MB", machine::memory(server.pid(), "VmRSS")? - before);
        table.add(&name, "server CPU, cores", cpu);
        drop(crowd);
        sleep(SETTLE).await;
    }
    Ok(())
}
