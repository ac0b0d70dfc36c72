//! Arguments of the commands that speak with a running daemon through its state directory.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// Which daemon is meant.
#[derive(Debug, Clone, Args)]
pub struct DoorArgs {
    /// State directory of the daemon, as `start` has it [env: HOISTD_STATE_DIR]
    #[arg(long, value_name = "DIR")]
    pub state_dir: Option<PathBuf>,
}

/// Arguments of `hoistd status`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Exit code: 0 if the daemon is ready, else 1.")]
pub struct StatusArgs {
    /// Which daemon.
    #[command(flatten)]
    pub door: DoorArgs,
    /// Print one JSON object, as /readyz?verbose does
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `hoistd confirm`.
#[derive(Debug, Clone, Args)]
pub struct ConfirmArgs {
    /// Source whose document is to be taken; all of them without one
    #[arg(value_name = "SOURCE")]
    pub source: Option<String>,
    /// Which daemon.
    #[command(flatten)]
    pub door: DoorArgs,
}

/// Arguments of `hoistd rollback`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "The earlier document is served until the source has a new one, or until --release.")]
pub struct RollbackArgs {
    /// How many accepted documents to go back from the one in service
    #[arg(value_name = "N", required_unless_present = "release", conflicts_with = "release")]
    pub generations: Option<usize>,
    /// Source to roll back; all of them without one
    #[arg(long, value_name = "SOURCE")]
    pub source: Option<String>,
    /// Serve the newest accepted document again
    #[arg(long)]
    pub release: bool,
    /// Which daemon.
    #[command(flatten)]
    pub door: DoorArgs,
}

/// Arguments of `hoistd override`.
#[derive(Debug, Clone, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct OverrideArgs {
    /// Something else than to override a flag.
    #[command(subcommand)]
    pub other: Option<OverrideCommand>,
    /// Flag that everybody gets one variant of
    #[arg(value_name = "KEY", required = true)]
    pub key: Option<String>,
    /// The variant
    #[arg(value_name = "VARIANT", required = true)]
    pub variant: Option<String>,
    /// For how long, such as 2h; 720h at most
    #[arg(long = "for", value_name = "DURATION", required = true)]
    pub duration: Option<String>,
    /// Why; answers carry it as metadata
    #[arg(long, value_name = "TEXT", required = true)]
    pub reason: Option<String>,
    /// Flag set of the flag; needed if several have it
    #[arg(long, value_name = "ID")]
    pub flag_set: Option<String>,
    /// Which daemon.
    #[command(flatten)]
    pub door: DoorArgs,
}

/// What else `hoistd override` does.
#[derive(Debug, Clone, Subcommand)]
pub enum OverrideCommand {
    /// List the overrides in force
    List {
        /// Which daemon.
        #[command(flatten)]
        door: DoorArgs,
        /// Print one JSON array
        #[arg(long)]
        json: bool,
    },
    /// End an override before its time
    Clear {
        /// Flag that is overridden
        #[arg(value_name = "KEY")]
        key: String,
        /// Flag set of the flag; needed if several have an override of it
        #[arg(long, value_name = "ID")]
        flag_set: Option<String>,
        /// Which daemon.
        #[command(flatten)]
        door: DoorArgs,
    },
}
