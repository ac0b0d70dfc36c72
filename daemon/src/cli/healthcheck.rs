//! `hoistd healthcheck`: for container images without a shell or curl.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use crate::args::{Environment, HealthcheckArgs};
use crate::config::{self, ConfigError};

/// Bytes of the answer that are read; the status line is among the first.
const MOST_BYTES: usize = 512;

/// Why the daemon counts as unhealthy.
#[derive(Debug, thiserror::Error)]
pub enum Unhealthy {
    /// The question itself was wrong.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// `--timeout` is no duration.
    #[error(
        "invalid value {0:?}: a duration is a number with a unit (ms, s, m or h), such as 2s (from --timeout)"
    )]
    Timeout(String),
    /// Nobody answered in time.
    #[error("{url}: {error}")]
    Silent {
        /// What was asked.
        url: String,
        /// What the system said.
        error: std::io::Error,
    },
    /// The answer was not 200.
    #[error("{url}: answered {status:?}")]
    Refused {
        /// What was asked.
        url: String,
        /// The status line, clipped.
        status: String,
    },
}

/// Asks the daemon on this machine and returns when it said 200.
///
/// # Errors
/// Why it counts as unhealthy; `--timeout` bounds the whole exchange.
pub fn run(args: &HealthcheckArgs, environment: &Environment) -> Result<(), Unhealthy> {
    let port = config::management_port(args.management_port.as_deref(), environment)?;
    let timeout = config::duration(&args.timeout).filter(|timeout| !timeout.is_zero());
    let timeout = timeout.ok_or_else(|| Unhealthy::Timeout(args.timeout.clone()))?;
    let path = if args.live { "/healthz" } else { "/readyz" };
    let url = format!("http://127.0.0.1:{port}{path}");
    match ask(port, path, timeout) {
        Ok(status) if status.split(' ').nth(1) == Some("200") => Ok(()),
        Ok(status) => Err(Unhealthy::Refused { url, status }),
        Err(error) => Err(Unhealthy::Silent { url, error }),
    }
}

/// Sends one request and returns the status line.
pub(super) fn ask(port: u16, path: &str, timeout: Duration) -> std::io::Result<String> {
    let deadline = Instant::now() + timeout;
    let left = || match deadline.saturating_duration_since(Instant::now()) {
        Duration::ZERO => Err(std::io::Error::from(std::io::ErrorKind::TimedOut)),
        left => Ok(Some(left)),
    };
    let mut stream = TcpStream::connect_timeout(&SocketAddr::from((Ipv4Addr::LOCALHOST, port)), timeout)?;
    stream.set_write_timeout(left()?)?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    let mut part = [0; 128];
    while answer.len() < MOST_BYTES && !answer.contains(&b'\n') {
        stream.set_read_timeout(left()?)?;
        match stream.read(&mut part)? {
            0 => break,
            count => answer.extend_from_slice(&part[..count]),
        }
    }
    let text = String::from_utf8_lossy(&answer);
    Ok(text.lines().next().unwrap_or_default().to_owned())
}
