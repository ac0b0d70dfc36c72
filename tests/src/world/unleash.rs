//! A real Unleash: the server from npm over a PostgreSQL of its own, both stopped on drop.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::{free_ports, http};

/// How long anything may take to start: migrations included.
const START: Duration = Duration::from_secs(240);

/// Tokens of the server; the database lives as long as the test.
pub const BACKEND: &str = "default:development.hoist-backend";
/// For the frontend API.
pub const FRONTEND: &str = "default:development.hoist-frontend";
const ADMIN: &str = "*:*.hoist-admin";

/// A running server.
#[derive(Debug)]
pub struct Unleash {
    /// Where it listens.
    pub port: u16,
    server: Child,
    database: Child,
    _folder: TempDir,
}

impl Unleash {
    /// Starts the server whose packages are installed in `packages`.
    ///
    /// # Errors
    /// Why this machine cannot have it.
    pub fn start(packages: &Path) -> Result<Self, String> {
        let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
        let [port, database_port] = free_ports();
        let database = database(folder.path(), database_port)?;
        let log =
            std::fs::File::create(folder.path().join("unleash.log")).map_err(|error| error.to_string())?;
        let err = log.try_clone().map_err(|error| error.to_string())?;
        let url = format!("postgres://postgres@127.0.0.1:{database_port}/postgres");
        let server = Command::new("node")
            .arg(packages.join("node_modules/unleash-server/dist/server.js"))
            .envs([
                ("HTTP_HOST", "127.0.0.1"),
                ("PORT", &port.to_string()),
                ("DATABASE_URL", &url),
                ("DATABASE_SSL", "false"),
                ("CHECK_VERSION", "false"),
                ("SEND_TELEMETRY", "false"),
                ("LOG_LEVEL", "warn"),
                ("NODE_ENV", "production"),
                ("FRONTEND_API_REFRESH_INTERVAL_MS", "500"),
                ("INIT_ADMIN_API_TOKENS", ADMIN),
                ("INIT_CLIENT_API_TOKENS", BACKEND),
                ("INIT_FRONTEND_API_TOKENS", FRONTEND),
            ])
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(err)
            .spawn()
            .map_err(|error| format!("no node: {error}"))?;
        let mut unleash = Self { port, server, database, _folder: folder };
        unleash.wait()?;
        Ok(unleash)
    }

    fn wait(&mut self) -> Result<(), String> {
        let deadline = Instant::now() + START;
        while Instant::now() < deadline {
            if let Ok(Some(status)) = self.server.try_wait() {
                let log =
                    std::fs::read_to_string(self._folder.path().join("unleash.log")).unwrap_or_default();
                return Err(format!("unleash-server exited with {status}: {log}"));
            }
            if http::get(self.port, "/health").is_ok_and(|answer| answer.status == 200) {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(200));
        }
        Err(format!("unleash-server is not healthy after {START:?}"))
    }

    /// Asks the admin API; panics if it refuses.
    pub fn admin(&self, method: &str, path: &str, body: &Value) -> Value {
        let text = if body.is_null() { String::new() } else { body.to_string() };
        let headers = [("authorization", ADMIN), ("content-type", "application/json")];
        let answer = http::send(self.port, method, &format!("/api/admin{path}"), &headers, text.as_bytes())
            .expect("the server answers");
        assert!((200..300).contains(&answer.status), "{method} {path}: {} {}", answer.status, answer.text());
        serde_json::from_slice(&answer.body).unwrap_or_default()
    }

    /// Creates a flag with these strategies and switches it on.
    pub fn flag(&self, name: &str, strategies: &[Value]) {
        self.admin(
            "POST",
            "/projects/default/features",
            &json!({"name": name, "type": "release", "impressionData": false}),
        );
        let environment = format!("/projects/default/features/{name}/environments/development");
        for strategy in strategies {
            self.admin("POST", &format!("{environment}/strategies"), strategy);
        }
        self.admin("POST", &format!("{environment}/on"), &Value::Null);
    }

    /// The flags that are on for an Unleash context, by the server's own frontend API or by that on another port.
    pub fn frontend(port: u16, context: &Value) -> Result<Vec<Value>, String> {
        let headers = [("authorization", FRONTEND), ("content-type", "application/json")];
        let body = json!({ "context": context }).to_string();
        let answer = http::send(port, "POST", "/api/frontend", &headers, body.as_bytes())
            .map_err(|error| error.to_string())?;
        if answer.status != 200 {
            return Err(format!("{} {}", answer.status, answer.text()));
        }
        Ok(answer.json()["toggles"].as_array().cloned().unwrap_or_default())
    }
}

impl Drop for Unleash {
    fn drop(&mut self) {
        for child in [&mut self.server, &mut self.database] {
            let _ = Command::new("kill").args(["-INT", &child.id().to_string()]).status();
            let deadline = Instant::now() + Duration::from_secs(10);
            while matches!(child.try_wait(), Ok(None)) && Instant::now() < deadline {
                std::thread::sleep(Duration::from_millis(50));
            }
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// A PostgreSQL in `folder`. As root it runs as the user `postgres`, since it refuses to be root.
fn database(folder: &Path, port: u16) -> Result<Child, String> {
    let programs = programs().ok_or("no PostgreSQL (initdb and postgres)")?;
    let root = Command::new("id").arg("-u").output().is_ok_and(|id| id.stdout.trim_ascii() == b"0");
    let command = |program: &str| {
        let program = programs.join(program);
        if root {
            let mut command = Command::new("setpriv");
            command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups"]).arg(program);
            command
        } else {
            Command::new(program)
        }
    };
    let data = folder.join("data");
    std::fs::create_dir(&data).map_err(|error| error.to_string())?;
    if root {
        for path in [folder, &data] {
            let owned = Command::new("chown").arg("postgres").arg(path).status();
            owned.map_err(|error| error.to_string())?;
        }
    }
    let made = command("initdb")
        .args(["--auth=trust", "--username=postgres", "--no-sync", "-D"])
        .arg(&data)
        .current_dir(folder)
        .output()
        .map_err(|error| error.to_string())?;
    if !made.status.success() {
        return Err(format!("initdb: {}", String::from_utf8_lossy(&made.stderr)));
    }
    let mut database = command("postgres")
        .args(["-h", "127.0.0.1", "-p", &port.to_string(), "-c", "fsync=off", "-k"])
        .arg(&data)
        .arg("-D")
        .arg(&data)
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| error.to_string())?;
    let deadline = Instant::now() + START;
    while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
        if Instant::now() > deadline || !matches!(database.try_wait(), Ok(None)) {
            let _ = database.kill();
            return Err("PostgreSQL does not start".to_owned());
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    Ok(database)
}

/// Where `initdb` and `postgres` are: on the path, or where Debian puts them.
fn programs() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let debian = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let debian = debian.map(|entry| entry.path().join("bin"));
    std::env::split_paths(&path).chain(debian).find(|folder| folder.join("initdb").is_file())
}
