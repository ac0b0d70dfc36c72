//! A TCP connection between a source and its origin that a test can spoil.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Of an answer, what passes before a link that is to cut it off does so.
const HEAD: usize = 48;
/// How long a link that drips waits between bytes.
const BETWEEN_DROPS: Duration = Duration::from_millis(20);

/// How bytes pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Passage {
    /// As they come.
    Free,
    /// Not at all, and nobody is told: what is sent waits.
    Frozen,
    /// Not at all: connections are closed, new ones too.
    Closed,
    /// The origin's stop after a few, and the connection is closed.
    CutOff,
    /// The origin's come one at a time.
    Drip,
}

/// Passes on what comes to its own port; gone when dropped.
#[derive(Debug)]
pub struct Link {
    /// Where sources connect to.
    pub port: u16,
    passage: watch::Sender<Passage>,
    task: JoinHandle<()>,
}

impl Link {
    /// A free link to an origin at `to`.
    pub async fn to(to: SocketAddr) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        let (passage, seen) = watch::channel(Passage::Free);
        let task = tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                let seen = seen.clone();
                tokio::spawn(async move {
                    if *seen.borrow() != Passage::Closed
                        && let Ok(far) = TcpStream::connect(to).await
                    {
                        join(near, far, seen).await;
                    }
                });
            }
        });
        Self { port, passage, task }
    }

    /// Changes how bytes pass, those of open connections too.
    pub fn set(&self, passage: Passage) {
        self.passage.send_replace(passage);
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.task.abort();
        self.passage.send_replace(Passage::Closed);
    }
}

/// Passes bytes both ways until either side ends or the link does.
async fn join(near: TcpStream, far: TcpStream, mut seen: watch::Receiver<Passage>) {
    let (near_in, near_out) = near.into_split();
    let (far_in, far_out) = far.into_split();
    let (asks, answers) = (seen.clone(), seen.clone());
    tokio::select! {
        () = pass(near_in, far_out, asks, false) => {}
        () = pass(far_in, near_out, answers, true) => {}
        _ = seen.wait_for(|passage| *passage == Passage::Closed) => {}
    }
}

async fn pass(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut seen: watch::Receiver<Passage>,
    answer: bool,
) {
    let mut bytes = [0; 16 << 10];
    while let Ok(count @ 1..) = from.read(&mut bytes).await {
        let Ok(passage) = seen.wait_for(|passage| *passage != Passage::Frozen).await.map(|passage| *passage)
        else {
            return;
        };
        let sent = match passage {
            Passage::CutOff if answer => {
                let _ = to.write_all(&bytes[..count.min(HEAD)]).await;
                return;
            }
            Passage::Drip if answer => drip(&bytes[..count], &mut to, &seen).await,
            _ => to.write_all(&bytes[..count]).await.is_ok(),
        };
        if !sent {
            return;
        }
    }
}

/// Sends one byte after the other for as long as the link drips, then the rest.
async fn drip(bytes: &[u8], to: &mut (impl AsyncWrite + Unpin), seen: &watch::Receiver<Passage>) -> bool {
    for (at, byte) in bytes.iter().enumerate() {
        if *seen.borrow() != Passage::Drip {
            return to.write_all(&bytes[at..]).await.is_ok();
        }
        if to.write_all(&[*byte]).await.is_err() {
            return false;
        }
        tokio::time::sleep(BETWEEN_DROPS).await;
    }
    true
}
