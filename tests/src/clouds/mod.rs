//! Object stores as processes: moto for S3, fake-gcs-server for Google Cloud Storage, azurite for Azure Blob Storage.
//!
//! Each is pinned in `tests/clouds/<server>/` and installed below `target/clouds/`, once for each version of the pins. A
//! machine that lacks what a server runs on, or that cannot reach its packages, skips it and says so.

mod azurite;
mod gcs;
mod moto;

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::clients::{bounded, there_is};
use crate::world::{self, free_ports, http};

/// How long a server may take to listen; Python and Node load a lot, and tests share their cores.
const START: Duration = Duration::from_secs(60);

/// An object store with one bucket, named `bucket`. Stopped when dropped.
pub struct Cloud {
    /// Its name for people.
    pub name: &'static str,
    /// What `sources` calls its provider.
    pub provider: &'static str,
    /// How URIs of its objects begin.
    pub scheme: &'static str,
    /// What follows the `?` of URIs.
    pub query: &'static str,
    /// What its clients' environment says.
    pub environment: Vec<(&'static str, String)>,
    port: u16,
    put: fn(&Cloud, &str, &[u8]) -> Result<http::Answer, std::io::Error>,
    delete: fn(&Cloud, &str) -> Result<http::Answer, std::io::Error>,
    child: Child,
}

/// How each server is started.
pub const CLOUDS: [fn() -> Result<Cloud, String>; 3] =
    [moto::start_server, gcs::start_server, azurite::start_server];

impl Cloud {
    /// Stores an object, over the one before; panics with the server's answer if that does not do.
    pub fn put(&self, object: &str, bytes: &[u8]) {
        let answer = (self.put)(self, object, bytes).expect("the server answers");
        assert!(answer.status < 300, "{}: put {object}: {} {}", self.name, answer.status, answer.text());
    }

    /// Removes an object, if it is there.
    pub fn delete(&self, object: &str) {
        let answer = (self.delete)(self, object).expect("the server answers");
        let done = answer.status < 300 || answer.status == 404;
        assert!(done, "{}: delete {object}: {} {}", self.name, answer.status, answer.text());
    }

    /// The URI of an object.
    #[must_use]
    pub fn uri(&self, object: &str) -> String {
        format!("{}://bucket/{object}{}", self.scheme, self.query)
    }
}

impl Drop for Cloud {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Where a server's pins lie.
fn pins(server: &str) -> PathBuf {
    world::workspace().join("tests/clouds").join(server)
}

/// Where a server is installed.
fn installed(server: &str) -> PathBuf {
    world::cargo_target().join("clouds").join(server)
}

/// Installs the pinned Python packages of a server; gives the folder they are in.
fn python_packages(server: &str) -> Result<PathBuf, String> {
    if !there_is("python3") {
        return Err("no python3".to_owned());
    }
    let requirements = pins(server).join("requirements.txt");
    crate::clients::install_pinned(installed(server), &requirements, |folder| {
        bounded(Command::new("python3").args(["-m", "venv", "--clear"]).arg(folder), folder)?;
        let mut pip = Command::new(folder.join("bin/python"));
        pip.args(["-m", "pip", "install", "--quiet", "--no-deps", "--disable-pip-version-check", "-r"]);
        bounded(pip.arg(&requirements), folder)
    })
}

/// Starts a server and waits until it answers HTTP on its port.
fn start(mut command: Command, port: u16, log: &Path) -> Result<Child, String> {
    let log = std::fs::File::create(log).map_err(|e| e.to_string())?;
    let err = log.try_clone().map_err(|e| e.to_string())?;
    let child = command.stdin(Stdio::null()).stdout(log).stderr(err).spawn();
    let mut child = child.map_err(|e| format!("{}: {e}", command.get_program().to_string_lossy()))?;
    let deadline = Instant::now() + START;
    while http::get(port, "/").is_err() {
        if let Ok(Some(status)) = child.try_wait() {
            return Err(format!("{}: {status}", command.get_program().to_string_lossy()));
        }
        if Instant::now() > deadline {
            let _ = child.kill();
            let _ = child.wait();
            return Err(format!(
                "{} does not answer after {START:?}",
                command.get_program().to_string_lossy()
            ));
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(child)
}

fn free_port() -> u16 {
    let [port] = free_ports();
    port
}
