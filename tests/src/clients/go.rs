//! Go: the `flagd` provider (rpc over Connect, in-process).

use std::process::Command;

use super::{Once, bounded, installed, sources, there_is};
use crate::testbed::{Client, Defect};

/// The Connect protocol with protobuf, `flagd.evaluation.v2`.
pub const GO_RPC: Client = Client {
    name: "go rpc",
    kind: "rpc",
    port: |ports| ports.evaluation,
    tags: &["rpc"],
    without: &["no-default"],
    fractional: "fractional-v2",
    defects: &[
        Defect { case: &["on connection error for RPC"], why: NEVER_STALE },
        Defect { case: &["events: ", "stale"], why: NEVER_STALE },
        Defect { case: &["rpc-caching: Stale and Error stage"], why: NEVER_STALE },
    ],
};

/// `SyncFlags` and the evaluator of Go flagd.
pub const GO_IN_PROCESS: Client = Client {
    name: "go in-process",
    kind: "in-process",
    port: |ports| ports.sync,
    tags: &["in-process"],
    without: &["no-default"],
    fractional: "fractional-v2",
    defects: &[Defect {
        case: &["Use enriched context"],
        why: "the client does not use the context that sync sends",
    }],
};

const NEVER_STALE: &str = "the client calls a lost stream an error at once, it never becomes stale";

/// The command that starts the driver.
///
/// # Errors
/// Why this machine cannot have the client.
pub fn go() -> Result<Command, String> {
    static SETUP: Once = Once::new();
    let setup = SETUP.get_or_init(|| {
        if !there_is("go") {
            return Err("no go".to_owned());
        }
        build()
    });
    setup.as_ref().map(Command::new).map_err(Clone::clone)
}

/// Go keeps what it downloads and compiles itself: a build with nothing new takes no time.
fn build() -> Result<std::path::PathBuf, String> {
    let folder = installed("go");
    std::fs::create_dir_all(&folder).map_err(|e| e.to_string())?;
    for name in ["go.mod", "go.sum", "main.go"] {
        std::fs::copy(sources("go").join(name), folder.join(name)).map_err(|e| format!("{name}: {e}"))?;
    }
    let mut go = Command::new("go");
    go.current_dir(&folder).args(["build", "-o", "driver", "."]);
    bounded(&mut go, &folder)?;
    Ok(folder.join("driver"))
}
