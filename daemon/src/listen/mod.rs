//! From an address to requests: sockets, TLS, HTTP/1.1 and HTTP/2, and what one client may take.
//!
//! ```text
//! Endpoint --bind--> Bound --serve--> accept loop --task per connection--> TLS? -> HTTP/1.1 | HTTP/2 -> the service
//! ```
//!
//! Every port of the daemon is an [`Endpoint`]; they differ in address, TLS, HTTP/2 and [`Limits`]. HTTP/2 is spoken by ALPN
//! over TLS, by prior knowledge or by `Upgrade: h2c` over plain connections. What is not here: routes, CORS, protocols, and
//! the decision when to stop.

mod bind;
mod body;
mod connection;
mod limits;
mod outlet;
mod patience;
mod prompt;
mod stream;
mod tls;
mod upgrade;

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tower::Service;

pub use self::bind::Address;
use self::bind::Listener;
pub use self::body::{BodyError, Inbound};
use self::connection::Port;
pub use self::limits::Limits;
use self::patience::Patient;
pub(crate) use self::prompt::aside;
pub use self::tls::{Certificate, CertificateError};

const ALPN_HTTP2: &[u8] = b"h2";
/// The first and the longest pause after the system refused to accept, for example for want of file descriptors.
const PAUSE: (Duration, Duration) = (Duration::from_millis(5), Duration::from_secs(1));

/// The body of an answer that a port can send.
pub trait ResponseBody:
    http_body::Body<Data = Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + Send + 'static
{
}

impl<B> ResponseBody for B
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
}

/// A service that a port can serve: tonic's `Routes`, axum's `Router`, or a stack of layers over them.
pub trait Handler:
    Service<
        Request<Inbound>,
        Response = Response<<Self as Handler>::Body>,
        Error = Infallible,
        Future: Send + 'static,
    > + Clone
    + Send
    + Sync
    + 'static
{
    /// The body of its answers.
    type Body: ResponseBody;
}

impl<S, B> Handler for S
where
    S: Service<Request<Inbound>, Response = Response<B>, Error = Infallible> + Clone + Send + Sync + 'static,
    S::Future: Send + 'static,
    B: ResponseBody,
{
    type Body = B;
}

/// Why a port cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// The system refuses the address.
    #[error("cannot listen on {address} ({setting}): {source}")]
    Address {
        /// The address.
        address: Address,
        /// The setting that names the address.
        setting: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// TLS cannot be set up.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
}

/// A port as configured.
#[derive(Clone, Debug)]
pub struct Endpoint {
    /// Where to listen.
    pub address: Address,
    /// The setting that names the address, such as `--port`; said when it cannot be bound.
    pub setting: &'static str,
    /// The certificate of a TLS port; without one the port is plain.
    pub tls: Option<Arc<Certificate>>,
    /// Whether HTTP/2 is spoken beside HTTP/1.1.
    pub http2: bool,
    /// What a client may take.
    pub limits: Limits,
}

impl Endpoint {
    /// Opens the port. Clients can connect from now on and wait until it is served.
    ///
    /// # Errors
    /// An address that is taken or not allowed, naming it and its setting.
    pub async fn bind(self) -> Result<Bound, BindError> {
        let Self { address, setting, tls, http2, limits } = self;
        let settings = tls.map(|tls| tls.settings(http2)).transpose()?;
        let listener = Listener::open(&address).await.map_err(|source| BindError::Address {
            address,
            setting,
            source,
        })?;
        Ok(Bound { listener, tls: settings.map(|tls| TlsAcceptor::from(Arc::new(tls))), http2, limits })
    }
}

/// An open port.
pub struct Bound {
    listener: Listener,
    tls: Option<TlsAcceptor>,
    http2: bool,
    limits: Limits,
}

impl Bound {
    /// The TCP address that is really listened on; `None` for a unix socket.
    pub fn local_addr(&self) -> Option<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves until `stop`, then accepts no more, tells clients to go away (GOAWAY, `Connection: close`), waits up to `grace`
    /// for open requests and cuts the rest. Answers how many connections were cut.
    ///
    /// A stream without an end is an open request: the service itself has to end it at the same signal.
    pub async fn serve<S: Handler>(
        self,
        service: S,
        stop: impl Future<Output = ()>,
        grace: Duration,
    ) -> usize {
        let Self { listener, tls, http2, limits } = self;
        let room = Arc::new(Semaphore::new(limits.connections.min(Semaphore::MAX_PERMITS)));
        let write_time = limits.write_time;
        let port = Arc::new(Port { service, tls, http2, limits });
        let (close, closing) = watch::channel(false);
        let mut connections = JoinSet::new();
        let mut stop = pin!(stop);
        loop {
            let (permit, stream) = tokio::select! {
                biased;
                () = &mut stop => break,
                Some(_) = connections.join_next() => continue,
                accepted = accept(&listener, &room) => accepted,
            };
            let connection = Arc::clone(&port).run(Patient::new(stream, write_time), closing.clone());
            connections.spawn(async move {
                connection.await;
                drop(permit);
            });
        }
        drop(listener);
        close.send_replace(true);
        let drained = async { while connections.join_next().await.is_some() {} };
        if tokio::time::timeout(grace, drained).await.is_ok() {
            return 0;
        }
        let cut = connections.len();
        connections.shutdown().await;
        cut
    }
}

/// The next connection, once there is room for it. What the system refuses for want of means is tried again after a pause.
async fn accept(
    listener: &Listener,
    room: &Arc<Semaphore>,
) -> (Option<tokio::sync::OwnedSemaphorePermit>, stream::Stream) {
    // The semaphore is never closed; without a permit the connection would merely not be counted.
    let permit = Arc::clone(room).acquire_owned().await.ok();
    let mut pause = PAUSE.0;
    loop {
        match listener.accept().await {
            Ok(stream) => return (permit, stream),
            Err(error) if is_the_clients(&error) => {}
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(PAUSE.1);
            }
        }
    }
}

/// Whether only the connection at hand is lost.
fn is_the_clients(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, InvalidInput, NotConnected};
    matches!(
        error.kind(),
        ConnectionAborted | ConnectionRefused | ConnectionReset | InvalidInput | NotConnected
    )
}
