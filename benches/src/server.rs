//! Servers as processes on the first core: the daemon, the floors, and peers.

use std::env::current_exe;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::link::{Carrier, Link};
use crate::load::{Client, Exchange};
use crate::{Failure, machine};

/// How long a server may take to give its first right answer; Go flagd takes 25 s for 100,000 flags.
const START: Duration = Duration::from_secs(180);

/// Where a server listens.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ports {
    /// gRPC and Connect.
    pub(crate) evaluation: u16,
    /// Health and metrics.
    pub(crate) management: u16,
    /// gRPC sync.
    pub(crate) sync: u16,
    /// OFREP.
    pub(crate) ofrep: u16,
}

/// What can be started.
#[derive(Debug, Clone)]
pub(crate) enum Kind {
    /// Our daemon.
    Hoistd(PathBuf),
    /// A server that does nothing: `tonic` or `hyper`.
    Floor(&'static str),
    /// A command with `{flags}` and ports to be filled in.
    Peer(String),
}

impl Kind {
    /// The daemon at `path`, or the one built beside this program.
    pub(crate) fn hoistd(path: Option<&Path>) -> Result<Self, Failure> {
        let path = path.map_or_else(|| beside("hoistd"), |path| Ok(path.to_owned()))?;
        Ok(Self::Hoistd(path))
    }

    /// How tables call it.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::Hoistd(_) => "hoistd".to_owned(),
            Self::Floor(kind) => format!("no-op {kind}"),
            Self::Peer(command) => {
                let program = command.split_whitespace().next().unwrap_or_default();
                Path::new(program).file_name().unwrap_or_default().to_string_lossy().into_owned()
            }
        }
    }

    /// The command that serves `flags`.
    fn command(&self, flags: &Path, ports: Ports) -> Result<Vec<String>, Failure> {
        let words: Vec<String> = match self {
            Self::Hoistd(path) => {
                let start = "start -f file:{flags} --port {port} --management-port {management} --sync-port {sync} --ofrep-port {ofrep}";
                let path = path.display().to_string();
                std::iter::once(path).chain(start.split(' ').map(str::to_owned)).collect()
            }
            Self::Floor(kind) => {
                vec![beside("floor")?.display().to_string(), (*kind).to_owned(), "{port}".to_owned()]
            }
            Self::Peer(command) => command.split_whitespace().map(str::to_owned).collect(),
        };
        let fill = |word: String| {
            word.replace("{flags}", &flags.display().to_string())
                .replace("{port}", &ports.evaluation.to_string())
                .replace("{management}", &ports.management.to_string())
                .replace("{sync}", &ports.sync.to_string())
                .replace("{ofrep}", &ports.ofrep.to_string())
        };
        Ok(words.into_iter().map(fill).collect())
    }
}

/// A program that the same build made.
pub(crate) fn beside(name: &str) -> Result<PathBuf, Failure> {
    let path = current_exe()?.with_file_name(name);
    if path.exists() {
        return Ok(path);
    }
    let path = path.display();
    Err(format!("{path} is not there; run `cargo build --release -p hoistd -p bench`").into())
}

/// A server that runs; killed when dropped.
pub(crate) struct Server {
    child: Child,
    /// How tables call it.
    pub(crate) name: String,
    /// Where it listens. A floor answers everything on one port.
    pub(crate) ports: Ports,
    /// How it is reached.
    pub(crate) link: Arc<Link>,
    /// When it was started.
    pub(crate) started: Instant,
}

impl Server {
    /// Starts a server of the document at `flags` and does not wait for it.
    pub(crate) fn spawn(kind: &Kind, flags: &Path) -> Result<Self, Failure> {
        Self::spawn_behind(kind, flags, Carrier::Tcp)
    }

    /// The same for a server that `carrier` leads to.
    pub(crate) fn spawn_behind(kind: &Kind, flags: &Path, carrier: Carrier) -> Result<Self, Failure> {
        let (mut ports, link) = (free_ports()?, Arc::new(Link::new(carrier)?));
        let mut words = kind.command(flags, ports)?;
        words.extend(link.options());
        if matches!(kind, Kind::Hoistd(_)) && carrier == Carrier::Tls {
            words.extend(["--ofrep-tls", "true"].map(str::to_owned));
        }
        if matches!(kind, Kind::Floor(_)) {
            ports.ofrep = ports.evaluation;
        }
        let cores = machine::cores_of_servers();
        let pinned = cores.iter().flat_map(|cores| ["taskset", "-c", cores.as_str()]);
        let line: Vec<&str> = pinned.chain(words.iter().map(String::as_str)).collect();
        let (program, arguments) = line.split_first().ok_or("a peer's command is empty")?;
        let started = Instant::now();
        let child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| format!("{}: {error}", line.join(" ")))?;
        Ok(Self { child, name: kind.name(), ports, link, started })
    }

    /// Waits for the first right answer to `exchange`, and says how long after the start it came.
    pub(crate) async fn answers(&mut self, exchange: &Exchange) -> Result<Duration, Failure> {
        loop {
            let why = match self.ask(exchange).await {
                Ok(()) => return Ok(self.started.elapsed()),
                Err(why) => why,
            };
            if let Some(status) = self.child.try_wait()? {
                return Err(format!("{}: ended with {status} before it answered", self.name).into());
            }
            if self.started.elapsed() > START {
                return Err(format!("{}: no right answer within {START:?}: {why}", self.name).into());
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// Opens a connection for `exchange`.
    pub(crate) async fn connect(&self, exchange: &Exchange) -> Result<Client, Failure> {
        self.link.connect(exchange.wire, exchange.port.of(self.ports)).await
    }

    /// Asks once over a connection of its own.
    pub(crate) async fn ask(&self, exchange: &Exchange) -> Result<(), Failure> {
        let mut client = self.connect(exchange).await?;
        exchange.verify(&client.ask(exchange, self.ports).await?)
    }

    /// The process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// CPU time used so far.
    pub(crate) fn cpu_time(&self) -> Result<Duration, Failure> {
        machine::cpu_time(self.pid())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Nothing is to be done about a process that is already gone.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Ports that were free a moment ago.
fn free_ports() -> Result<Ports, Failure> {
    let held = (0..4).map(|_| TcpListener::bind("127.0.0.1:0")).collect::<Result<Vec<_>, _>>()?;
    let port = |at: usize| held[at].local_addr().map(|address| address.port());
    Ok(Ports { evaluation: port(0)?, management: port(1)?, sync: port(2)?, ofrep: port(3)? })
}
