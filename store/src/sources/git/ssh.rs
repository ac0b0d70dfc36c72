//! Git's protocol over the system's `ssh`, with its keys, its configuration and its known hosts.

use std::io::{self, Read};
use std::path::PathBuf;
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use gix_transport::Protocol;
use gix_transport::client::git::ConnectMode;
use gix_transport::client::git::blocking_io::Connection;
use percent_encoding::percent_decode_str;
use tokio::sync::oneshot;

use super::address::Address;
use super::errand::Errand;

/// How much of what `ssh` says is kept.
const MOST_SAID: u64 = 4_096;

/// How to connect.
#[derive(Clone, Debug)]
pub(super) struct Ssh {
    /// The program, `ssh` but in tests.
    pub(super) program: PathBuf,
    /// The private key; none for those `ssh` finds itself.
    pub(super) identity: Option<PathBuf>,
    /// The file of known hosts; none for the usual ones.
    pub(super) known_hosts: Option<PathBuf>,
}

/// What the other side sends, up to a limit.
pub(super) type Answers = io::Take<ChildStdout>;

/// A running `ssh`. It is ended when this is dropped, or when the errand is over.
#[derive(Debug)]
pub(super) struct Running {
    child: Arc<Mutex<Child>>,
    said: Option<JoinHandle<String>>,
    _done: oneshot::Sender<()>,
}

impl Ssh {
    /// Starts `ssh`. At most `room` bytes are taken in.
    ///
    /// # Errors
    /// The program cannot be started.
    pub(super) fn connect(
        &self,
        address: &Address,
        errand: &Errand,
        room: u64,
    ) -> io::Result<(Connection<Answers, ChildStdin>, Running)> {
        let mut command = self.command(address)?;
        let mut child = command.spawn().map_err(|error| {
            io::Error::new(error.kind(), format!("cannot start {}: {error}", self.program.display()))
        })?;
        let pipes = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (Some(stdin), Some(stdout), Some(stderr)) = pipes else {
            return Err(io::Error::other("ssh has no pipes"));
        };
        let child = Arc::new(Mutex::new(child));
        let (done, ended) = oneshot::channel::<()>();
        let killed = Arc::clone(&child);
        errand.on_end(async { drop(ended.await) }, move || end(&killed));
        let said = thread::Builder::new().name("hoist-ssh".to_owned()).spawn(move || listen(stderr))?;
        let path = path(address)?;
        let connection = Connection::new(
            stdout.take(room),
            stdin,
            Protocol::V2,
            path,
            None::<(&str, _)>,
            ConnectMode::Process,
            false,
        );
        Ok((connection, Running { child, said: Some(said), _done: done }))
    }

    fn command(&self, address: &Address) -> io::Result<Command> {
        let mut command = Command::new(&self.program);
        // Nobody is there to be asked, and an unknown host is refused.
        command.args(["-o", "BatchMode=yes", "-o", "ConnectTimeout=5", "-o", "ServerAliveInterval=10"]);
        command.args(["-o", "SendEnv=GIT_PROTOCOL"]).env("GIT_PROTOCOL", "version=2");
        if let Some(identity) = &self.identity {
            command.arg("-i").arg(identity).args(["-o", "IdentitiesOnly=yes"]);
        }
        if let Some(hosts) = &self.known_hosts {
            command.arg("-o").arg(format!("UserKnownHostsFile={}", hosts.display()));
        }
        if let Some(port) = address.url.port() {
            command.arg("-p").arg(port.to_string());
        }
        let host = address.url.host_str().unwrap_or_default().trim_matches(['[', ']']);
        let user = address.user.as_ref().map(|user| format!("{user}@")).unwrap_or_default();
        command.arg("--").arg(format!("{user}{host}"));
        command.arg(format!("git-upload-pack {}", quoted(&path(address)?)));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Ok(command)
    }
}

impl Running {
    /// Ends `ssh` and gives what it said, on one line.
    pub(super) fn last_words(mut self) -> String {
        end(&self.child);
        let said = self.said.take().and_then(|said| said.join().ok()).unwrap_or_default();
        said.split_whitespace().collect::<Vec<_>>().join(" ")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        end(&self.child);
    }
}

fn end(child: &Mutex<Child>) {
    let mut child = child.lock().unwrap_or_else(PoisonError::into_inner);
    // It may have ended by itself.
    let _ = child.kill();
    let _ = child.wait();
}

fn listen(stderr: ChildStderr) -> String {
    let mut said = Vec::new();
    let mut stderr = stderr;
    // A pipe that breaks has said what it had to say; one that is full would stop the other side.
    let _ = stderr.by_ref().take(MOST_SAID).read_to_end(&mut said);
    let _ = io::copy(&mut stderr, &mut io::sink());
    String::from_utf8_lossy(&said).into_owned()
}

/// The repository's path on the other side; `/~` is a home there.
fn path(address: &Address) -> io::Result<String> {
    let path = percent_decode_str(address.url.path()).decode_utf8();
    let path = path.map_err(|_| io::Error::other("the path is not UTF-8"))?;
    Ok(path.strip_prefix('/').filter(|rest| rest.starts_with('~')).unwrap_or(&path).to_owned())
}

/// A word for the shell on the other side, which sees nothing special in it but a `~` at its start.
fn quoted(word: &str) -> String {
    let (home, rest) = match word.strip_prefix('~') {
        Some(rest) => {
            let end = rest.find('/').unwrap_or(rest.len());
            let plain = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
            if rest[..end].chars().all(plain) { word.split_at(1 + end) } else { ("", word) }
        }
        None => ("", word),
    };
    if rest.is_empty() { home.to_owned() } else { format!("{home}'{}'", rest.replace('\'', r"'\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_other_shell_sees_one_word() {
        for (path, word) in [
            ("/srv/a b.git", "'/srv/a b.git'"),
            ("/srv/it's;rm -rf $HOME", r"'/srv/it'\''s;rm -rf $HOME'"),
            ("~/flags.git", "~'/flags.git'"),
            ("~ada/flags.git", "~ada'/flags.git'"),
            ("~$(x)/y", "'~$(x)/y'"),
            ("~", "~"),
        ] {
            assert_eq!(quoted(path), word);
        }
    }

    #[test]
    fn the_command_names_key_hosts_and_port() {
        let address = Address::parse("git+ssh://git@host:2222/~ada/r.git?path=f.json").expect("an address");
        let ssh = Ssh {
            program: "ssh".into(),
            identity: Some("/keys/id".into()),
            known_hosts: Some("/keys/hosts".into()),
        };
        let command = ssh.command(&address).expect("a command");
        let args: Vec<_> = command.get_args().map(|arg| arg.to_string_lossy().into_owned()).collect();
        let tail = [
            "-i",
            "/keys/id",
            "-o",
            "IdentitiesOnly=yes",
            "-o",
            "UserKnownHostsFile=/keys/hosts",
            "-p",
            "2222",
        ];
        assert_eq!(args[8..16], tail);
        assert_eq!(args[16..], ["--", "git@host", "git-upload-pack ~ada'/r.git'"]);
        assert!(args.contains(&"BatchMode=yes".to_owned()));
    }
}
