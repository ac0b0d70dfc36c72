//! The daemon, and its doctor, with a FeatureFlag of a cluster as source.
#![cfg(feature = "kubernetes")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used)]

#[path = "../../store/tests/cluster/mod.rs"]
mod cluster;
mod process;
#[path = "../../store/tests/server/mod.rs"]
mod server;

use std::process::Command;
use std::time::{Duration, Instant};

use cluster::{ApiServer, Trouble};
use process::Daemon;
use serde_json::{Value, json};

const FREE: [&str; 8] = ["-p", "0", "-m", "0", "-g", "0", "-r", "0"];
const SOURCE: [&str; 2] = ["-f", "core.openfeature.dev/team/flags"];

fn document(variant: &str) -> String {
    format!(
        r#"{{"flags": {{"flag": {{"state": "ENABLED", "variants": {{"{variant}": "{variant}"}}, "defaultVariant": "{variant}"}}}}}}"#
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_serves_a_resource_and_follows_it() {
    let cluster = ApiServer::start().await;
    cluster.put(&document("one"));
    let kubeconfig = cluster.kubeconfig();
    let words = [&["start", "--log-format", "json"], &FREE[..], &SOURCE].concat();
    let daemon = Daemon::launch(&words, &[("KUBECONFIG", kubeconfig.to_str().unwrap())], "ready");
    let says = |place: &dyn Fn() -> String, text: &str| {
        let deadline = Instant::now() + Duration::from_secs(10);
        loop {
            let said = place();
            if said.contains(text) {
                return;
            }
            assert!(Instant::now() < deadline, "no {text:?} after 10 s: {said}");
            std::thread::sleep(Duration::from_millis(20));
        }
    };
    let flag = || {
        let asked = json!({"context": {}});
        daemon.client("ofrep").post("/ofrep/v1/evaluate/flags/flag", &asked).1["value"].to_string()
    };
    let ready = || daemon.client("management").post("/readyz?verbose", &Value::Null).1.to_string();
    says(&flag, "\"one\"");
    cluster.put(&document("two"));
    says(&flag, "\"two\"");
    cluster.delete();
    says(&ready, "the FeatureFlag was deleted");
    says(&flag, "\"two\"");
    cluster.put(&document("three"));
    says(&flag, "\"three\"");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_doctor_says_what_a_cluster_refuses() {
    let cluster = ApiServer::start().await;
    cluster.put(&document("one"));
    let kubeconfig = cluster.kubeconfig();
    let doctor = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hoistd"));
        command.arg("doctor").args(SOURCE).args(FREE);
        let output = command.env_clear().env("KUBECONFIG", &kubeconfig).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let well = doctor();
    assert!(well.contains("ok       source team/flags: 1 flags in "), "{well}");
    cluster.state().fault = Some(Trouble::Status(403, "featureflags.core.openfeature.dev is forbidden", 0));
    let ill = doctor();
    assert!(ill.contains("error    source team/flags: ") && ill.contains("is forbidden"), "{ill}");
    assert!(ill.contains("its role may get, list and watch featureflags.core.openfeature.dev"), "{ill}");
}
