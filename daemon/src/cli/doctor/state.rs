//! The state directory, and that of repositories: there or to be made, open to us, and no other daemon's.

use std::fs;
use std::os::unix::net::UnixStream;
use std::path::Path;

use super::Finding;
use crate::config::Config;
use crate::services::control;

const WHAT: &str = "state";
const CACHE: &str = "cache";
/// A file that is made and removed again, to see that it can be.
const PROBE: &str = "doctor.unfinished";

/// Whether documents can be kept, and a daemon be operated.
pub(super) fn check(config: &Config) -> Vec<Finding> {
    let Some(folder) = &config.resilience.state_dir else {
        let message = "none: a start without its sources will have nothing to serve (--state-dir)";
        return vec![Finding::ok(WHAT, "", message)];
    };
    vec![of(folder)]
}

/// Whether what is fetched from repositories can be kept.
pub(super) fn check_cache(config: &Config) -> Vec<Finding> {
    let caches = config.origins.iter().filter_map(|origin| origin.repository.cache_dir.as_deref());
    // It is one for all.
    caches.take(1).map(|folder| writable(CACHE, folder, "--cache-dir")).collect()
}

fn of(folder: &Path) -> Finding {
    if UnixStream::connect(control::socket(folder)).is_ok() {
        let advice = "each daemon needs a directory of its own: name another, or stop that one first";
        return Finding::warning(WHAT, folder.display().to_string(), "a running hoistd has it", advice);
    }
    writable(WHAT, folder, "--state-dir")
}

fn writable(what: &'static str, folder: &Path, option: &str) -> Finding {
    let place = folder.display().to_string();
    let advice = format!("give {option} a directory that the daemon's user may write to");
    let Ok(found) = fs::metadata(folder) else {
        let above = folder.ancestors().skip(1).find(|above| above.exists() || above.as_os_str().is_empty());
        return match above {
            Some(above) if above.is_file() => {
                Finding::error(what, place, format!("{} is no directory", above.display()), advice)
            }
            _ => Finding::ok(what, place, "will be made by the first start"),
        };
    };
    if !found.is_dir() {
        return Finding::error(what, place, "is no directory", advice);
    }
    let probe = folder.join(PROBE);
    match fs::write(&probe, "").and_then(|()| fs::remove_file(&probe)) {
        Ok(()) => Finding::ok(what, place, "can be written"),
        Err(error) => Finding::error(what, place, format!("cannot be written: {error}"), advice),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::doctor::Level;

    #[test]
    fn what_a_directory_may_be() {
        let folder = tempfile::tempdir().expect("a directory");
        let path = |name: &str| folder.path().join(name);
        fs::write(path("file"), "").expect("write");
        for (name, level, message) in [
            (".", Level::Ok, "can be written"),
            ("new/and/deep", Level::Ok, "will be made"),
            ("file", Level::Error, "is no directory"),
            ("file/below", Level::Error, "is no directory"),
        ] {
            let finding = of(&path(name));
            assert!(finding.level == level && finding.message.contains(message), "{name}: {finding:?}");
        }
        assert_eq!(fs::read_dir(folder.path()).expect("entries").count(), 1, "nothing is left behind");
        fs::create_dir(path("control")).expect("a directory");
        let _daemon =
            std::os::unix::net::UnixListener::bind(control::socket(folder.path())).expect("a socket");
        assert_eq!(of(folder.path()).level, Level::Warning);
    }
}
