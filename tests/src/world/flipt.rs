//! A real Flipt (v2) over a folder of its own, stopped on drop.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::{free_ports, http};

/// The token that the server asks for.
pub const TOKEN: &str = "hoist-token";
/// Names the program.
const PROGRAM: &str = "HOIST_TEST_FLIPT";
/// How long a start may take.
const START: Duration = Duration::from_secs(60);

/// A running server.
#[derive(Debug)]
pub struct Flipt {
    /// Where it listens.
    pub port: u16,
    program: PathBuf,
    server: Child,
    folder: TempDir,
}

impl Flipt {
    /// A server with the flags of one namespace, written as its `features.yaml`.
    ///
    /// # Errors
    /// Why there is none: nobody names the program, or it does not start.
    pub fn start(namespace: &str, features: &Value) -> Result<Self, String> {
        let program = std::env::var_os(PROGRAM).map(PathBuf::from);
        let program =
            program.ok_or_else(|| format!("starts a real Flipt only with {PROGRAM}=/path/to/flipt"))?;
        let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
        let [port, grpc] = free_ports();
        let kept = folder.path().join("kept");
        let below = kept.join(namespace);
        std::fs::create_dir_all(&below).map_err(|error| error.to_string())?;
        // JSON is YAML.
        std::fs::write(below.join("features.yaml"), features.to_string())
            .map_err(|error| error.to_string())?;
        committed(&kept)?;
        let config = json!({
            "version": "2.0",
            "log": {"level": "WARN"},
            "meta": {"check_for_updates": false, "telemetry_enabled": false},
            "ui": {"enabled": false},
            "server": {"host": "127.0.0.1", "http_port": port, "grpc_port": grpc},
            "storage": {"default": {"backend": {"type": "local", "path": kept}, "branch": "main"}},
            "environments": {"default": {"name": "default", "storage": "default", "default": true}},
            "authentication": {"required": true, "methods": {"token": {
                "enabled": true,
                "storage": {"type": "static", "tokens": {"hoist": {"credential": TOKEN}}}}}},
        });
        std::fs::write(folder.path().join("flipt.yml"), config.to_string())
            .map_err(|error| error.to_string())?;
        let server = spawn(&program, folder.path())?;
        let mut flipt = Self { port, program, server, folder };
        flipt.wait()?;
        Ok(flipt)
    }

    /// Its address.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Kills it at once; [`Flipt::restart`] brings it back with all that it was told.
    pub fn kill(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }

    /// Starts it again on the same port.
    ///
    /// # Errors
    /// Why it does not start.
    pub fn restart(&mut self) -> Result<(), String> {
        self.kill();
        self.server = spawn(&self.program, self.folder.path())?;
        self.wait()
    }

    /// What its evaluation API answers to these questions, in their order; panics if it refuses.
    #[must_use]
    pub fn batch(&self, requests: &[Value]) -> Vec<Value> {
        let answer = self.ask("POST", "/evaluate/v1/batch", &json!({ "requests": requests }));
        answer["responses"].as_array().cloned().expect("responses")
    }

    /// Switches a boolean flag without rollouts by its management API.
    pub fn switch(&self, namespace: &str, key: &str, on: bool) {
        let resources = format!("/api/v2/environments/default/namespaces/{namespace}/resources");
        let revision = &self.ask("GET", &format!("{resources}/flipt.core.Flag"), &Value::Null)["revision"];
        let flag = json!({"@type": "flipt.core.Flag", "key": key, "name": key, "type": "BOOLEAN_FLAG_TYPE", "enabled": on});
        self.ask("PUT", &resources, &json!({"revision": revision, "key": key, "payload": flag}));
    }

    fn ask(&self, method: &str, path: &str, body: &Value) -> Value {
        let authorization = format!("Bearer {TOKEN}");
        let headers = [("authorization", authorization.as_str()), ("content-type", "application/json")];
        let text = if body.is_null() { String::new() } else { body.to_string() };
        let answer = http::send(self.port, method, path, &headers, text.as_bytes()).expect("an answer");
        assert!((200..300).contains(&answer.status), "{method} {path}: {} {}", answer.status, answer.text());
        answer.json()
    }

    fn wait(&mut self) -> Result<(), String> {
        let log = || std::fs::read_to_string(self.folder.path().join("flipt.log")).unwrap_or_default();
        let deadline = Instant::now() + START;
        while Instant::now() < deadline {
            if let Ok(Some(status)) = self.server.try_wait() {
                return Err(format!("flipt exited with {status}: {}", log()));
            }
            if http::get(self.port, "/health").is_ok_and(|answer| answer.status == 200) {
                // It starts without flags that it cannot read.
                let log = log();
                return if log.contains("ERROR") { Err(format!("flipt complains: {log}")) } else { Ok(()) };
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Err(format!("flipt is not healthy after {START:?}: {}", log()))
    }
}

impl Drop for Flipt {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Makes a repository of a folder: a Flipt sees only what was committed.
fn committed(folder: &Path) -> Result<(), String> {
    let somebody = ["-c", "user.name=hoist", "-c", "user.email=hoist@example.com"];
    for words in [
        &["init", "--quiet", "--initial-branch=main"][..],
        &["add", "."],
        &["commit", "--quiet", "-m", "Begin"],
    ] {
        let git = Command::new("git").args(somebody).args(words).current_dir(folder).output();
        let git = git.map_err(|error| format!("no git: {error}"))?;
        if !git.status.success() {
            return Err(format!("git {}: {}", words[0], String::from_utf8_lossy(&git.stderr)));
        }
    }
    Ok(())
}

fn spawn(program: &Path, folder: &Path) -> Result<Child, String> {
    let log = std::fs::File::create(folder.join("flipt.log")).map_err(|error| error.to_string())?;
    let err = log.try_clone().map_err(|error| error.to_string())?;
    let mut command = Command::new(program);
    command.args(["server", "--config"]).arg(folder.join("flipt.yml")).stdin(Stdio::null());
    command.stdout(log).stderr(err).spawn().map_err(|error| format!("{}: {error}", program.display()))
}
