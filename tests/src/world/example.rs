//! A program of `examples/` as a process: its output read line by line, killed on drop.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use super::place;

/// How long anything may take that an example does.
const SOON: Duration = Duration::from_secs(30);

/// A running example.
#[derive(Debug)]
pub struct Example {
    name: String,
    child: Child,
    lines: Receiver<String>,
    /// What it said, for failures.
    seen: Vec<String>,
}

impl Example {
    /// Starts `name` in `folder` with these words and, of this process's environment, only what programs need, and `variables`.
    ///
    /// # Panics
    /// When it does not build or start.
    #[must_use]
    pub fn start(name: &str, folder: &Path, words: &[&str], variables: &[(&str, &str)]) -> Self {
        let rooms = ["engine", "store", "proto", "middleware", "providers", "examples"];
        let program =
            place::program(&format!("examples/{name}"), &rooms, &["-p", "examples", "--example", name]);
        let mut command = Command::new(program);
        command.args(words).current_dir(folder).env_clear();
        if let Some(path) = std::env::var_os("PATH") {
            command.env("PATH", path);
        }
        command.envs(variables.iter().copied()).stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{name} does not start: {error}"));
        let output = BufReader::new(child.stdout.take().expect("a pipe"));
        let (sender, lines) = channel();
        // Ends with the process.
        std::thread::spawn(move || {
            output.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)).is_ok()
        });
        Self { name: name.to_owned(), child, lines, seen: Vec::new() }
    }

    /// Waits for a line that `begins` so, past others, and gives it.
    ///
    /// # Panics
    /// When none comes.
    pub fn line(&mut self, begins: &str) -> String {
        let deadline = Instant::now() + SOON;
        loop {
            match self.lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(line) => {
                    self.seen.push(line.clone());
                    if line.starts_with(begins) {
                        return line;
                    }
                }
                Err(why) => panic!("{}: no line `{begins}..` ({why}); it said {:#?}", self.name, self.seen),
            }
        }
    }

    /// Waits for its end, and gives all lines that were not asked for yet.
    ///
    /// # Panics
    /// When it does not end, or not well.
    #[must_use]
    pub fn end(mut self) -> Vec<String> {
        let deadline = Instant::now() + SOON;
        let mut rest = Vec::new();
        loop {
            match self.lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(line) => rest.push(line),
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => panic!("{} does not end; it said {rest:#?}", self.name),
            }
        }
        let status = self.child.wait();
        let well = status.as_ref().is_ok_and(ExitStatus::success);
        assert!(well, "{} ended with {status:?}; it said {rest:#?}", self.name);
        rest
    }
}

impl Drop for Example {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
