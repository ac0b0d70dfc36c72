//! JavaScript: `flagd-provider` (rpc, in-process), `ofrep-provider`, and the two providers for browsers.

use std::path::Path;
use std::process::Command;

use super::{Once, bounded, install_once, sources, there_is};
use crate::testbed::{Client, Defect};

/// gRPC, `flagd.evaluation.v2`.
pub const NODE_RPC: Client = Client {
    name: "node rpc",
    kind: "rpc",
    port: |ports| ports.evaluation,
    tags: &["rpc"],
    without: &["no-default"],
    fractional: "fractional-v2",
    defects: &[Defect { case: &["rpc-caching: Stale and Error stage"], why: PURGES }],
};

/// `SyncFlags` and an evaluator of its own.
pub const NODE_IN_PROCESS: Client = Client {
    name: "node in-process",
    kind: "in-process",
    port: |ports| ports.sync,
    tags: &["in-process"],
    without: &["no-default"],
    fractional: "fractional-v2",
    defects: &[],
};

/// OFREP, one flag at a time. The testbed has no tag for it: it takes what an rpc client takes and the metadata.
pub const NODE_OFREP: Client = Client {
    name: "node ofrep",
    kind: "ofrep",
    port: |ports| ports.ofrep,
    tags: &["rpc", "metadata"],
    without: &["no-default", "events", "caching", "grace"],
    fractional: "fractional-v2",
    defects: &[
        Defect { case: &["disabled: Evaluating"], why: NO_VALUE },
        Defect { case: &["disabled: ", ", DISABLED]"], why: NO_VALUE },
        Defect { case: &["no default variant", ", DEFAULT]"], why: NO_VALUE },
    ],
};

/// The Connect protocol over fetch, `flagd.evaluation.v1`, all flags at once.
pub const FLAGD_WEB: Client = Client {
    name: "flagd web",
    kind: "flagd-web",
    port: |ports| ports.evaluation,
    tags: &["rpc"],
    without: &["no-default-variant", "events", "caching", "grace"],
    fractional: "fractional-v2",
    defects: &[
        Defect { case: &["disabled: Evaluating", ", bye]"], why: TYPED_ZERO },
        Defect { case: &["disabled: Evaluating", ", 1]"], why: TYPED_ZERO },
        Defect { case: &["disabled: Evaluating", ", 0.1]"], why: TYPED_ZERO },
        Defect { case: &["no-default-flag", "TARGETING_MATCH"], why: NOT_IN_ALL },
        Defect { case: &["Ref to nonexistent evaluator"], why: NO_ERROR },
        Defect { case: &["nested var expression", ", fallback]"], why: NO_ERROR },
        Defect { case: &["Errors and edge cases", "PARSE_ERROR"], why: NO_ERROR },
        Defect { case: &["Errors and edge cases", "GENERAL"], why: NO_ERROR },
    ],
};

/// OFREP, all flags at once.
pub const OFREP_WEB: Client = Client {
    name: "ofrep web",
    kind: "ofrep-web",
    port: |ports| ports.ofrep,
    tags: &["rpc", "metadata"],
    without: &["no-default", "events", "caching", "grace"],
    fractional: "fractional-v2",
    defects: &[],
};

const PURGES: &str =
    "the client empties its cache at the first stream error, not when the grace period is over";
const NO_VALUE: &str =
    "ofrep-core 0.1 refuses a 200 answer without `value`, as a disabled or default-less flag has";
const TYPED_ZERO: &str =
    "ResolveAll of evaluation v1 has no unset value: a disabled flag comes as the zero value of its type";
const NOT_IN_ALL: &str =
    "ResolveAll leaves out flags without a default variant, so the client does not know the key";
const NO_ERROR: &str =
    "ResolveAll marks a failed flag by its reason alone; the client takes its zero value for an answer";

/// The command that starts the driver of the server-side providers.
///
/// # Errors
/// Why this machine cannot have the client.
pub fn node() -> Result<Command, String> {
    script("server.mjs")
}

/// The command that starts the driver of the providers for browsers.
///
/// # Errors
/// Why this machine cannot have the client.
pub fn web() -> Result<Command, String> {
    script("web.mjs")
}

fn script(name: &str) -> Result<Command, String> {
    static SETUP: Once = Once::new();
    let setup = SETUP.get_or_init(|| {
        if !there_is("node") || !there_is("npm") {
            return Err("no node with npm".to_owned());
        }
        let folder = install_once("node", "package-lock.json", install)?;
        copy(&folder, &["lines.mjs", "server.mjs", "web.mjs"])?;
        Ok(folder)
    });
    let folder = setup.as_ref().map_err(Clone::clone)?;
    let mut command = Command::new("node");
    command.arg(folder.join(name));
    Ok(command)
}

fn install(folder: &Path) -> Result<(), String> {
    copy(folder, &["package.json", "package-lock.json"])?;
    let mut npm = Command::new("npm");
    npm.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]);
    bounded(npm.current_dir(folder), folder)
}

/// Modules are looked for beside the file that imports them, so the drivers go where the packages are.
fn copy(folder: &Path, names: &[&str]) -> Result<(), String> {
    names.iter().try_for_each(|name| {
        std::fs::copy(sources("node").join(name), folder.join(name))
            .map(drop)
            .map_err(|e| format!("{name}: {e}"))
    })
}
