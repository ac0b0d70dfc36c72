//! Load by nghttp2's `h2load`, which speaks HTTP/2 and HTTP/1.1.

use std::io::Write as _;
use std::process::Command;
use std::time::Duration;

use super::Driven;
use crate::Failure;
use crate::load::{Exchange, Throughput, Wire};
use crate::server::Server;
use crate::workload::Shape;

/// The answer was verified before; here each has to be a success.
pub(super) async fn run(
    server: &Server,
    exchange: &Exchange,
    shape: Shape,
    time: Duration,
) -> Result<Throughput, Failure> {
    let mut body = tempfile::NamedTempFile::new()?;
    body.write_all(&exchange.body)?;
    let mut command = Command::new("h2load");
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
    if let Some(socket) = server.link.socket() {
        command.args(["--base-uri", &format!("unix:{}", socket.display())]);
    }
    command.arg(exchange.uri(server.ports));
    let driven = Driven::by(command, server).await?;
    let counts = ["succeeded", "failed", "errored"].map(|word| driven.number("requests:", word));
    match (driven.number("finished in", "req/s"), counts) {
        (Some(per_second), [Some(succeeded), Some(0.0), Some(0.0)]) if succeeded > 0.0 => {
            Ok(driven.throughput(succeeded, per_second))
        }
        _ => Err(driven.failure(server)),
    }
}
