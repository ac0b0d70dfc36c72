//! The daemon as a process: started on free ports, awaited, stopped on drop.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use super::{free_ports, http, place};

/// Names another program to test in place of our own daemon, for example Go flagd as an oracle.
const OTHER_PROGRAM: &str = "HOIST_TEST_DAEMON";
/// Names a flagd that runs beside our own daemon.
const PEER: &str = "HOIST_PEER_FLAGD";
/// How long a start may take until `/readyz` answers 200.
const START: Duration = Duration::from_secs(20);
/// How often a start is tried on new ports, in case somebody took one of them.
const TRIES: usize = 3;

/// The four ports of a daemon.
#[derive(Debug, Clone, Copy)]
pub struct Ports {
    /// Evaluation: gRPC, gRPC-Web, Connect.
    pub evaluation: u16,
    /// Health, readiness, metrics.
    pub management: u16,
    /// gRPC sync.
    pub sync: u16,
    /// OFREP.
    pub ofrep: u16,
}

impl Ports {
    /// Four ports that were free a moment ago.
    #[must_use]
    pub fn free() -> Self {
        let [evaluation, management, sync, ofrep] = free_ports();
        Self { evaluation, management, sync, ofrep }
    }
}

/// How to start a daemon. Ports are added to the arguments.
#[derive(Debug, Clone, Default)]
pub struct DaemonOptions {
    /// Arguments after `start`.
    pub args: Vec<OsString>,
    /// Environment variables.
    pub env: Vec<(OsString, OsString)>,
    /// Working folder; relative source paths start here.
    pub folder: Option<PathBuf>,
    /// A file that standard output and error are written to; discarded otherwise.
    pub log: Option<PathBuf>,
    /// What runs in place of the program under test, a flagd for example.
    pub program: Option<PathBuf>,
    /// A command that sets the scene and becomes the program that its last words are; none for the program itself.
    pub under: Vec<OsString>,
}

impl DaemonOptions {
    /// Options with these arguments after `start`.
    #[must_use]
    pub fn new<A: Into<OsString>>(args: impl IntoIterator<Item = A>) -> Self {
        Self { args: args.into_iter().map(Into::into).collect(), ..Self::default() }
    }

    /// Starts on free ports and waits until the daemon is ready; panics when it does not become so.
    #[must_use]
    pub fn start(self) -> Daemon {
        for _ in 1..TRIES {
            if let Ok(daemon) = self.clone().start_on(Ports::free()) {
                return daemon;
            }
        }
        self.start_on(Ports::free()).unwrap_or_else(|why| panic!("the daemon did not start: {why}"))
    }

    /// Starts on these ports and waits until the daemon is ready.
    ///
    /// # Errors
    /// A text saying how the start failed.
    pub fn start_on(self, ports: Ports) -> Result<Daemon, String> {
        let child = spawn(&self, ports).map_err(|e| e.to_string())?;
        let mut daemon = Daemon { child, options: self, ports };
        daemon.wait_ready().map(|()| daemon)
    }

