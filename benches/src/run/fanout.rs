//! Sync streams that all get every change.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, Bytes};
use http::Request;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use super::{Flags, contenders};
use crate::args::Args;
use crate::load::{Client, Wire};
use crate::report::{Report, Table};
use crate::server::{Kind, Server};
use crate::workload::{framed, single};
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
            let body = client.open(request(server.ports.sync)?).await?;
            tasks.spawn(listen(body, Arc::clone(&board)));
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

/// `SyncFlags` with an empty request.
fn request(port: u16) -> Result<Request<Full<Bytes>>, Failure> {
    let uri = format!("http://127.0.0.1:{port}/flagd.sync.v1.FlagSyncService/SyncFlags");
    let request = Request::post(uri).header("content-type", "application/grpc").header("te", "trailers");
    Ok(request.body(Full::new(framed(&[])?))?)
}

/// Counts the documents of one stream. They are not kept: 10,000 clients in one process would need more memory than any server.
async fn listen(mut body: Incoming, board: Arc<watch::Sender<usize>>) -> Result<(), Failure> {
    let mut cut = Cut::default();
    while let Some(frame) = body.frame().await {
        if let Ok(data) = frame?.into_data() {
            let ended = cut.take(data);
            if ended > 0 {
                board.send_modify(|arrived| *arrived += ended);
            }
        }
    }
    Ok(())
}

/// Where a stream of gRPC messages is cut.
#[derive(Debug, Default)]
struct Cut {
    head: Vec<u8>,
    missing: usize,
}

impl Cut {
    /// How many messages end within `data`.
    fn take(&mut self, mut data: Bytes) -> usize {
        let mut ended = 0;
        while data.has_remaining() {
            if self.missing == 0 {
                self.head.push(data.get_u8());
                if let [_, a, b, c, d] = self.head[..] {
                    self.missing = u32::from_be_bytes([a, b, c, d]) as usize;
                    self.head.clear();
                    ended += usize::from(self.missing == 0);
                }
            } else {
                let part = self.missing.min(data.remaining());
                data.advance(part);
                self.missing -= part;
                ended += usize::from(self.missing == 0);
            }
        }
        ended
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::Cut;

    #[test]
    fn messages_are_counted_wherever_they_are_cut() {
        let stream: &'static [u8] = b"\0\0\0\0\x03abc\0\0\0\0\0\0\0\0\0\x01x";
        for size in 1..=stream.len() {
            let mut cut = Cut::default();
            let ended: usize = stream.chunks(size).map(|part| cut.take(Bytes::from_static(part))).sum();
            assert_eq!(ended, 3, "in parts of {size}");
        }
    }
}
