//! S3 by moto, which answers conditional requests and errors as S3 does and takes any signature.

use std::process::Command;

use super::{Cloud, free_port, installed, python_packages, start};
use crate::world::http;

/// moto tells by the credential's scope which service is meant.
const SIGNED: &str =
    "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0";

pub(super) fn start_server() -> Result<Cloud, String> {
    let folder = python_packages("moto")?;
    let port = free_port();
    let mut command = Command::new(folder.join("bin/moto_server"));
    command.args(["--host", "127.0.0.1", "--port", &port.to_string()]);
    let child = start(command, port, &installed("moto").join("server.log"))?;
    let cloud = Cloud {
        name: "moto",
        provider: "s3",
        scheme: "s3",
        query: "?region=us-east-1&use_path_style=true",
        environment: vec![
            ("AWS_ENDPOINT_URL_S3", format!("http://127.0.0.1:{port}")),
            ("AWS_ACCESS_KEY_ID", "test".to_owned()),
            ("AWS_SECRET_ACCESS_KEY", "test".to_owned()),
        ],
        port,
        put: |cloud, object, bytes| send(cloud, "PUT", object, bytes),
        delete: |cloud, object| send(cloud, "DELETE", object, b""),
        child,
    };
    cloud.put("", b"");
    Ok(cloud)
}

fn send(cloud: &Cloud, method: &str, object: &str, bytes: &[u8]) -> Result<http::Answer, std::io::Error> {
    let headers = [("authorization", SIGNED), ("content-type", "application/json")];
    http::send(cloud.port, method, &format!("/bucket/{object}"), &headers, bytes)
}
