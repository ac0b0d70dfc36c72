//! The sending side of a TCP connection.
//!
//! HTTP/2 cuts what it sends into frames of 16 KiB and hands each to the system by itself. Sent one by one, each makes the way
//! through the network stack alone, which costs more than its bytes. The system is therefore told that more is to come
//! (`MSG_MORE`) and puts up to 64 KiB on their way together; whoever drives the connection says when nothing more comes.

use std::io::{self, IoSlice};
use std::net::Shutdown;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use socket2::SockRef;
use tokio::net::TcpStream;
use tokio::net::tcp::OwnedWriteHalf;

/// Cheap to clone.
#[derive(Clone)]
pub(super) struct Outlet(Arc<Inner>);

struct Inner {
    half: OwnedWriteHalf,
    /// Whether somebody releases what is held back.
    gathers: AtomicBool,
    /// Whether something may be held back.
    holds: AtomicBool,
}

impl Outlet {
    pub(super) fn new(half: OwnedWriteHalf) -> Self {
        Self(Arc::new(Inner { half, gathers: AtomicBool::new(false), holds: AtomicBool::new(false) }))
    }

    fn stream(&self) -> &TcpStream {
        self.0.half.as_ref()
    }

    /// From now on large writes wait for one another; the caller promises to [`release`](Self::release) them.
    pub(super) fn gather(&self) {
        self.0.gathers.store(true, Ordering::Relaxed);
    }

    /// Sends what is held back.
    pub(super) fn release(&self) {
        if self.0.holds.swap(false, Ordering::Relaxed) {
            // Setting what is set already sends at once what waits. It fails on a broken connection only, which the next
            // write finds out.
            let _ = self.stream().set_nodelay(true);
        }
    }

    pub(super) fn poll_write(&self, cx: &mut Context<'_>, from: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let stream = self.stream();
        let holds = self.0.gathers.load(Ordering::Relaxed) && more::is_large(from);
        // A write that holds nothing back takes along what was.
        self.0.holds.store(holds, Ordering::Relaxed);
        loop {
            ready!(stream.poll_write_ready(cx))?;
            let sent = if holds { more::send(stream, from) } else { stream.try_write_vectored(from) };
            match sent {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                sent => return Poll::Ready(sent),
            }
        }
    }

    pub(super) fn shutdown(&self) -> io::Result<()> {
        match SockRef::from(self.stream()).shutdown(Shutdown::Write) {
            Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(()),
            done => done,
        }
    }
}

/// Sending with more to come, where the system knows that.
#[cfg(target_os = "linux")]
mod more {
    use std::io::{self, IoSlice};

    use rustix::net::{SendAncillaryBuffer, SendFlags, sendmsg};
    use tokio::io::Interest;
    use tokio::net::TcpStream;

    /// Smaller writes are answers that somebody waits for.
    const LARGE: usize = 2 << 10;

    pub(super) fn is_large(from: &[IoSlice<'_>]) -> bool {
        from.iter().map(|part| part.len()).sum::<usize>() >= LARGE
    }

    pub(super) fn send(stream: &TcpStream, from: &[IoSlice<'_>]) -> io::Result<usize> {
        let flags = SendFlags::MORE | SendFlags::NOSIGNAL;
        let send = || Ok(sendmsg(stream, from, &mut SendAncillaryBuffer::default(), flags)?);
        stream.try_io(Interest::WRITABLE, send)
    }
}

#[cfg(not(target_os = "linux"))]
mod more {
    use std::io::{self, IoSlice};

    use tokio::net::TcpStream;

    pub(super) fn is_large(_: &[IoSlice<'_>]) -> bool {
        false
    }

    pub(super) fn send(stream: &TcpStream, from: &[IoSlice<'_>]) -> io::Result<usize> {
        stream.try_write_vectored(from)
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::time::{Duration, Instant};

    use tokio::io::AsyncReadExt;
    use tokio::net::TcpListener;

    use super::*;

    async fn pair() -> (Outlet, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let client =
            TcpStream::connect(listener.local_addr().expect("an address")).await.expect("a connection");
        let (server, _) = listener.accept().await.expect("a connection");
        server.set_nodelay(true).expect("a socket");
        // The reading half is of no use here, and its end ends nothing.
        let (_, half) = server.into_split();
        (Outlet::new(half), client)
    }

    async fn write(outlet: &Outlet, bytes: &[u8]) {
        let sent = poll_fn(|cx| outlet.poll_write(cx, &[IoSlice::new(bytes)])).await.expect("room");
        assert_eq!(sent, bytes.len());
    }

    /// Whether `bytes` bytes arrive before the system itself, after 200 ms, sends what is held back.
    async fn soon(client: &mut TcpStream, bytes: usize) -> bool {
        let begun = Instant::now();
        client.read_exact(&mut vec![0; bytes]).await.expect("every byte");
        begun.elapsed() < Duration::from_millis(150)
    }

    /// A busy machine may be late now and then; what is held back is late each time.
    const TIMES: usize = 10;

    #[tokio::test]
    async fn what_is_held_back_goes_once_it_is_released() {
        let (outlet, mut client) = pair().await;
        outlet.gather();
        let large = vec![b'x'; 16 << 10];
        let mut soonest = false;
        for _ in 0..TIMES {
            // Alone: were anything on its way before it, the other side's acknowledgement would release it.
            write(&outlet, &large).await;
            outlet.release();
            soonest |= soon(&mut client, large.len()).await;
        }
        assert!(soonest, "it waited each time");
    }

    #[tokio::test]
    async fn a_small_write_takes_along_what_is_held_back() {
        let (outlet, mut client) = pair().await;
        outlet.gather();
        let (large, small) = (vec![b'x'; 16 << 10], b"small");
        let mut soonest = false;
        for _ in 0..TIMES {
            write(&outlet, &large).await;
            write(&outlet, small).await;
            assert!(!outlet.0.holds.load(Ordering::Relaxed));
            soonest |= soon(&mut client, large.len() + small.len()).await;
        }
        assert!(soonest, "it waited each time");
    }

    #[tokio::test]
    async fn nothing_is_held_back_unless_somebody_releases_it() {
        let (outlet, mut client) = pair().await;
        let large = vec![b'x'; 16 << 10];
        let mut soonest = false;
        for _ in 0..TIMES {
            write(&outlet, &large).await;
            soonest |= soon(&mut client, large.len()).await;
        }
        assert!(soonest, "it waited each time");
        outlet.shutdown().expect("an open connection");
        assert_eq!(client.read(&mut [0]).await.expect("an end"), 0);
    }
}
