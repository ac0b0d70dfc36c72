//! CPU time per request under full load, every server in turn.

use http::HeaderValue;
use http::header::IF_NONE_MATCH;
use tokio::time::Instant;

use super::{Flags, contenders};
use crate::Failure;
use crate::args::Args;
use crate::beside::Going;
use crate::generator::{Generator, Generators};
use crate::link::Carrier;
use crate::load::{Exchange, Port};
use crate::report::{Report, Table};
use crate::server::{Kind, Server};
use crate::workload::{Beside, Workload, matrix, not_modified};

const CPU: &str = "server CPU us/request";
const WALL: &str = "requests/s (wall)";
const CHANGES: &str = "changes/s a sync client gets (wall)";

pub(super) async fn run(args: &Args, report: &mut Report) -> Result<(), Failure> {
    let generators = Generators::find(args);
    for workload in matrix()?.iter().filter(|workload| workload.name.contains(&args.only)) {
        report.take(measure(args, &generators, workload).await?);
    }
    Ok(())
}

async fn measure(args: &Args, generators: &Generators, workload: &Workload) -> Result<Table, Failure> {
    let generator = generators.of(workload);
    let mut table = Table::new(workload.name);
    let mut contestants = Vec::new();
    let floors = workload.floors.iter().copied().map(Kind::Floor);
    for kind in contenders(args)?.into_iter().chain(floors) {
        let started = Contestant::start(&kind, workload).await;
        contestants.extend(unless_a_peer(started, &kind.name(), is_peer(&kind), &mut table)?);
    }
    for _ in 0..args.rounds {
        let mut left = Vec::new();
        for mut contestant in contestants {
            let done = contestant.round(args, generator, workload, &mut table).await;
            let name = contestant.server.name.clone();
            left.extend(unless_a_peer(done, &name, contestant.is_peer, &mut table)?.map(|()| contestant));
        }
        contestants = left;
    }
    table.compare(&Kind::hoistd(args.daemon.as_deref())?.name(), CPU);
    table.note(format!("load: {}", generator.name()));
    if args.cores > 1 {
        table.note(format!("servers on {} cores, the load on the last of the machine's", args.cores));
    }
    Ok(table)
}

fn is_peer(kind: &Kind) -> bool {
    matches!(kind, Kind::Peer(_))
}

/// What a peer cannot do is noted, and the others go on; anybody else's failure ends the run.
fn unless_a_peer<T>(
    done: Result<T, Failure>,
    name: &str,
    is_peer: bool,
    table: &mut Table,
) -> Result<Option<T>, Failure> {
    match done {
        Ok(done) => Ok(Some(done)),
        Err(why) if is_peer => {
            table.note(format!("{name} is skipped: {why}"));
            Ok(None)
        }
        Err(why) => Err(why),
    }
}

/// A server under load, with flags and company of its own.
struct Contestant {
    server: Server,
    exchange: Exchange,
    is_peer: bool,
    going: Going,
    // Removed with the last of its server.
    _flags: Flags,
}

impl Contestant {
    async fn start(kind: &Kind, workload: &Workload) -> Result<Self, Failure> {
        let carrier = workload.exchange.carrier;
        if is_peer(kind) && carrier == Carrier::Tls && matches!(workload.exchange.port, Port::Ofrep) {
            return Err("flagd has no option for OFREP over TLS".into());
        }
        let flags = Flags::of(workload.document)?;
        let mut server = Server::spawn_behind(kind, &flags.path(), carrier)?;
        let exchange = prepare(&mut server, workload).await?;
        let beside = if matches!(kind, Kind::Floor(_)) { Beside::Nothing } else { workload.beside };
        let going = Going::on(beside, &server, &flags).await?;
        Ok(Self { server, exchange, is_peer: is_peer(kind), going, _flags: flags })
    }

    async fn round(
        &mut self,
        args: &Args,
        generator: Generator,
        workload: &Workload,
        table: &mut Table,
    ) -> Result<(), Failure> {
        let (begun, before) = (Instant::now(), self.going.arrived());
        self.going.set_at_work(true);
        let seen = generator.run(&self.server, &self.exchange, workload.shape, args.seconds).await;
        self.going.set_at_work(false);
        self.going.check()?;
        let seen = seen?;
        let name = &self.server.name;
        table.add(name, CPU, seen.cpu_micros);
        table.add(name, WALL, seen.per_second);
        if workload.beside == Beside::Rewrites && before > 0 {
            #[allow(clippy::cast_precision_loss, reason = "counts far below 2^52")]
            let changes = (self.going.arrived() - before) as f64;
            table.add(name, CHANGES, changes / begun.elapsed().as_secs_f64());
        }
        Ok(())
    }
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
