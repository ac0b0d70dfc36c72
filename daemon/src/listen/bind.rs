//! From an address to a listener.

use std::fmt;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use socket2::{Domain, SockRef, Socket, TcpKeepalive, Type};
use tokio::net::{TcpListener, UnixListener, UnixStream};

use super::stream::Stream;

/// How many connections the system keeps until they are accepted.
const BACKLOG: i32 = 1024;
/// How long a TCP connection is silent before the system asks whether the client still lives.
const KEEPALIVE: Duration = Duration::from_secs(15);

/// Where a port listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// A TCP port on every interface, IPv6 and IPv4; 0 picks a free one.
    Port(u16),
    /// One TCP address.
    Tcp(SocketAddr),
    /// A unix socket.
    Unix(PathBuf),
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Port(port) => write!(f, "port {port}"),
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "socket {}", path.display()),
        }
    }
}

pub(super) enum Listener {
    Tcp(TcpListener),
    /// The file is removed when the listener goes.
    Unix {
        listener: UnixListener,
        _file: SocketFile,
    },
}

impl Listener {
    pub(super) async fn open(address: &Address) -> io::Result<Self> {
        match address {
            Address::Port(port) => every_interface(*port).map(Self::Tcp),
            Address::Tcp(address) => tcp(*address).map(Self::Tcp),
            Address::Unix(path) => unix(path).await,
        }
    }

    pub(super) async fn accept(&self) -> io::Result<Stream> {
        match self {
            Self::Tcp(listener) => {
                let (stream, _) = listener.accept().await?;
                stream.set_nodelay(true)?;
                let keepalive = TcpKeepalive::new().with_time(KEEPALIVE).with_interval(KEEPALIVE);
                SockRef::from(&stream).set_tcp_keepalive(&keepalive)?;
                Ok(Stream::tcp(stream))
            }
            Self::Unix { listener, .. } => Ok(Stream::Unix(listener.accept().await?.0)),
        }
    }

    pub(super) fn local_addr(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(listener) => listener.local_addr().ok(),
            Self::Unix { .. } => None,
        }
    }
}

/// Listens on both families with one socket, or on IPv4 alone where the machine has no IPv6.
fn every_interface(port: u16) -> io::Result<TcpListener> {
    match tcp(SocketAddr::from((Ipv6Addr::UNSPECIFIED, port))) {
        Err(error) if error.kind() != io::ErrorKind::AddrInUse => {
            tcp(SocketAddr::from((Ipv4Addr::UNSPECIFIED, port)))
        }
        bound => bound,
    }
}

fn tcp(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    if address == SocketAddr::from((Ipv6Addr::UNSPECIFIED, address.port())) {
        socket.set_only_v6(false)?;
    }
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

async fn unix(path: &Path) -> io::Result<Listener> {
    clear_stale(path).await?;
    let listener = UnixListener::bind(path)?;
    Ok(Listener::Unix { listener, _file: SocketFile::new(path)? })
}

/// Removes a socket that nobody listens on any more, such as one left by a crash. Anything else at `path` stays.
async fn clear_stale(path: &Path) -> io::Result<()> {
    let Ok(found) = std::fs::symlink_metadata(path) else { return Ok(()) };
    if !found.file_type().is_socket() {
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, "the path exists and is not a socket"));
    }
    match UnixStream::connect(path).await {
        Ok(_) => Err(io::Error::new(io::ErrorKind::AddrInUse, "another process listens on it")),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => std::fs::remove_file(path),
        Err(error) => Err(error),
    }
}

/// Removes the socket's file at the end, unless somebody else has put another one there.
pub(super) struct SocketFile {
    path: PathBuf,
    identity: (u64, u64),
}

impl SocketFile {
    fn new(path: &Path) -> io::Result<Self> {
        Ok(Self { path: path.to_owned(), identity: identity(path)? })
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if identity(&self.path).is_ok_and(|found| found == self.identity)
            && let Err(error) = std::fs::remove_file(&self.path)
        {
            tracing::warn!(path = %self.path.display(), %error, "cannot remove the socket");
        }
    }
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    let found = std::fs::symlink_metadata(path)?;
    Ok((found.dev(), found.ino()))
}
