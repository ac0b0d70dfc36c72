//! Starts a daemon over the testbed's flags as the testbed's own launcher does (contracts: flagd 11.4).

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};
use tempfile::TempDir;

use crate::world::{Daemon, DaemonOptions, Ports, http};

/// Files that stay sources of their own instead of being merged into one.
const SEPARATE: [&str; 2] = ["selector-flag-combined-metadata.json", "selector-flags.json"];
/// How long flags may take to be served after the daemon says that it is ready.
const SERVED: Duration = Duration::from_secs(10);

/// How the daemon is set up; the testbed calls it the kind of provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Setup {
    /// As it comes.
    Stable,
    /// Without the deprecated sync metadata call.
    SyncPayload,
    /// With a certificate that only its own authority vouches for.
    Ssl,
    /// On unix sockets.
    Socket,
}

/// A daemon over a private copy of the testbed's flags.
#[derive(Debug)]
pub struct Testbed {
    daemon: Arc<Mutex<Daemon>>,
    ports: Ports,
    folder: TempDir,
    coming_back: Mutex<Option<JoinHandle<Result<(), String>>>>,
}

impl Testbed {
    /// Copies the flags of the testbed at `root`, starts a daemon over them and waits until they are served.
    #[must_use]
    pub fn launch(root: &Path, setup: Setup) -> Self {
        let folder = TempDir::with_prefix("testbed-").expect("a temporary folder");
        copy_flags(&root.join("flags"), folder.path());
        let mut sources = vec![json!({"uri": "flags/allFlags.json", "provider": "file"})];
        sources.extend(SEPARATE.map(|name| json!({"uri": format!("rawflags/{name}"), "provider": "file"})));
        let mut config = json!({"sources": sources, "context-value": {"injectedmetadata": "set"}});
        if setup == Setup::SyncPayload {
            config["disable-sync-metadata"] = Value::Bool(true);
        }
        write_json(&folder.path().join("config.json"), &config);
        let mut options = DaemonOptions::new(["--config", "config.json"]);
        options.args.extend(setup_args(setup, folder.path()));
        options.folder = Some(folder.path().to_path_buf());
        options.log = Some(folder.path().join("daemon.log"));
        let daemon = options.start();
        let ports = daemon.ports();
        let daemon = Arc::new(Mutex::new(daemon));
        let testbed = Self { daemon, ports, folder, coming_back: Mutex::new(None) };
        testbed.wait_served();
        testbed
    }

    /// Where the daemon listens.
    #[must_use]
    pub fn ports(&self) -> Ports {
        self.ports
    }

    /// The private copy of the flags: `flags/allFlags.json` and more.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// What a client has to be told beside a port, under the names of its options.
    #[must_use]
    pub(super) fn options(&self, setup: Setup, kind: &str) -> Map<String, Value> {
        let path = |name: &str| Value::from(self.folder.path().join(name).to_string_lossy());
        let options = match (setup, kind) {
            (_, "file") => vec![("folder", path(""))],
            (Setup::Ssl, _) => vec![("tls", true.into()), ("certPath", path("cert.pem"))],
            (Setup::Socket, "in-process") => vec![("socketPath", path("sync.sock"))],
            (Setup::Socket, _) => vec![("socketPath", path("flagd.sock"))],
            (Setup::Stable | Setup::SyncPayload, _) => Vec::new(),
        };
        options.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }

    /// Takes the merged file away and puts it back after a while, from another thread.
    pub(super) fn lose_file(&self, time: Duration) {
        let path = self.all_flags();
        let away = path.with_extension("away");
        std::fs::rename(&path, &away).expect("the file can be moved");
        let coming_back = std::thread::spawn(move || {
            std::thread::sleep(time);
            std::fs::rename(&away, &path).map_err(|e| e.to_string())
        });
        *self.coming_back.lock().expect("no panic holds the thread") = Some(coming_back);
    }

    /// What the daemon logged so far, its last lines only.
    #[must_use]
    pub fn log_tail(&self) -> String {
        let log = std::fs::read_to_string(self.folder.path().join("daemon.log")).unwrap_or_default();
        let lines: Vec<_> = log.lines().collect();
        lines[lines.len().saturating_sub(5)..].join("\n")
    }

