//! The flagd provider with each of its resolvers, beside a daemon or a file.

use std::path::{Path, PathBuf};
use std::time::Duration;

use flagd::{Mode, Options, in_process, provider};
use kit::Evaluate;
use tempfile::TempDir;

use crate::backend::{Backend, Control, Started, Work};
use crate::capability::Capability;
use crate::suites::flags;
use crate::world::{Daemon, DaemonOptions};

/// The daemon evaluates.
pub(super) const RPC: Backend = Backend {
    name: "flagd, rpc",
    lacks: &[(Capability::Synchronous, "each evaluation is a call")],
    start: || -> Work<'static, Started> {
        Box::pin(async {
            let served = Served::start();
            Started::new(provider(served.options(Mode::Rpc)).unwrap(), served)
        })
    },
};

/// The daemon sends its flags.
pub(super) const IN_PROCESS: Backend = Backend {
    name: "flagd, in-process",
    lacks: &[],
    start: || -> Work<'static, Started> {
        Box::pin(async {
            let served = Served::start();
            local(served.options(Mode::InProcess), served)
        })
    },
};

/// There is no daemon.
pub(super) const FILE: Backend = Backend {
    name: "flagd, file",
    lacks: &[],
    start: || -> Work<'static, Started> {
        Box::pin(async {
            let file = Flags::new();
            let options = Options {
                resolver: Mode::File,
                offline_flag_source_path: Some(file.path.clone()),
                ..Options::default()
            };
            local(options, file)
        })
    },
};

fn local(options: Options, control: impl Control + 'static) -> Started {
    let provider = in_process(options).unwrap();
    let handle = provider.handle();
    let mut started = Started::new(provider, control);
    started.at_once = Some(Box::new(move |key, default, context| handle.bool(key, default, context)));
    started
}

/// The standard flags in a file.
struct Flags {
    path: PathBuf,
    _folder: TempDir,
}

impl Flags {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("flags.json");
        write(&path, false);
        Self { path, _folder: folder }
    }
}

fn write(path: &Path, toggle: bool) {
    let beside = path.with_extension("new");
    std::fs::write(&beside, flags::document(toggle).to_string()).unwrap();
    std::fs::rename(&beside, path).unwrap();
}

impl Control for Flags {
    fn toggle(&mut self, on: bool) {
        write(&self.path, on);
    }

    fn away(&mut self, away: bool) {
        match away {
            true => std::fs::remove_file(&self.path).unwrap(),
            false => write(&self.path, false),
        }
    }
}

/// A daemon that serves the file.
struct Served {
    daemon: Daemon,
    flags: Flags,
}

impl Served {
    fn start() -> Self {
        let flags = Flags::new();
        let uri = format!("file:{}", flags.path.display());
        Self { daemon: DaemonOptions::new(["--uri", &uri]).start(), flags }
    }

    fn options(&self, resolver: Mode) -> Options {
        let ports = self.daemon.ports();
        Options {
            resolver,
            host: "127.0.0.1".to_owned(),
            port: Some(if resolver == Mode::Rpc { ports.evaluation } else { ports.sync }),
            deadline: Duration::from_secs(5),
            retry_backoff: Duration::from_millis(50),
            retry_backoff_max: Duration::from_millis(500),
            ..Options::default()
        }
    }
}

impl Control for Served {
    fn toggle(&mut self, on: bool) {
        self.flags.toggle(on);
    }

    fn away(&mut self, away: bool) {
        match away {
            true => self.daemon.kill(),
            false => self.daemon.restart().unwrap(),
        }
    }
}
