//! Java: the `flagd` provider (rpc, in-process). Its newest version on Maven Central is of 2025: it speaks evaluation v1
//! and buckets by fractional v1 in process.

use std::path::Path;
use std::process::Command;

use super::{Once, bounded, install_once, sources, there_is};
use crate::testbed::{Client, Defect};

/// gRPC, `flagd.evaluation.v1`.
pub const JAVA_RPC: Client = Client {
    name: "java rpc",
    kind: "rpc",
    port: |ports| ports.evaluation,
    tags: &["rpc"],
    without: &["no-default-variant"],
    fractional: "fractional-v2",
    defects: &[
        Defect { case: &["disabled: Evaluating", ", bye]"], why: TYPED_ZERO },
        Defect { case: &["disabled: Evaluating", ", 1]"], why: TYPED_ZERO },
        Defect { case: &["disabled: Evaluating", ", 0.1]"], why: TYPED_ZERO },
        Defect { case: &["disabled: Flag disabled in one", ", DISABLED]"], why: NO_SELECTOR },
    ],
};

/// `SyncFlags` and an evaluator of its own.
pub const JAVA_IN_PROCESS: Client = Client {
    name: "java in-process",
    kind: "in-process",
    port: |ports| ports.sync,
    tags: &["in-process"],
    without: &["no-default-variant"],
    fractional: "fractional-v1",
    defects: &[
        Defect { case: &["disabled: Evaluating"], why: DISABLED },
        Defect { case: &["disabled: Flag disabled in one", ", DISABLED]"], why: DISABLED },
        Defect { case: &["Fractional operator with nested if expression as variant"], why: OWN_BUCKETS },
        Defect { case: &["Fractional operator with nested var expression"], why: OWN_BUCKETS },
        Defect { case: &["Fractional as condition"], why: OWN_BUCKETS },
        Defect { case: &["all-zero bucket weights"], why: "its sum of weights must not be zero" },
        Defect { case: &["sem_ver v-prefix handling [V1.0.0"], why: OWN_SEM_VER },
        Defect { case: &["sem_ver partial version", ", match]"], why: OWN_SEM_VER },
        Defect { case: &["sem_ver numeric context", ", match]"], why: OWN_SEM_VER },
    ],
};

const TYPED_ZERO: &str =
    "evaluation v1 has no unset value: a disabled flag comes as the zero value of its type";
const NO_SELECTOR: &str = "the client sends no selector in rpc mode";
const DISABLED: &str = "its evaluator answers FLAG_NOT_FOUND for a disabled flag";
const OWN_BUCKETS: &str = "its evaluator buckets by fractional v1, for which the testbed has no rows here";
const OWN_SEM_VER: &str = "its evaluator takes no `V`, partial or numeric versions";

/// The command that starts the driver, compiled from its one source file as it starts.
///
/// # Errors
/// Why this machine cannot have the client.
pub fn java() -> Result<Command, String> {
    static SETUP: Once = Once::new();
    let setup = SETUP.get_or_init(|| {
        if !there_is("mvn") {
            return Err("no mvn".to_owned());
        }
        install_once("java", "pom.xml", install)
    });
    let folder = setup.as_ref().map_err(Clone::clone)?;
    let jars = std::fs::read_to_string(folder.join("classpath")).map_err(|e| e.to_string())?;
    let mut command = Command::new("java");
    command.args(["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-cp", jars.trim()]);
    command.arg(sources("java").join("Driver.java"));
    Ok(command)
}

fn install(folder: &Path) -> Result<(), String> {
    let mut mvn = Command::new("mvn");
    mvn.args(["-B", "-q", "dependency:build-classpath"]);
    mvn.arg(format!("-Dmdep.outputFile={}", folder.join("classpath").display()));
    bounded(mvn.arg("-f").arg(sources("java").join("pom.xml")), folder)
}
