//! The daemon as a process, and a client that asks it over HTTP/1.1.

#![allow(dead_code, unreachable_pub, reason = "each test binary uses a part of it")]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use serde_json::Value;

/// How long anything may take before a test gives up.
const PATIENCE: Duration = Duration::from_secs(60);

/// `hoistd start` on free ports, with a log that can be read.
const FREE: &[&str] = &["start", "-p", "0", "-m", "0", "-g", "0", "-r", "0", "--log-format", "json"];

/// A running daemon on free ports; killed when dropped.
pub struct Daemon {
    child: Child,
    log: Receiver<Value>,
    /// Ports by service: `evaluation`, `management`, `sync`, `ofrep`.
    pub ports: BTreeMap<String, u16>,
}

impl Daemon {
    /// Starts `hoistd start` with `words` and waits for the log line that begins with `until`.
    pub fn start(words: &[&str], until: &str) -> Self {
        Self::launch(&[FREE, words].concat(), &[], until)
    }

    /// The same where the process has one core to itself; `None` if there is nothing that could give it one.
    pub fn start_on_one_core(words: &[&str], until: &str) -> Option<Self> {
        Command::new("taskset").arg("--version").output().ok()?;
        let mut command = Command::new("taskset");
        command.args(["-c", "0", env!("CARGO_BIN_EXE_hoistd")]).args(FREE).args(words).env_clear();
        Some(Self::of(command, until))
    }

    /// Starts `hoistd` with `words`, which have it log JSON, and waits for the log line that begins with `until`.
    pub fn launch(words: &[&str], environment: &[(&str, &str)], until: &str) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hoistd"));
        command.args(words).env_clear().envs(environment.iter().copied());
        Self::of(command, until)
    }

    fn of(mut command: Command, until: &str) -> Self {
        command.stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("hoistd runs");
        let (lines, log) = channel();
        let stderr = BufReader::new(child.stderr.take().expect("a pipe"));
        std::thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                let line = serde_json::from_str(&line).unwrap_or(Value::String(line));
                if lines.send(line).is_err() {
                    return;
                }
            }
        });
        let mut daemon = Self { child, log, ports: BTreeMap::new() };
        daemon.wait_for(until);
        daemon
    }

    /// Reads the log until a line begins with `text`.
    pub fn wait_for(&mut self, text: &str) -> Value {
        loop {
            let line =
                self.log.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("no line {text:?} in the log"));
            let message = line["msg"].as_str().or(line.as_str()).unwrap_or_default();
            if let (Some(service), Some(address)) =
                (message.strip_prefix("serving "), line["address"].as_str())
            {
                let port = address.rsplit(':').next().and_then(|port| port.parse().ok());
                self.ports.insert(service.to_owned(), port.unwrap_or_default());
            }
            if message.starts_with(text) {
                return line;
            }
        }
    }

    /// Sends a signal by name.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").arg(format!("-{name}")).arg(self.child.id().to_string()).status();
        assert!(sent.expect("kill runs").success());
    }

    /// A line of its `/proc/PID/status` such as `VmRSS`, in kilobytes.
    pub fn memory(&self, line: &str) -> u64 {
        let path = format!("/proc/{}/status", self.child.id());
        let status = std::fs::read_to_string(path).expect("a status");
        let found = status.lines().find_map(|found| found.strip_prefix(line)?.strip_prefix(':'));
        let kilobytes = found.and_then(|text| text.trim().trim_end_matches(" kB").parse().ok());
        kilobytes.unwrap_or_else(|| panic!("no {line} of a process"))
    }

    /// Waits for the end; answers how, and after how long.
    pub fn end(mut self) -> (ExitStatus, Duration) {
        let begin = Instant::now();
        while begin.elapsed() < PATIENCE {
            if let Some(status) = self.child.try_wait().expect("a status") {
                return (status, begin.elapsed());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        panic!("the daemon does not end");
    }

    /// A client of the service `name`.
    pub fn client(&self, name: &str) -> Client {
        Client::new(self.ports[name])
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// One connection, one request after the other.
pub struct Client {
    stream: BufReader<TcpStream>,
}

impl Client {
    pub fn new(port: u16) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", port)).expect("a connection");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        stream.set_nodelay(true).expect("no delay");
        Self { stream: BufReader::new(stream) }
    }

    /// Sends a request.
    pub fn send(&mut self, method: &str, path: &str, content_type: &str, body: &[u8]) {
        let length = body.len();
        let mut request = format!(
            "{method} {path} HTTP/1.1\r\nhost: test\r\ncontent-type: {content_type}\r\ncontent-length: {length}\r\n\r\n"
        )
        .into_bytes();
        request.extend_from_slice(body);
        self.stream.get_mut().write_all(&request).expect("sent");
    }

    /// Announces a body of `length` bytes and sends none of it.
    pub fn announce(&mut self, path: &str, length: usize) {
        let head = format!("POST {path} HTTP/1.1\r\nhost: test\r\ncontent-length: {length}\r\n\r\n");
        self.stream.get_mut().write_all(head.as_bytes()).expect("sent");
    }

    /// Reads the head of an answer: status, and header values by name.
    pub fn head(&mut self) -> (u16, BTreeMap<String, String>) {
        let line = self.line();
        let status = line.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
        let mut headers = BTreeMap::new();
        loop {
            let line = self.line();
            let Some((name, value)) = line.split_once(':') else { return (status, headers) };
            headers.insert(name.to_lowercase(), value.trim().to_owned());
        }
    }

    /// Asks with JSON; the answer is status and JSON.
    pub fn post(&mut self, path: &str, body: &Value) -> (u16, Value) {
        self.send("POST", path, "application/json", body.to_string().as_bytes());
        self.answer()
    }

    /// Reads an answer: status and JSON, `null` without a body.
    pub fn answer(&mut self) -> (u16, Value) {
        let (status, headers) = self.head();
        let body = match headers.get("content-length") {
            Some(length) => self.bytes(length.parse().expect("a length")),
            None if headers.contains_key("transfer-encoding") => {
                std::iter::from_fn(|| self.chunk()).flatten().collect()
            }
            None => Vec::new(),
        };
        (status, serde_json::from_slice(&body).unwrap_or(Value::Null))
    }

    /// Reads an answer: its body as text.
    pub fn text(&mut self) -> String {
        let (_, headers) = self.head();
        let length = headers.get("content-length").and_then(|length| length.parse().ok()).unwrap_or_default();
        String::from_utf8_lossy(&self.bytes(length)).into_owned()
    }

    /// The next chunk of a chunked answer; `None` at its end.
    pub fn chunk(&mut self) -> Option<Vec<u8>> {
        let line = self.line();
        let length = usize::from_str_radix(line.trim(), 16).expect("a chunk's length");
        let chunk = self.bytes(length);
        assert_eq!(self.line(), "");
        (length > 0).then_some(chunk)
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.stream.read_line(&mut line).expect("a line");
        line.trim_end().to_owned()
    }

    fn bytes(&mut self, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        self.stream.read_exact(&mut bytes).expect("bytes");
        bytes
    }
}
