//! Load by `wrk`, which speaks HTTP/1.1. What it sends is a script of its own.

use std::fmt::Write as _;
use std::io::Write as _;
use std::process::Command;
use std::time::Duration;

use super::Driven;
use crate::Failure;
use crate::load::{Exchange, Throughput};
use crate::server::Server;
use crate::workload::Shape;

/// The answer was verified before; here each has to be a success.
pub(super) async fn run(
    server: &Server,
    exchange: &Exchange,
    shape: Shape,
    time: Duration,
) -> Result<Throughput, Failure> {
    let mut script = tempfile::Builder::new().suffix(".lua").tempfile()?;
    script.write_all(posting(exchange).as_bytes())?;
    let mut command = Command::new("wrk");
    command.args(["--threads", "1", "--timeout", "60s", "--duration", &time.as_secs().max(1).to_string()]);
    command.args(["--connections", &shape.connections.to_string(), "--script"]).arg(script.path());
    command.arg(exchange.uri(server.ports));
    let driven = Driven::by(command, server).await?;
    let wrong = ["Socket errors", "Non-2xx"].iter().any(|error| driven.said.contains(error));
    match (driven.number("  ", "requests"), per_second(&driven.said)) {
        (Some(succeeded), Some(per_second)) if succeeded > 0.0 && !wrong => {
            Ok(driven.throughput(succeeded, per_second))
        }
        _ => Err(driven.failure(server)),
    }
}

fn per_second(said: &str) -> Option<f64> {
    said.lines().find_map(|line| line.strip_prefix("Requests/sec:"))?.trim().parse().ok()
}

/// The script that has `wrk` send `exchange`.
fn posting(exchange: &Exchange) -> String {
    let mut script = format!("wrk.method = \"POST\"\nwrk.body = {}\n", quoted(&exchange.body));
    for (name, value) in &exchange.headers {
        let (name, value) = (quoted(name.as_str().as_bytes()), quoted(value.as_bytes()));
        let _ = writeln!(script, "wrk.headers[{name}] = {value}");
    }
    script
}

/// `bytes` as Lua writes them, whatever they are.
fn quoted(bytes: &[u8]) -> String {
    let mut quoted = String::from("\"");
    for &byte in bytes {
        match byte {
            b' '..=b'~' if byte != b'"' && byte != b'\\' => quoted.push(char::from(byte)),
            _ => {
                let _ = write!(quoted, "\\{byte:03}");
            }
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::{per_second, quoted};

    #[test]
    fn bytes_are_what_lua_reads() {
        assert_eq!(quoted(b"a \"b\"\\\0\xff1"), r#""a \034b\034\092\000\2551""#);
    }

    #[test]
    fn the_rate_is_found() {
        let said = "  52 requests in 1.00s, 7.2KB read\nRequests/sec:     51.93\nTransfer/sec:      7.20KB\n";
        assert_eq!(per_second(said), Some(51.93));
    }
}
