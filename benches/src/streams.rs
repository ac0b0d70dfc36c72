//! Streams of flagd's protocols, as clients hold them.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, Bytes};
use http::Request;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::Failure;
use crate::load::{Client, Wire};
use crate::server::{Ports, Server};
use crate::workload::framed;

/// How long a message may take to reach everybody; Go flagd takes 43 s for 10,000 streams.
const PATIENCE: Duration = Duration::from_secs(180);

/// What can be followed.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Stream {
    /// `EventStream`: what changed.
    Events,
    /// `SyncFlags`: the whole document.
    Sync,
}

impl Stream {
    /// Where it is served.
    fn port(self, ports: Ports) -> u16 {
        match self {
            Self::Events => ports.evaluation,
            Self::Sync => ports.sync,
        }
    }

    /// Its method, with an empty request.
    fn request(self, port: u16) -> Result<Request<Full<Bytes>>, Failure> {
        let method = match self {
            Self::Events => "flagd.evaluation.v1.Service/EventStream",
            Self::Sync => "flagd.sync.v1.FlagSyncService/SyncFlags",
        };
        let request = Request::post(format!("http://127.0.0.1:{port}/{method}"));
        let request = request.header("content-type", "application/grpc").header("te", "trailers");
        Ok(request.body(Full::new(framed(&[])?))?)
    }

    /// Whether what arrived tells of flags, and not only that the server is alive; such an event is in one piece.
    fn tells(self, data: &[u8]) -> bool {
        const ALIVE: &[u8] = b"keep_alive";
        matches!(self, Self::Sync) || !data.windows(ALIVE.len()).any(|part| part == ALIVE)
    }

    /// Counts its messages on `board`. They are not kept: 10,000 clients in one process would need more memory than any server.
    async fn listen(self, mut body: Incoming, board: Arc<watch::Sender<usize>>) -> Result<(), Failure> {
        let mut cut = Cut::default();
        while let Some(frame) = body.frame().await {
            if let Ok(data) = frame?.into_data() {
                let tells = self.tells(&data);
                let ended = cut.take(data);
                if ended > 0 && tells {
                    board.send_modify(|arrived| *arrived += ended);
                }
            }
        }
        Ok(())
    }
}

/// Clients that hold streams open, until this is dropped.
pub(crate) struct Followers {
    board: Arc<watch::Sender<usize>>,
    tasks: JoinSet<Result<(), Failure>>,
}

impl Followers {
    /// Opens as many `streams` on each of as many `connections`, and waits until each has its first message.
    pub(crate) async fn of(
        stream: Stream,
        server: &Server,
        (connections, streams): (usize, usize),
    ) -> Result<Self, Failure> {
        let mut followers = Self { board: Arc::default(), tasks: JoinSet::new() };
        let port = stream.port(server.ports);
        for _ in 0..connections {
            let mut client = Client::connect(Wire::H2, port).await?;
            for _ in 0..streams {
                let body = client.open(stream.request(port)?).await?;
                followers.tasks.spawn(stream.listen(body, Arc::clone(&followers.board)));
            }
        }
        followers.reach(connections * streams).await?;
        Ok(followers)
    }

    /// How many messages arrived so far, all streams together.
    pub(crate) fn arrived(&self) -> usize {
        *self.board.borrow()
    }

    /// Waits until as many messages as `many` arrived, all streams together.
    pub(crate) async fn reach(&mut self, many: usize) -> Result<(), Failure> {
        let mut arrived = self.board.subscribe();
        tokio::select! {
            waited = timeout(PATIENCE, arrived.wait_for(|arrived| *arrived >= many)) => {
                let seen = self.arrived();
                waited.map_err(|_| format!("{seen} of {many} messages came within {PATIENCE:?}"))??;
                Ok(())
            }
            Some(ended) = self.tasks.join_next() => {
                ended??;
                Err(over())
            }
        }
    }

    /// Fails if a stream has ended.
    pub(crate) fn check(&mut self) -> Result<(), Failure> {
        match self.tasks.try_join_next() {
            Some(ended) => {
                ended??;
                Err(over())
            }
            None => Ok(()),
        }
    }
}

fn over() -> Failure {
    "a stream ended".into()
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
