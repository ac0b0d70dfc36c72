//! Where things are: folders of the workspace, shared test data, free ports.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::net::TcpListener;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

/// The root folder of the workspace.
#[must_use]
pub fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the tests crate lies in the workspace")
        .to_path_buf()
}

/// A path below `../shared`, where public test data lies beside the workspace.
///
/// `None`, after a line saying so, when this machine does not have it: the test then has nothing to read and returns.
#[must_use]
pub fn shared(below: &str) -> Option<PathBuf> {
    let beside = workspace().parent().map(|parent| parent.join("shared").join(below));
    let found = beside.filter(|path| path.exists());
    if found.is_none() {
        println!("skipped: no ../shared/{below}");
    }
    found
}

/// The folder that cargo builds into, found from the running test: `<target>/<profile>/deps/<test>`.
#[must_use]
pub fn cargo_target() -> PathBuf {
    profile().parent().expect("a profile folder lies in the target folder").to_path_buf()
}

/// The folder of the running profile, such as `target/debug`.
fn profile() -> PathBuf {
    let test = std::env::current_exe().expect("a running test has a path");
    test.ancestors().nth(2).expect("a test runs from <profile>/deps").to_path_buf()
}

/// A program of the running profile, such as `hoistd` or `examples/axum`: built with the words `cargo build ..` if it is older
/// than the sources in `rooms`.
pub(crate) fn program(path: &str, rooms: &[&str], words: &[&str]) -> PathBuf {
    let profile = profile();
    let program = profile.join(format!("{path}{}", std::env::consts::EXE_SUFFIX));
    let made = std::fs::metadata(&program).and_then(|about| about.modified()).ok();
    // A test run of the whole workspace has built it, with the features that all packages together ask for; built by
    // itself it would ask for others, and half of the dependencies again.
    if made.is_some() && rooms.iter().filter_map(|room| newest(&workspace().join(room))).max() <= made {
        return program;
    }
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(workspace()).args(["build", "-q"]).args(words);
    if profile.ends_with("release") {
        cargo.arg("--release");
    }
    cargo.env("CARGO_TARGET_DIR", cargo_target());
    let status = cargo.status().expect("cargo runs");
    assert!(status.success(), "{path} does not build");
    program
}

/// When the newest source file below `folder` was written: code, manifests and what is compiled in. Tests do not count.
fn newest(folder: &Path) -> Option<SystemTime> {
    let entries = std::fs::read_dir(folder).ok()?.flatten();
    entries
        .filter_map(|entry| {
            let (name, path) = (entry.file_name(), entry.path());
            match entry.file_type().ok()? {
                kind if kind.is_dir() => match name.to_str() {
                    Some("tests" | "fuzz" | "benches" | "target") => None,
                    _ => newest(&path),
                },
                _ => match path.extension()?.to_str()? {
                    "rs" | "toml" | "json" => entry.metadata().ok()?.modified().ok(),
                    _ => None,
                },
            }
        })
        .max()
}

/// `N` loopback ports that were free a moment ago, all different.
///
/// They lie below those that the system gives to connections (32768 and up on Linux), of which other tests open thousands: one of
/// theirs could be gone before it is bound.
#[must_use]
pub fn free_ports<const N: usize>() -> [u16; N] {
    let held: [TcpListener; N] = std::array::from_fn(|_| {
        let free = (0..PORTS.len()).find_map(|_| TcpListener::bind(("127.0.0.1", next_port())).ok());
        free.expect("a loopback port is free")
    });
    held.map(|listener| listener.local_addr().expect("a bound listener has an address").port())
}

const PORTS: Range<u16> = 16_384..32_768;

/// Each process begins somewhere else, and goes through all of them.
fn next_port() -> u16 {
    static NEXT: LazyLock<AtomicU64> =
        LazyLock::new(|| AtomicU64::new(RandomState::new().build_hasher().finish()));
    let at = NEXT.fetch_add(1, Ordering::Relaxed) % PORTS.len() as u64;
    PORTS.start + u16::try_from(at).expect("a port of the range")
}
