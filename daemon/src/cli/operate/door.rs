//! Speaking with a daemon through its socket: one request of HTTP/1.1, one answer.

use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;

use super::NotDone;
use crate::args::{DoorArgs, Environment};
use crate::services::control;

/// The most bytes of an answer.
const MOST_BYTES: u64 = 64 << 20;
/// How long the daemon may take; folding many flags on a busy machine takes a while.
const PATIENCE: Duration = Duration::from_secs(60);

/// The socket of a daemon.
pub(super) struct Door {
    path: PathBuf,
}

impl Door {
    pub(super) fn find(args: &DoorArgs, environment: &Environment) -> Result<Self, NotDone> {
        let named = args.state_dir.clone();
        let folder = named.or_else(|| environment.get("HOISTD_STATE_DIR").map(PathBuf::from));
        Ok(Self { path: control::socket(&folder.ok_or(NotDone::NoStateDir)?) })
    }

    /// How the daemon is doing.
    pub(super) fn status(&self) -> Result<Value, NotDone> {
        self.ask("GET", "/v1/status", "")
    }

    /// Has something done.
    pub(super) fn order(&self, path: &str, order: &Value) -> Result<Value, NotDone> {
        self.ask("POST", path, &order.to_string())
    }

    fn ask(&self, method: &str, path: &str, body: &str) -> Result<Value, NotDone> {
        let mut stream = UnixStream::connect(&self.path).map_err(|source| match source.kind() {
            ErrorKind::PermissionDenied => NotDone::NotAllowed { path: self.shown(), source },
            _ => NotDone::NobodyThere { path: self.shown(), source },
        })?;
        let mut answer = Vec::new();
        let length = body.len();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: hoistd\r\nConnection: close\r\nContent-Type: application/json\r\n\
             Content-Length: {length}\r\n\r\n{body}"
        );
        let spoken = stream
            .set_read_timeout(Some(PATIENCE))
            .and_then(|()| stream.set_write_timeout(Some(PATIENCE)))
            .and_then(|()| stream.write_all(request.as_bytes()))
            .and_then(|()| stream.take(MOST_BYTES).read_to_end(&mut answer));
        spoken.map_err(|error| self.garbled(error.to_string()))?;
        let answer = String::from_utf8_lossy(&answer);
        let (head, body) =
            answer.split_once("\r\n\r\n").ok_or_else(|| self.garbled("no answer".to_owned()))?;
        let good = head.split(' ').nth(1) == Some("200");
        let said: Value = serde_json::from_str(body).map_err(|error| self.garbled(error.to_string()))?;
        match said["error"].as_str() {
            Some(error) if !good => Err(NotDone::Refused(error.to_owned())),
            None if !good => Err(self.garbled("an error without words".to_owned())),
            _ => Ok(said),
        }
    }

    fn garbled(&self, what: String) -> NotDone {
        NotDone::Garbled { path: self.shown(), what }
    }

    fn shown(&self) -> String {
        self.path.display().to_string()
    }
}

/// Who is at the keyboard: who became root, the user, or the number of the user.
pub(super) fn author(environment: &Environment) -> String {
    let names = ["SUDO_USER", "USER", "LOGNAME"];
    let named = names.into_iter().find_map(|name| environment.get(name)).map(str::to_owned);
    let number = || {
        std::fs::metadata("/proc/self")
            .map_or_else(|_| "unknown".to_owned(), |me| format!("uid {}", me.uid()))
    };
    named.unwrap_or_else(number)
}
