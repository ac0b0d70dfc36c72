//! Load by nghttp2's `h2load`, a generator that is not ours.

use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::Failure;
use crate::load::{Exchange, Throughput, Wire};
use crate::server::Server;
use crate::workload::Shape;

/// Keeps as many requests in flight as `shape` says for `time`. The answer was verified before; here it has to be a success.
pub(crate) async fn closed_loop(
    server: &Server,
    exchange: &Exchange,
    shape: Shape,
    time: Duration,
) -> Result<Throughput, Failure> {
    let mut body = tempfile::NamedTempFile::new()?;
    body.write_all(&exchange.body)?;
    let mut command = tokio::process::Command::from(Command::new("h2load"));
    command.args(["--threads", "1", "--duration", &time.as_secs().max(1).to_string()]);
    command.args(["--clients", &shape.connections.to_string()]);
    command.args(["--max-concurrent-streams", &shape.streams.to_string()]);
    if exchange.wire == Wire::H1 {
        command.arg("--h1");
    }
    command.arg("--data").arg(body.path());
    for (name, value) in &exchange.headers {
        command.args(["--header", &format!("{name}: {}", value.to_str()?)]);
    }
    command.arg(format!("http://127.0.0.1:{}{}", exchange.port.of(server.ports), exchange.path));
    let cpu = server.cpu_time()?;
    let output = command.stdin(Stdio::null()).output().await.map_err(|error| {
        format!(
            "h2load: {error}; Debian has it in nghttp2-client, and without --h2load our own load is taken"
        )
    })?;
    let cpu = server.cpu_time()? - cpu;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let number = |line: &str, word: &str| -> Option<f64> {
        let line = said.lines().find(|told| told.starts_with(line))?;
        let words: Vec<&str> = line.split([' ', ',']).filter(|word| !word.is_empty()).collect();
        let at = words.iter().position(|told| *told == word)?;
        words.get(at.checked_sub(1)?)?.parse().ok()
    };
    let per_second = number("finished in", "req/s");
    let counts = ["succeeded", "failed", "errored"].map(|word| number("requests:", word));
    match (per_second, counts) {
        (Some(per_second), [Some(succeeded), Some(0.0), Some(0.0)]) if succeeded > 0.0 => {
            Ok(Throughput { cpu_micros: cpu.as_secs_f64() * 1e6 / succeeded, per_second })
        }
        _ => {
            Err(format!("{}: h2load says: {said}{}", server.name, String::from_utf8_lossy(&output.stderr))
                .into())
        }
    }
}
