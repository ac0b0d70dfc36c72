//! A real Unleash with its own SDK for Node, from npm.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::{bounded, install_once, sources, there_is};

/// The folder with the packages.
///
/// # Errors
/// Why this machine cannot have them.
pub fn unleash_packages() -> Result<PathBuf, String> {
    if !there_is("node") || !there_is("npm") {
        return Err("no node with npm".to_owned());
    }
    install_once("unleash", "package.json", install)
}

/// The command that runs the SDK for Node against an API.
///
/// # Errors
/// As [`unleash_packages`].
pub fn unleash_sdk() -> Result<Command, String> {
    let folder = unleash_packages()?;
    std::fs::copy(sources("unleash").join("sdk.mjs"), folder.join("sdk.mjs")).map_err(|e| e.to_string())?;
    let mut command = Command::new("node");
    command.arg(folder.join("sdk.mjs"));
    Ok(command)
}

fn install(folder: &Path) -> Result<(), String> {
    let manifest = "package.json";
    std::fs::copy(sources("unleash").join(manifest), folder.join(manifest)).map_err(|e| e.to_string())?;
    let mut npm = Command::new("npm");
    npm.args(["install", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]);
    bounded(npm.current_dir(folder), folder)
}
