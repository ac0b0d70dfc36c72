//! CPU time per request under full load, every server in turn.

use http::HeaderValue;
use http::header::IF_NONE_MATCH;

use super::{Flags, contenders};
use crate::Failure;
use crate::args::Args;
use crate::generator::Generators;
use crate::load::Exchange;
use crate::report::{Report, Table};
use crate::server::{Kind, Server};
use crate::workload::{Workload, matrix, not_modified};

const CPU: &str = "server CPU us/request";
const WALL: &str = "requests/s (wall)";

pub(super) async fn run(args: &Args, report: &mut Report) -> Result<(), Failure> {
    let generators = Generators::find(args);
    for workload in matrix()?.iter().filter(|workload| workload.name.contains(&args.only)) {
        report.take(measure(args, &generators, workload).await?);
    }
    Ok(())
}

async fn measure(args: &Args, generators: &Generators, workload: &Workload) -> Result<Table, Failure> {
    let generator = generators.of(workload);
    let flags = Flags::new(workload.flags)?;
    let mut servers = Vec::new();
    let floors = workload.floors.iter().copied().map(Kind::Floor);
    for kind in contenders(args)?.into_iter().chain(floors) {
        let mut server = Server::spawn_behind(&kind, &flags.path(), workload.exchange.carrier)?;
        let exchange = prepare(&mut server, workload).await?;
        servers.push((server, exchange));
    }
    let mut table = Table::new(workload.name);
    for _ in 0..args.rounds {
        for (server, exchange) in &servers {
            let seen = generator.run(server, exchange, workload.shape, args.seconds).await?;
            table.add(&server.name, CPU, seen.cpu_micros);
            table.add(&server.name, WALL, seen.per_second);
        }
    }
    table.compare(&servers[0].0.name, CPU);
    table.note(format!("load: {}", generator.name()));
    Ok(table)
}

/// Waits for the server, and lets it name the ETag that a conditional request carries.
async fn prepare(server: &mut Server, workload: &Workload) -> Result<Exchange, Failure> {
    let mut exchange = workload.exchange.clone();
    server.answers(&exchange).await?;
    if !workload.conditional {
        return Ok(exchange);
    }
    let mut client = server.connect(&exchange).await?;
    let etag = client.ask(&exchange, server.ports).await?.headers.get("etag").cloned();
    let etag: HeaderValue = etag.ok_or_else(|| format!("{}: no ETag in its answer", server.name))?;
    exchange.headers.insert(IF_NONE_MATCH, etag);
    exchange.check = not_modified;
    server.ask(&exchange).await?;
    Ok(exchange)
}
