//! One HTTP/2 connection to a target: TCP or unix socket, TLS or not, and pinged so that a dead one is noticed.

use std::future::Future;
use std::io;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsConnector;
use tonic::transport::{Channel, Endpoint, Uri};

use super::target::{Place, Target};

/// How long connecting may take, the TLS handshake included.
const CONNECT: Duration = Duration::from_secs(5);
/// How long a connection may be silent before it is pinged; flagd permits pings from 30 s on.
const SILENCE: Duration = Duration::from_secs(30);
/// How long a ping may go unanswered before the connection counts as dead.
const PONG: Duration = Duration::from_secs(10);

trait Wire: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Wire for T {}

/// How to reach a gRPC server.
#[derive(Clone, Debug)]
pub struct Dial {
    target: Target,
    tls: Option<Arc<ClientConfig>>,
    silence: Option<Duration>,
    agent: &'static str,
}

/// Makes the connection when tonic asks for one.
#[derive(Clone)]
struct Connector {
    target: Target,
    tls: Option<Arc<ClientConfig>>,
}

impl Dial {
    /// Without TLS, pinged when silent for 30 seconds.
    pub fn new(target: Target) -> Self {
        Self {
            target,
            tls: None,
            silence: Some(SILENCE),
            agent: concat!("hoistd/", env!("CARGO_PKG_VERSION")),
        }
    }

    /// With TLS and HTTP/2 within it, trusting the platform's roots and those in the file `authority`.
    ///
    /// # Errors
    /// `authority` cannot be read, or holds no certificate.
    pub fn tls(self, authority: Option<&Path>) -> Result<Self, String> {
        self.tls_as(authority, None)
    }

    /// The same, showing the certificate of the PEM files `own` (certificate chain, key) to a server that asks for one.
    ///
    /// # Errors
    /// A file cannot be read, or holds nothing that can be used.
    pub fn tls_as(mut self, authority: Option<&Path>, own: Option<(&Path, &Path)>) -> Result<Self, String> {
        let mut config = crate::sources::tls::client_as(authority, own)?;
        config.alpn_protocols = vec![b"h2".to_vec()];
        self.tls = Some(Arc::new(config));
        Ok(self)
    }

    /// Pings a connection that has been silent for so long; `None` pings none. flagd permits pings from 30 s on.
    #[must_use]
    pub fn keep_alive(mut self, silence: Option<Duration>) -> Self {
        self.silence = silence;
        self
    }

    /// What the client calls itself.
    #[must_use]
    pub fn user_agent(mut self, agent: &'static str) -> Self {
        self.agent = agent;
        self
    }

    /// A channel to the target. Nothing is connected yet, and what is lost is connected again when it is needed.
    ///
    /// # Errors
    /// The target's authority is none.
    pub fn channel(&self) -> Result<Channel, String> {
        let authority = self.target.authority();
        let uri = |scheme: &str| -> Result<Uri, String> {
            let uri = format!("{scheme}://{authority}");
            uri.parse().map_err(|_| format!("{authority:?} is no authority"))
        };
        // TLS is the connector's own business: tonic, which has none here, is to believe in plain HTTP/2 and say https.
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        let mut endpoint = Endpoint::from(uri("http")?)
            .origin(uri(scheme)?)
            .connect_timeout(CONNECT)
            .tcp_keepalive(Some(SILENCE))
            .user_agent(self.agent)
            .map_err(|error| error.to_string())?;
        if let Some(silence) = self.silence {
            endpoint = endpoint
                .http2_keep_alive_interval(silence)
                .keep_alive_timeout(PONG)
                .keep_alive_while_idle(true);
        }
        let connector = Connector { target: self.target.clone(), tls: self.tls.clone() };
        Ok(endpoint.connect_with_connector_lazy(connector))
    }
}

impl Connector {
    async fn connect(self) -> io::Result<TokioIo<Box<dyn Wire>>> {
        let wire: Box<dyn Wire> = match self.target.place() {
            Place::Tcp(host) => {
                let stream = TcpStream::connect(host).await?;
                stream.set_nodelay(true)?;
                Box::new(stream)
            }
            Place::Unix(path) => Box::new(UnixStream::connect(path).await?),
        };
        let Some(config) = self.tls else { return Ok(TokioIo::new(wire)) };
        let name = ServerName::try_from(self.target.server_name().to_owned()).map_err(io::Error::other)?;
        let stream = TlsConnector::from(config).connect(name, wire).await?;
        Ok(TokioIo::new(Box::new(stream)))
    }
}

impl tower_service::Service<Uri> for Connector {
    type Response = TokioIo<Box<dyn Wire>>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        let connecting = tokio::time::timeout(CONNECT, self.clone().connect());
        Box::pin(async { connecting.await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())) })
    }
}