    /// Starts a daemon that is to end by itself; panics when it does not.
    #[must_use]
    pub fn fails(self) -> ExitStatus {
        let child = spawn(&self, Ports::free()).unwrap_or_else(|why| panic!("no process: {why}"));
        let mut daemon = Daemon { child, ports: Ports::free(), options: self };
        let deadline = Instant::now() + START;
        while Instant::now() < deadline {
            if let Ok(Some(status)) = daemon.child.try_wait() {
                return status;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("still there after {START:?}")
    }
}

/// A running daemon. Killed when dropped.
#[derive(Debug)]
pub struct Daemon {
    child: Child,
    options: DaemonOptions,
    ports: Ports,
}

impl Daemon {
    /// Runs the same program with other words and waits for its end.
    ///
    /// # Panics
    /// When there is no process to be had.
    #[must_use]
    pub fn run(words: &[&str]) -> Output {
        Command::new(program()).args(words).output().expect("the program runs")
    }

    /// Where it listens.
    #[must_use]
    pub fn ports(&self) -> Ports {
        self.ports
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Kills it at once, leaving its ports to a later [`Daemon::restart`].
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Starts it again as it was, on the same ports, and waits until it is ready.
    ///
    /// # Errors
    /// A text saying how the start failed.
    pub fn restart(&mut self) -> Result<(), String> {
        self.kill();
        self.child = spawn(&self.options, self.ports).map_err(|e| e.to_string())?;
        self.wait_ready()
    }

    /// Starts it again as it was, on the same ports, and waits for nothing.
    ///
    /// # Errors
    /// When there is no process to be had.
    pub fn launch(&mut self) -> std::io::Result<()> {
        self.kill();
        self.child = spawn(&self.options, self.ports)?;
        Ok(())
    }

    /// Asks it to stop as an init system does (SIGTERM) and waits; `None` when it is still there after `patience`.
    pub fn terminate(&mut self, patience: Duration) -> Option<ExitStatus> {
        let _ = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status();
        let deadline = Instant::now() + patience;
        loop {
            match self.child.try_wait() {
                Ok(None) if Instant::now() < deadline => std::thread::sleep(Duration::from_millis(10)),
                Ok(status) => return status,
                Err(_) => return None,
            }
        }
    }

    fn wait_ready(&mut self) -> Result<(), String> {
        let deadline = Instant::now() + START;
        while Instant::now() < deadline {
            if let Ok(Some(status)) = self.child.try_wait() {
                return Err(format!("exited with {status}"));
            }
            if http::get(self.ports.management, "/readyz").is_ok_and(|answer| answer.status == 200) {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Err(format!("not ready after {START:?}"))
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Bytes of memory that a process holds; 0 where that cannot be told.
#[must_use]
pub fn resident(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
    kib.unwrap_or_default() * 1_024
}

fn spawn(options: &DaemonOptions, ports: Ports) -> std::io::Result<Child> {
    let program = options.program.as_deref().unwrap_or_else(|| program());
    let mut command = match options.under.split_first() {
        Some((first, rest)) => {
            let mut command = Command::new(first);
            command.args(rest).arg(program);
            command
        }
        None => Command::new(program),
    };
    command.arg("start").args(&options.args);
    let flags = ["--port", "--management-port", "--sync-port", "--ofrep-port"];
    for (flag, port) in flags.into_iter().zip([ports.evaluation, ports.management, ports.sync, ports.ofrep]) {
        command.args([flag, &port.to_string()]);
    }
    if let Some(folder) = &options.folder {
        command.current_dir(folder);
    }
    let (out, err) = match &options.log {
        Some(path) => {
            let file = std::fs::File::create(path)?;
            (Stdio::from(file.try_clone()?), Stdio::from(file))
        }
        None => (Stdio::null(), Stdio::null()),
    };
    command.envs(options.env.iter().map(|(name, value)| (name, value)));
    command.stdin(Stdio::null()).stdout(out).stderr(err).spawn()
}

/// The program under test: `HOIST_TEST_DAEMON`, or `hoistd` of the running profile, built if it is older than its sources.
#[must_use]
pub(crate) fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| std::env::var_os(OTHER_PROGRAM).map_or_else(built, PathBuf::from))
}

/// Whether another program than our own daemon is under test: what only ours promises cannot be asked of it.
#[must_use]
pub fn another_daemon() -> bool {
    std::env::var_os(OTHER_PROGRAM).is_some()
}

/// The flagd that `HOIST_PEER_FLAGD` names; none, after a line saying so, if it names none.
#[must_use]
pub fn peer_flagd() -> Option<PathBuf> {
    let named = std::env::var_os(PEER).map(PathBuf::from);
    if named.is_none() {
        println!("skipped: {PEER} names no flagd");
    }
    named
}

fn built() -> PathBuf {
    let rooms = ["daemon", "engine", "proto", "providers", "schemas", "store"];
    place::program("hoistd", &rooms, &["-p", "hoistd"])
}
