//! The stock clients: how each is set up on this machine, and which scenarios each takes.
//!
//! Packages are pinned in `tests/clients/<language>/` and installed below `target/stock-clients/`, once for each version
//! of the pins. A machine without the language, or that cannot reach its packages, skips the client and says so.

mod go;
mod java;
mod node;
mod python;
mod rust;
mod unleash;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

pub use go::{GO_IN_PROCESS, GO_RPC, go};
pub use java::{JAVA_IN_PROCESS, JAVA_RPC, java};
pub use node::{FLAGD_WEB, NODE_IN_PROCESS, NODE_OFREP, NODE_RPC, OFREP_WEB, node, web};
use python::virtual_environment;
pub use python::{PYTHON_IN_PROCESS, PYTHON_OFREP, PYTHON_RPC, python};
pub use rust::{RUST_FILE, RUST_IN_PROCESS, RUST_RPC, Rust};
pub use unleash::{unleash_node, unleash_packages, unleash_python};

use crate::world;

/// How long installing the packages of one language may take.
const INSTALL: Duration = Duration::from_secs(300);

/// Where the driver of a language and its pins lie.
fn sources(language: &str) -> PathBuf {
    world::workspace().join("tests/clients").join(language)
}

/// Where a language's packages are installed.
fn installed(language: &str) -> PathBuf {
    world::cargo_target().join("stock-clients").join(language)
}

/// The outcome of setting a language up, reached once in a test process.
pub(crate) type Once = OnceLock<Result<PathBuf, String>>;

/// Runs `install` in the language's folder unless it was done for these very pins before.
fn install_once(
    language: &str,
    pins: &str,
    install: impl FnOnce(&Path) -> Result<(), String>,
) -> Result<PathBuf, String> {
    install_pinned(installed(language), &sources(language).join(pins), install)
}

/// Runs `install` in `folder` unless it was done for what the file `pins` says before.
pub(crate) fn install_pinned(
    folder: PathBuf,
    pins: &Path,
    install: impl FnOnce(&Path) -> Result<(), String>,
) -> Result<PathBuf, String> {
    let wanted = std::fs::read_to_string(pins).map_err(|e| format!("{}: {e}", pins.display()))?;
    let done = folder.join("installed");
    if std::fs::read_to_string(&done).is_ok_and(|have| have == wanted) {
        return Ok(folder);
    }
    std::fs::create_dir_all(&folder).map_err(|e| e.to_string())?;
    install(&folder)?;
    std::fs::write(done, wanted).map_err(|e| e.to_string())?;
    Ok(folder)
}

/// Runs a command to its end within the time for installing; the error ends with the last lines that it wrote.
pub(crate) fn bounded(command: &mut Command, folder: &Path) -> Result<(), String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let path = folder.join("install.log");
    let log = std::fs::File::create(&path).map_err(|e| e.to_string())?;
    let err = log.try_clone().map_err(|e| e.to_string())?;
    command.stdin(Stdio::null()).stdout(log).stderr(err);
    let mut child = command.spawn().map_err(|e| format!("no {program}: {e}"))?;
    let deadline = Instant::now() + INSTALL;
    loop {
        match child.try_wait().map_err(|e| e.to_string())? {
            Some(status) if status.success() => return Ok(()),
            Some(status) => return Err(format!("{program}: {status}: {}", last_line(&path))),
            None if Instant::now() > deadline => {
                let _ = child.kill();
                let _ = child.wait();
                return Err(format!("{program} took longer than {INSTALL:?}"));
            }
            None => std::thread::sleep(Duration::from_millis(50)),
        }
    }
}

/// Whether a program is there and can say its version.
pub(crate) fn there_is(program: &str) -> bool {
    let version = if program == "go" { "version" } else { "--version" };
    let mut command = Command::new(program);
    command.arg(version).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

fn last_line(log: &Path) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    text.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default().to_owned()
}
