//! What lies between a client and a server: TCP on loopback, TLS over it, or a unix socket.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use rustls::pki_types::ServerName;
use tempfile::TempDir;
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsConnector;

use crate::Failure;
use crate::load::{Client, Wire};

/// What carries the bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Carrier {
    /// TCP, unencrypted.
    Tcp,
    /// TLS over TCP.
    Tls,
    /// A unix socket, in the place of the evaluation port.
    Unix,
}

impl Carrier {
    /// Of a URI.
    pub(crate) fn scheme(self) -> &'static str {
        if self == Self::Tls { "https" } else { "http" }
    }
}

/// How one server is reached.
pub(crate) enum Link {
    /// By its ports.
    Tcp,
    /// By its ports, with a certificate of this run.
    Tls {
        /// Where the server finds the certificate and its key.
        pair: TempDir,
        /// Trusts that certificate alone.
        trusting: Arc<rustls::ClientConfig>,
    },
    /// By a socket in a folder of its own.
    Unix(TempDir),
}

impl Link {
    /// A link with what it needs on disk.
    pub(crate) fn new(carrier: Carrier) -> Result<Self, Failure> {
        match carrier {
            Carrier::Tcp => Ok(Self::Tcp),
            Carrier::Tls => {
                let pair = tempfile::tempdir()?;
                let made = rcgen::generate_simple_self_signed(["localhost".to_owned()])?;
                fs::write(certificate(&pair), made.cert.pem())?;
                fs::write(key(&pair), made.signing_key.serialize_pem())?;
                let mut roots = rustls::RootCertStore::empty();
                roots.add(made.cert.der().clone())?;
                let provider = Arc::new(rustls::crypto::ring::default_provider());
                let settings = rustls::ClientConfig::builder_with_provider(provider)
                    .with_safe_default_protocol_versions()?
                    .with_root_certificates(roots)
                    .with_no_client_auth();
                Ok(Self::Tls { pair, trusting: Arc::new(settings) })
            }
            Carrier::Unix => Ok(Self::Unix(tempfile::tempdir()?)),
        }
    }

    /// flagd's options for a server to be reached so; the floors know them too.
    pub(crate) fn options(&self) -> Vec<String> {
        let pairs = match self {
            Self::Tcp => Vec::new(),
            Self::Tls { pair, .. } => {
                vec![("--server-cert-path", certificate(pair)), ("--server-key-path", key(pair))]
            }
            Self::Unix(folder) => vec![("--socket-path", socket(folder))],
        };
        pairs.into_iter().flat_map(|(name, path)| [name.to_owned(), path.display().to_string()]).collect()
    }

    /// The socket, where there is one.
    pub(crate) fn socket(&self) -> Option<PathBuf> {
        if let Self::Unix(folder) = self { Some(socket(folder)) } else { None }
    }

    /// Opens a connection, to `port` unless there is a socket.
    pub(crate) async fn connect(&self, wire: Wire, port: u16) -> Result<Client, Failure> {
        match self {
            Self::Tcp => Client::connect(wire, port).await,
            Self::Tls { trusting, .. } => {
                let stream = TcpStream::connect(("127.0.0.1", port)).await?;
                stream.set_nodelay(true)?;
                let mut settings = rustls::ClientConfig::clone(trusting);
                settings.alpn_protocols = vec![wire.alpn().to_vec()];
                let name = ServerName::try_from("localhost")?;
                let stream = TlsConnector::from(Arc::new(settings)).connect(name, stream).await?;
                Client::over(wire, stream).await
            }
            Self::Unix(folder) => Client::over(wire, UnixStream::connect(socket(folder)).await?).await,
        }
    }
}

fn certificate(pair: &TempDir) -> PathBuf {
    pair.path().join("tls.crt")
}

fn key(pair: &TempDir) -> PathBuf {
    pair.path().join("tls.key")
}

fn socket(folder: &TempDir) -> PathBuf {
    folder.path().join("evaluation.sock")
}