    /// Gives the changing flag its other default variant by writing the merged file anew, in place.
    pub fn modify_flag(&self) {
        let path = self.all_flags();
        let mut all = read_json(&path);
        let variant = &mut all["flags"]["changing-flag"]["defaultVariant"];
        *variant = json!(if variant == "foo" { "bar" } else { "foo" });
        write_json(&path, &all);
    }

    /// Kills the daemon and brings it back after a while, from another thread.
    pub fn lose_connection(&self, time: Duration) {
        let daemon = Arc::clone(&self.daemon);
        daemon.lock().expect("no panic holds the daemon").kill();
        let coming_back = std::thread::spawn(move || {
            std::thread::sleep(time);
            daemon.lock().expect("no panic holds the daemon").restart()
        });
        *self.coming_back.lock().expect("no panic holds the thread") = Some(coming_back);
    }

    /// Waits until a daemon that was lost serves its flags again: a client may hear from it before that.
    ///
    /// # Errors
    /// A text saying how its start failed.
    pub fn wait_back(&self) -> Result<(), String> {
        let coming_back = self.coming_back.lock().expect("no panic holds the thread").take();
        if let Some(thread) = coming_back {
            thread.join().map_err(|_| "restarting panicked".to_owned())??;
            self.wait_served();
        }
        Ok(())
    }

    fn all_flags(&self) -> PathBuf {
        self.folder.path().join("flags/allFlags.json")
    }

    /// Go flagd is ready before its flags are; one flag of each source is asked for until it is found.
    fn wait_served(&self) {
        let deadline = Instant::now() + SERVED;
        for key in ["boolean-flag", "selector-flag", "combined-metadata-flag"] {
            let path = format!("/ofrep/v1/evaluate/flags/{key}");
            while !http::post(self.ports.ofrep, &path, &json!({})).is_ok_and(|answer| answer.status == 200) {
                assert!(Instant::now() < deadline, "flag {key} is not served:\n{}", self.log_tail());
                std::thread::sleep(Duration::from_millis(20));
            }
        }
    }
}

/// Arguments that a setup takes, and what lies in the folder for them.
fn setup_args(setup: Setup, folder: &Path) -> Vec<OsString> {
    let path = |name: &str| folder.join(name).into_os_string();
    match setup {
        Setup::Stable | Setup::SyncPayload => Vec::new(),
        Setup::Ssl => {
            let made = rcgen::generate_simple_self_signed(["localhost".to_owned(), "127.0.0.1".to_owned()]);
            let made = made.expect("a certificate");
            std::fs::write(folder.join("cert.pem"), made.cert.pem()).expect("a file in a new folder");
            std::fs::write(folder.join("key.pem"), made.signing_key.serialize_pem())
                .expect("a file in a new folder");
            let (cert, key) = (path("cert.pem"), path("key.pem"));
            vec!["--server-cert-path".into(), cert, "--server-key-path".into(), key]
        }
        Setup::Socket => {
            let (evaluation, sync) = (path("flagd.sock"), path("sync.sock"));
            vec!["--socket-path".into(), evaluation, "--sync-socket-path".into(), sync]
        }
    }
}

fn copy_flags(from: &Path, into: &Path) {
    for folder in ["flags", "rawflags"] {
        std::fs::create_dir_all(into.join(folder)).expect("a folder in a new temporary folder");
    }
    let files = std::fs::read_dir(from).unwrap_or_else(|e| panic!("{}: {e}", from.display()));
    let mut names: Vec<_> = files.filter_map(|file| file.ok()?.file_name().into_string().ok()).collect();
    names.retain(|name| name.ends_with(".json"));
    names.sort();
    let mut all = Map::new();
    for name in &names {
        let document = read_json(&from.join(name));
        if SEPARATE.contains(&name.as_str()) {
            write_json(&into.join("rawflags").join(name), &document);
        } else if let Value::Object(document) = document {
            merge(&mut all, document);
        }
    }
    write_json(&into.join("flags/allFlags.json"), &Value::Object(all));
}

/// Objects are merged member by member, anything else is replaced by the later file.
fn merge(into: &mut Map<String, Value>, from: Map<String, Value>) {
    for (key, value) in from {
        match (into.get_mut(&key), value) {
            (Some(Value::Object(into)), Value::Object(from)) => merge(into, from),
            (_, value) => {
                into.insert(key, value);
            }
        }
    }
}

fn read_json(path: &Path) -> Value {
    let text = std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

fn write_json(path: &Path, value: &Value) {
    std::fs::write(path, format!("{value:#}")).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
}
