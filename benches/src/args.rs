//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::{CommandFactory, Parser, Subcommand};

/// Measures hoist beside its limits and its peers.
#[derive(Debug, Parser)]
#[command(name = "bench")]
pub(crate) struct Args {
    /// What to measure; everything if it is not said
    #[command(subcommand)]
    pub(crate) what: Option<What>,
    /// The daemon; the one built beside this program otherwise
    #[arg(long, global = true, value_name = "PATH")]
    pub(crate) daemon: Option<PathBuf>,
    /// Another server that speaks flagd's protocols, as a command with {flags} {port} {management} {sync} {ofrep}
    #[arg(long, global = true, value_name = "COMMAND")]
    pub(crate) peer: Vec<String>,
    /// Rounds of each comparison, A B A B
    #[arg(long, global = true, default_value_t = 5)]
    pub(crate) rounds: usize,
    /// Seconds of each round
    #[arg(long, global = true, default_value = "1", value_parser = seconds, value_name = "SECONDS")]
    pub(crate) seconds: Duration,
    /// Only workloads whose name contains this
    #[arg(long, global = true, default_value = "")]
    pub(crate) only: String,
    /// Cores that a server may use, the first ones; the load is made on the last one all the same
    #[arg(long, global = true, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) cores: u16,
    /// Has `h2load` make the load of `serve`; it does not churn
    #[arg(long, global = true)]
    pub(crate) h2load: bool,
    /// Has `wrk` make the load of `serve` over HTTP/1.1; it does not churn
    #[arg(long, global = true)]
    pub(crate) wrk: bool,
    /// Writes what was measured as JSON
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
}

/// What to measure.
#[derive(Debug, Subcommand)]
pub(crate) enum What {
    /// CPU time per request under full load, over every protocol
    Serve,
    /// Latency at fixed rates, from the intended start of each request
    Latency {
        /// Requests per second
        #[arg(long, value_delimiter = ',', default_values_t = [1_000, 10_000])]
        rate: Vec<u32>,
    },
    /// Start, memory and reload of large documents
    Load {
        /// Flags of the document
        #[arg(long, value_delimiter = ',', default_values_t = [100, 1_000, 10_000, 100_000])]
        flags: Vec<usize>,
    },
    /// How soon those who follow a server hear of a change: by the event stream and by the sync stream
    Changes {
        /// Flags of the document
        #[arg(long, value_delimiter = ',', default_values_t = [1_000, 100_000])]
        flags: Vec<usize>,
        /// Changes, one after the other
        #[arg(long, default_value_t = 200)]
        changes: usize,
    },
    /// Sync streams that all get every change
    Fanout {
        /// Connections
        #[arg(long, default_value_t = 100)]
        connections: usize,
        /// Streams of each connection
        #[arg(long, default_value_t = 100)]
        streams: usize,
    },
    /// What honest clients notice of hostile ones: rapid resets, slow heads, slow bodies
    Hostile {
        /// Hostile connections
        #[arg(long, default_value_t = 1_000)]
        connections: u32,
    },
    /// The engine and the Rust providers, beside the official crates where they are built
    Providers,
    /// A typical flag of each vendor, beside the vendors' crates where they are built
    Vendors,
    /// The tables of earlier runs as Markdown
    Markdown {
        /// What --json wrote
        #[arg(required = true)]
        files: Vec<PathBuf>,
        /// The first figure of all tables in one
        #[arg(long)]
        brief: bool,
    },
}

impl What {
    /// Everything that is measured without being told more, each as it is by default.
    pub(crate) fn everything() -> Vec<Self> {
        let all = Args::command();
        let names = all.get_subcommands().map(clap::Command::get_name);
        let whats = names.filter_map(|name| Args::try_parse_from(["bench", name]).ok()?.what);
        whats.collect()
    }
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| format!("`{text}` is no number of seconds"))?;
    Duration::try_from_secs_f64(seconds).map_err(|error| format!("`{text}`: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_is_all_that_can_be_measured() {
        let all = What::everything();
        assert!(!all.iter().any(|what| matches!(what, What::Markdown { .. })), "{all:?}");
        assert_eq!(all.len(), Args::command().get_subcommands().count() - 1, "{all:?}");
    }
}
