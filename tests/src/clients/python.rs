//! Python: `openfeature-provider-flagd` (rpc, in-process) and `openfeature-provider-ofrep`.

use std::path::Path;
use std::process::Command;

use super::{Once, bounded, install_once, sources, there_is};
use crate::testbed::{Client, Defect};

/// gRPC, `flagd.evaluation.v2`.
pub const PYTHON_RPC: Client = Client {
    name: "python rpc",
    kind: "rpc",
    port: |ports| ports.evaluation,
    tags: &["rpc"],
    without: &["no-default"],
    fractional: "fractional-v2",
    defects: &[],
};

/// `SyncFlags` and an evaluator of its own, which buckets by fractional v3 whatever the daemon does.
pub const PYTHON_IN_PROCESS: Client = Client {
    name: "python in-process",
    kind: "in-process",
    port: |ports| ports.sync,
    tags: &["in-process"],
    without: &["no-default"],
    fractional: "fractional-v3",
    defects: &[],
};

/// OFREP, one flag at a time. The testbed has no tag for it: it takes what an rpc client takes and the metadata.
pub const PYTHON_OFREP: Client = Client {
    name: "python ofrep",
    kind: "ofrep",
    port: |ports| ports.ofrep,
    tags: &["rpc", "metadata"],
    without: &["no-default", "events", "caching", "grace"],
    fractional: "fractional-v2",
    defects: &[
        Defect { case: &["disabled: Evaluating"], why: NO_VARIANT },
        Defect { case: &["disabled: ", ", DISABLED]"], why: NO_VARIANT },
        Defect { case: &["no default variant", ", DEFAULT]"], why: NO_VARIANT },
        Defect { case: &["Resolves zero value", "[float-"], why: WHOLE_FLOAT },
    ],
};

const NO_VARIANT: &str =
    "KeyError: the client needs `variant` in every 200 answer, and a disabled or default-less flag has none";
const WHOLE_FLOAT: &str = "the client refuses a JSON number without a fraction (`0`) as a float";

/// The command that starts the driver.
///
/// # Errors
/// Why this machine cannot have the client.
pub fn python() -> Result<Command, String> {
    static SETUP: Once = Once::new();
    let setup = SETUP.get_or_init(|| {
        if !there_is("python3") {
            return Err("no python3".to_owned());
        }
        let install =
            |folder: &Path| virtual_environment(folder, &sources("python").join("requirements.txt"));
        install_once("python", "requirements.txt", install)
    });
    let folder = setup.as_ref().map_err(Clone::clone)?;
    let mut command = Command::new(folder.join("bin/python"));
    command.arg(sources("python").join("driver.py"));
    Ok(command)
}

/// Makes an environment in `folder` of just the packages that the file `pins` names.
pub(super) fn virtual_environment(folder: &Path, pins: &Path) -> Result<(), String> {
    bounded(Command::new("python3").args(["-m", "venv", "--clear"]).arg(folder), folder)?;
    let mut pip = Command::new(folder.join("bin/python"));
    pip.args(["-m", "pip", "install", "--quiet", "--no-deps", "--disable-pip-version-check", "-r"]);
    bounded(pip.arg(pins), folder)
}
