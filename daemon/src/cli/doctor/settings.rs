//! Settings that are allowed and worth a second look.

use std::fs;

use super::Finding;
use crate::args::{DEBUG, Environment, SETTINGS, Setting};
use crate::config::{Config, VARIABLES};

const WHAT: &str = "settings";
/// Variables that Kubernetes sets beside a service that is called flagd or hoistd.
const SERVICE_LINKS: [&str; 4] = ["FLAGD_PORT_", "FLAGD_SERVICE_", "HOISTD_PORT", "HOISTD_SERVICE_"];

/// What is unusual.
pub(super) fn check(config: &Config, environment: &Environment) -> Vec<Finding> {
    let mut findings = Vec::new();
    let file = config.file.as_ref().map_or(String::new(), |file| file.display().to_string());
    findings.push(Finding::ok(WHAT, file, format!("can be used, {} sources", config.origins.len())));
    let remove = "remove or correct it";
    findings.extend(config.warnings.iter().map(|text| Finding::warning(WHAT, "", &**text, remove)));
    let known: Vec<String> = SETTINGS.iter().chain([&DEBUG]).map(Setting::variable).collect();
    for name in environment.names().filter(|name| is_ours(name) && !known.iter().any(|known| known == name)) {
        let near = known.iter().map(|known| (distance(name, known), known)).min();
        let advice = match near.filter(|(distance, _)| *distance <= 2) {
            Some((_, near)) => format!("did you mean {near}?"),
            None => "remove it, or see `hoistd start --help` for the variables there are".to_owned(),
        };
        findings.push(Finding::warning(WHAT, name, "no variable of this name is read", advice));
    }
    if config.cors_origins.is_empty() {
        let advice = "name the origins that may with --cors-origin, if browsers are to be kept out";
        findings.push(Finding::warning(
            WHAT,
            "--cors-origin",
            "pages of every origin may evaluate flags",
            advice,
        ));
    }
    if let Some(path) = &config.hook_secret {
        let (place, advice) =
            (path.display().to_string(), "write the secret that the git server has into it");
        findings.push(match fs::metadata(path) {
            Ok(about) if about.len() > 0 => Finding::ok(WHAT, place, "the secret of /hooks/git is there"),
            Ok(_) => Finding::error(WHAT, place, "the secret of /hooks/git is empty", advice),
            Err(error) => Finding::error(WHAT, place, format!("the secret of /hooks/git: {error}"), advice),
        });
    }
    if config.max_request_body.is_none() {
        let advice = "give --max-request-body a number of bytes";
        findings.push(Finding::warning(WHAT, "--max-request-body", "request bodies have no limit", advice));
    }
    findings
}

fn is_ours(name: &str) -> bool {
    let ours = name.starts_with("FLAGD_") || name.starts_with("HOISTD_");
    let secret = name.starts_with(VARIABLES);
    ours && !secret && !SERVICE_LINKS.iter().any(|link| name.starts_with(link))
}

/// Insertions, deletions and replacements between two names; more than names are long for absurdly long ones.
fn distance(from: &str, to: &str) -> usize {
    if from.len() > 64 {
        return from.len();
    }
    let mut above: Vec<usize> = (0..=to.len()).collect();
    for (row, letter) in from.bytes().enumerate() {
        let mut line = vec![row + 1];
        for (column, other) in to.bytes().enumerate() {
            let replaced = above[column] + usize::from(letter != other);
            line.push(replaced.min(above[column + 1] + 1).min(line[column] + 1));
        }
        above = line;
    }
    above[to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_misses_are_near() {
        assert_eq!(distance("FLAGD_PORTS", "FLAGD_PORT"), 1);
        assert_eq!(distance("FLAGD_URL", "FLAGD_URI"), 1);
        assert_eq!(distance(&"X".repeat(1_000_000), "FLAGD_URI"), 1_000_000);
        assert!(
            !is_ours("FLAGD_PORT_8013_TCP_ADDR")
                && !is_ours("HOME")
                && !is_ours("HOISTD_SECRET_GIT")
                && is_ours("FLAGD_PROT")
        );
    }
}
