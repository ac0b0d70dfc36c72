//! Who makes the load: our own closed loop, or a program that is not ours.

mod h2load;
mod wrk;

use std::process::{Command, Stdio};
use std::time::Duration;

use crate::Failure;
use crate::args::Args;
use crate::load::{Exchange, Throughput, Wire, closed_loop};
use crate::server::Server;
use crate::workload::{Shape, Workload};

/// What makes a load.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Generator {
    /// Our own closed loop.
    Own,
    /// nghttp2's `h2load`.
    H2load,
    /// `wrk`, which speaks HTTP/1.1.
    Wrk,
}

impl Generator {
    /// How tables call it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Own => "our own closed loop",
            Self::H2load => "h2load",
            Self::Wrk => "wrk",
        }
    }

    /// Keeps as many requests in flight as `shape` says for `time`.
    pub(crate) async fn run(
        self,
        server: &Server,
        exchange: &Exchange,
        shape: Shape,
        time: Duration,
    ) -> Result<Throughput, Failure> {
        match self {
            Self::Own => closed_loop(server, exchange, shape, time).await,
            Self::H2load => h2load::run(server, exchange, shape, time).await,
            Self::Wrk => wrk::run(server, exchange, shape, time).await,
        }
    }
}

/// The programs that were asked for and are there.
#[derive(Debug)]
pub(crate) struct Generators {
    h2load: bool,
    wrk: bool,
}

impl Generators {
    /// Looks for them, and prints why one is not taken.
    pub(crate) fn find(args: &Args) -> Self {
        let there = |program, package| match Command::new(program).arg("--version").output() {
            Ok(_) => true,
            Err(error) => {
                println!("{program} is skipped: {error}; Debian has it in {package}");
                false
            }
        };
        Self {
            h2load: args.h2load && there("h2load", "nghttp2-client"),
            wrk: args.wrk && there("wrk", "wrk"),
        }
    }

    /// The one for `workload`.
    pub(crate) fn of(&self, workload: &Workload) -> Generator {
        let own = workload.shape.churn;
        match workload.exchange.wire {
            Wire::H1 if self.wrk && !own => Generator::Wrk,
            _ if self.h2load && !own => Generator::H2load,
            _ => Generator::Own,
        }
    }
}

/// What a program did to its server.
struct Driven {
    /// CPU time of the server.
    cpu: Duration,
    /// What the program printed.
    said: String,
    /// What it printed about errors.
    errors: String,
}

impl Driven {
    async fn by(command: Command, server: &Server) -> Result<Self, Failure> {
        let program = command.get_program().to_string_lossy().into_owned();
        let cpu = server.cpu_time()?;
        let output = tokio::process::Command::from(command).stdin(Stdio::null()).output().await;
        let output = output.map_err(|error| format!("{program}: {error}"))?;
        let cpu = server.cpu_time()? - cpu;
        let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
        Ok(Self { cpu, said: text(&output.stdout), errors: text(&output.stderr) })
    }

    /// The number before `word` in the first line that begins with `line` and has both.
    fn number(&self, line: &str, word: &str) -> Option<f64> {
        self.said.lines().filter(|told| told.starts_with(line)).find_map(|told| {
            let words: Vec<&str> = told.split([' ', ',']).filter(|word| !word.is_empty()).collect();
            let at = words.iter().position(|told| *told == word)?;
            words.get(at.checked_sub(1)?)?.parse().ok()
        })
    }

    /// The figures of `succeeded` requests.
    fn throughput(&self, succeeded: f64, per_second: f64) -> Throughput {
        Throughput { cpu_micros: self.cpu.as_secs_f64() * 1e6 / succeeded, per_second }
    }

    fn failure(&self, server: &Server) -> Failure {
        format!("{}: the load failed: {}{}", server.name, self.said, self.errors).into()
    }
}
