//! A real Unleash with its own SDK for Node, from npm, and its own SDK for Python, from PyPI.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::{bounded, install_once, install_pinned, installed, sources, there_is, virtual_environment};

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
pub fn unleash_node() -> Result<Command, String> {
    let folder = unleash_packages()?;
    std::fs::copy(sources("unleash").join("sdk.mjs"), folder.join("sdk.mjs")).map_err(|e| e.to_string())?;
    let mut command = Command::new("node");
    command.arg(folder.join("sdk.mjs"));
    Ok(command)
}

/// The command that runs the SDK for Python against an API.
///
/// # Errors
/// Why this machine cannot have it.
pub fn unleash_python() -> Result<Command, String> {
    if !there_is("python3") {
        return Err("no python3".to_owned());
    }
    let pins = sources("unleash").join("requirements.txt");
    let install = |folder: &Path| virtual_environment(folder, &pins);
    let folder = install_pinned(installed("unleash-python"), &pins, install)?;
    let mut command = Command::new(folder.join("bin/python"));
    command.arg(sources("unleash").join("sdk.py"));
    Ok(command)
}

fn install(folder: &Path) -> Result<(), String> {
    let manifest = "package.json";
    std::fs::copy(sources("unleash").join(manifest), folder.join(manifest)).map_err(|e| e.to_string())?;
    let mut npm = Command::new("npm");
    npm.args(["install", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]);
    bounded(npm.current_dir(folder), folder)
}
