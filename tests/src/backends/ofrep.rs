//! The OFREP provider against a daemon, asking for each evaluation and keeping all flags.

use std::path::PathBuf;
use std::time::Duration;

use ::ofrep::{Bulk, Mode, Options};

use crate::backend::{Backend, Control, Started, Work};
use crate::capability::Capability;
use crate::suites::flags;
use crate::world::{Daemon, DaemonOptions};

const REMOTE: &str = "the server evaluates";
const ONLY_ASKED: &str = "it knows of the server only what it is told when it asks";

/// One request for each evaluation.
pub(super) const PER_REQUEST: Backend = Backend {
    name: "ofrep, per request",
    lacks: &[
        (Capability::Change, ONLY_ASKED),
        (Capability::ChangedKeys, ONLY_ASKED),
        (Capability::Outage, ONLY_ASKED),
        (Capability::Synchronous, REMOTE),
    ],
    start: || -> Work<'static, Started> { Box::pin(start(Mode::PerRequest)) },
};

/// All flags at once, followed by event stream and polling.
pub(super) const BULK: Backend = Backend {
    name: "ofrep, bulk",
    lacks: &[(Capability::Synchronous, REMOTE)],
    start: || -> Work<'static, Started> {
        // Rarely polled: what changes is heard of by the stream, and a poll finds out that the server is away.
        let bulk = Bulk { poll_interval: Duration::from_millis(500), ..Bulk::default() };
        Box::pin(start(Mode::Bulk(bulk)))
    },
};

async fn start(mode: Mode) -> Started {
    let served = tokio::task::spawn_blocking(Served::start).await.unwrap();
    let base_url = format!("http://127.0.0.1:{}", served.daemon.ports().ofrep);
    Started::new(::ofrep::provider(Options { base_url, mode, ..Options::default() }).unwrap(), served)
}

/// A daemon with the standard flags in a file.
struct Served {
    daemon: Daemon,
    folder: tempfile::TempDir,
}

impl Served {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path().join("flags.json"), false);
        let source = format!("file:{}", folder.path().join("flags.json").display());
        Self { daemon: DaemonOptions::new(["-f".to_owned(), source]).start(), folder }
    }
}

/// Whole or not at all.
fn write(path: PathBuf, toggle: bool) {
    let next = path.with_extension("next");
    std::fs::write(&next, flags::document(toggle).to_string()).unwrap();
    std::fs::rename(next, path).unwrap();
}

impl Control for Served {
    fn toggle(&mut self, on: bool) {
        write(self.folder.path().join("flags.json"), on);
    }

    fn away(&mut self, away: bool) {
        if away {
            self.daemon.kill();
        } else {
            self.daemon.restart().unwrap();
        }
    }
}
