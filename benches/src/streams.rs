//! Streams of flagd's sync protocol, as clients hold them.

use std::sync::Arc;

use bytes::{Buf, Bytes};
use http::Request;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use tokio::sync::watch;

use crate::Failure;
use crate::workload::framed;

/// `SyncFlags` with an empty request.
pub(crate) fn request(port: u16) -> Result<Request<Full<Bytes>>, Failure> {
    let uri = format!("http://127.0.0.1:{port}/flagd.sync.v1.FlagSyncService/SyncFlags");
    let request = Request::post(uri).header("content-type", "application/grpc").header("te", "trailers");
    Ok(request.body(Full::new(framed(&[])?))?)
}

/// Counts the documents of one stream. They are not kept: 10,000 clients in one process would need more memory than any server.
pub(crate) async fn listen(mut body: Incoming, board: Arc<watch::Sender<usize>>) -> Result<(), Failure> {
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
