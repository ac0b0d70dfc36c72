//! Latency of gRPC evaluations at fixed rates.

use super::{Flags, contenders};
use crate::Failure;
use crate::args::Args;
use crate::pace::pace;
use crate::report::{Report, Table};
use crate::server::{Kind, Server};
use crate::workload::{Version, grpc};

const FLAGS: usize = 1_000;

pub(super) async fn run(args: &Args, rates: &[u32], report: &mut Report) -> Result<(), Failure> {
    let flags = Flags::new(FLAGS)?;
    let exchange = grpc(Version::V1, "R2")?;
    let mut servers = Vec::new();
    for kind in contenders(args)?.into_iter().chain([Kind::Floor("tonic")]) {
        let mut server = Server::spawn(&kind, &flags.path())?;
        server.answers(&exchange).await?;
        servers.push(server);
    }
    for &rate in rates.iter().filter(|rate| **rate > 0) {
        let seconds = args.seconds.as_secs_f64();
        let mut table = Table::new(format!(
            "gRPC v1 R2 at {rate}/s for {seconds} s, 8 connections, from the intended start"
        ));
        for _ in 0..args.rounds {
            for server in &servers {
                let seen = pace(server, &exchange, rate, args.seconds).await?;
                for (figure, share) in [("p50 us", 0.5), ("p99 us", 0.99), ("p99.9 us", 0.999)] {
                    table.add(&server.name, figure, seen.percentile(share).as_secs_f64() * 1e6);
                }
            }
        }
        report.take(table);
    }
    Ok(())
}
