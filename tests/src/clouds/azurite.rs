//! Azure Blob Storage by azurite, Microsoft's own emulator. It checks signatures: requests here are signed with its
//! well-known key as the service's documentation says (Authorize with Shared Key).

use std::path::Path;
use std::process::Command;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::hmac;

use super::{Cloud, free_port, installed, pins, start};
use crate::clients::{bounded, install_pinned, there_is};
use crate::world::http;

/// The emulator's account, the same everywhere.
const ACCOUNT: &str = "devstoreaccount1";
const KEY: &str = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";
const VERSION: &str = "2021-12-02";

pub(super) fn start_server() -> Result<Cloud, String> {
    if !there_is("node") || !there_is("npm") {
        return Err("no node with npm".to_owned());
    }
    let folder = install_pinned(installed("azurite"), &pins("azurite").join("package-lock.json"), install)?;
    let port = free_port();
    let mut command = Command::new("node");
    command.current_dir(&folder).arg("node_modules/azurite/dist/src/blob/main.js");
    command.args(["--blobHost", "127.0.0.1", "--blobPort", &port.to_string()]);
    command.args(["--inMemoryPersistence", "--disableTelemetry", "--skipApiVersionCheck", "--silent"]);
    let child = start(command, port, &folder.join("server.log"))?;
    let cloud = Cloud {
        name: "azurite",
        provider: "azblob",
        scheme: "azblob",
        query: "",
        environment: vec![
            ("AZURE_STORAGE_ACCOUNT", ACCOUNT.to_owned()),
            ("AZURE_STORAGE_KEY", KEY.to_owned()),
            ("AZURE_STORAGE_DOMAIN", format!("127.0.0.1:{port}")),
            ("AZURE_STORAGE_PROTOCOL", "http".to_owned()),
        ],
        port,
        put: |cloud, object, bytes| {
            send(cloud.port, "PUT", object, &[("x-ms-blob-type", "BlockBlob")], bytes)
        },
        delete: |cloud, object| send(cloud.port, "DELETE", object, &[], b""),
        child,
    };
    let made = send(port, "PUT", "?restype=container", &[], b"").map_err(|e| e.to_string())?;
    if made.status == 201 { Ok(cloud) } else { Err(format!("no container: {}", made.text())) }
}

fn install(folder: &Path) -> Result<(), String> {
    for name in ["package.json", "package-lock.json"] {
        std::fs::copy(pins("azurite").join(name), folder.join(name)).map_err(|e| format!("{name}: {e}"))?;
    }
    let mut npm = Command::new("npm");
    npm.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]);
    bounded(npm.current_dir(folder), folder)
}

/// Sends a signed request for an object of the container, or with `?...` for the container itself.
fn send(
    port: u16,
    method: &str,
    object: &str,
    more: &[(&str, &str)],
    bytes: &[u8],
) -> Result<http::Answer, std::io::Error> {
    let (key, query) = object.split_once('?').unwrap_or((object, ""));
    let path = format!("/{ACCOUNT}/bucket{}{key}", if key.is_empty() { "" } else { "/" });
    let mut headers = vec![("x-ms-date", "Thu, 01 Jan 2026 00:00:00 GMT"), ("x-ms-version", VERSION)];
    headers.extend(more);
    headers.sort_unstable();
    let named: String = headers.iter().map(|(name, value)| format!("{name}:{value}\n")).collect();
    let length = if bytes.is_empty() { String::new() } else { bytes.len().to_string() };
    let query_named = query.replacen('=', ":", 1);
    let resource = format!("/{ACCOUNT}{path}{}{query_named}", if query.is_empty() { "" } else { "\n" });
    let text = format!("{method}\n\n\n{length}\n\n\n\n\n\n\n\n\n{named}{resource}");
    let secret = hmac::Key::new(hmac::HMAC_SHA256, &STANDARD.decode(KEY).expect("base64"));
    let signature = STANDARD.encode(hmac::sign(&secret, text.as_bytes()));
    let authorization = format!("SharedKey {ACCOUNT}:{signature}");
    headers.push(("authorization", &authorization));
    let target = if query.is_empty() { path } else { format!("{path}?{query}") };
    http::send(port, method, &target, &headers, bytes)
}
