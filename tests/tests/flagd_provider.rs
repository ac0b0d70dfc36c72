//! Our flagd provider plays the flagd-testbed against the daemon, or against the one that `HOIST_TEST_DAEMON` names.
//!
//! Reports stay in `target/stock-clients/reports/`.

use std::collections::HashMap;
use std::time::Duration;

use flagd::{Mode, Options};
use tests::clients::{RUST_FILE, RUST_IN_PROCESS, RUST_RPC, Rust};
use tests::testbed::{Case, cases, run_inside};
use tests::world;

#[test]
fn rpc() {
    run_inside(&RUST_RPC, Rust::default());
}

#[test]
fn in_process() {
    run_inside(&RUST_IN_PROCESS, Rust::default());
}

#[test]
fn file() {
    run_inside(&RUST_FILE, Rust::default());
}

/// The feature about options: every scenario, with every resolver that it is tagged for.
#[test]
fn configuration() {
    let Some(root) = world::shared("conformance/flagd-testbed") else { return };
    let (mut played, mut failures) = (0, Vec::new());
    for case in cases(&root, "config") {
        for (tag, mode) in [("rpc", Mode::Rpc), ("in-process", Mode::InProcess), ("file", Mode::File)] {
            if case.has_any(&[tag]) {
                played += 1;
                if let Err(why) = configure(&case, mode) {
                    failures.push(format!("{case} ({tag}): {why}"));
                }
            }
        }
    }
    println!("{played} scenarios of configuration");
    assert!(played > 100, "only {played} scenarios");
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// Plays one scenario. `client` is the resolver whose suite it is part of; a scenario about defaults says none.
fn configure(case: &Case, client: Mode) -> Result<(), String> {
    let (mut variables, mut set) = (HashMap::new(), Vec::new());
    let mut made = Err("no config was initialized".to_owned());
    for step in &case.steps {
        let words: Vec<&str> = step.text.split('"').collect();
        match words.as_slice() {
            ["an option ", name, " of type ", _, " with value ", value, ""] => set.push((*name, *value)),
            ["an environment variable ", name, " with value ", value, ""] => {
                variables.insert((*name).to_owned(), (*value).to_owned());
            }
            ["a config was initialized"] => made = make(&variables, &set, client),
            ["the option ", name, " of type ", kind, " should have the value ", value, ""] => {
                let seen = shown(made.as_ref().map_err(Clone::clone)?, name);
                let same = if *kind == "Boolean" {
                    seen.eq_ignore_ascii_case(value)
                } else {
                    seen == value.to_lowercase() || seen == *value
                };
                if !same {
                    return Err(format!("{name} is {seen}, not {value}"));
                }
            }
            ["we should have an error"] => {
                if let Ok(options) = &made {
                    return Err(format!("no error but {options:?}"));
                }
            }
            _ => return Err(format!("an unknown step: {}", step.text)),
        }
    }
    Ok(())
}

/// As an application would: its own options over those of the environment.
fn make(variables: &HashMap<String, String>, set: &[(&str, &str)], client: Mode) -> Result<Options, String> {
    let resolver = set.iter().find(|(name, _)| *name == "resolver").map(|(_, value)| value.parse::<Mode>());
    let ports = ["FLAGD_PORT", "FLAGD_SYNC_PORT"].iter().any(|name| variables.contains_key(*name));
    let resolver = match resolver {
        Some(resolver) => Some(resolver?),
        // Which port variable counts depends on the resolver, and a scenario about them leaves it to the suite.
        None if ports => Some(client),
        None => None,
    };
    let mut options =
        Options::from_variables(|name| variables.get(name).cloned(), resolver).map_err(|e| e.to_string())?;
    let millis = |text: &str| text.parse().map(Duration::from_millis).map_err(|e| format!("{text}: {e}"));
    for (name, value) in set {
        match *name {
            "resolver" => {}
            "host" => options.host = (*value).to_owned(),
            "port" => options.port = Some(value.parse().map_err(|_| "no port")?),
            "targetUri" => options.target_uri = Some((*value).to_owned()),
            "tls" => options.tls = value.eq_ignore_ascii_case("true"),
            "certPath" => options.cert_path = Some(value.into()),
            "socketPath" => options.socket_path = Some(value.into()),
            "deadlineMs" => options.deadline = millis(value)?,
            "streamDeadlineMs" => options.stream_deadline = millis(value)?,
            "retryBackoffMs" => options.retry_backoff = millis(value)?,
            "retryBackoffMaxMs" => options.retry_backoff_max = millis(value)?,
            "retryGracePeriod" => {
                options.retry_grace_period = Duration::from_secs(value.parse().map_err(|_| "no seconds")?);
            }
            "keepAliveTime" => options.keep_alive_time = millis(value)?,
            "selector" => options.selector = Some((*value).to_owned()),
            "cache" => options.cache = value.parse()?,
            "maxCacheSize" => options.max_cache_size = value.parse().map_err(|_| "no size")?,
            "providerId" => options.provider_id = Some((*value).to_owned()),
            "fatalStatusCodes" => {
                options.fatal_status_codes = value.split(',').map(|code| code.trim().to_owned()).collect();
            }
            "offlineFlagSourcePath" => options.offline_flag_source_path = Some(value.into()),
            "offlinePollIntervalMs" => options.offline_poll = millis(value)?,
            other => return Err(format!("an unknown option: {other}")),
        }
    }
    if options.mode() == Mode::File {
        options.check().map_err(|e| e.to_string())?;
    }
    Ok(options)
}

/// An option as scenarios write it.
fn shown(options: &Options, name: &str) -> String {
    let text = |text: &Option<String>| text.clone().unwrap_or_else(|| "null".to_owned());
    let path = |path: &Option<std::path::PathBuf>| {
        path.as_ref().map_or_else(|| "null".to_owned(), |path| path.display().to_string())
    };
    match name {
        "resolver" => options.mode().to_string(),
        "host" => options.host.clone(),
        "port" => options.port().to_string(),
        "targetUri" => text(&options.target_uri),
        "tls" => options.tls.to_string(),
        "certPath" => path(&options.cert_path),
        "socketPath" => path(&options.socket_path),
        "deadlineMs" => options.deadline.as_millis().to_string(),
        "streamDeadlineMs" => options.stream_deadline.as_millis().to_string(),
        "retryBackoffMs" => options.retry_backoff.as_millis().to_string(),
        "retryBackoffMaxMs" => options.retry_backoff_max.as_millis().to_string(),
        "retryGracePeriod" => options.retry_grace_period.as_secs().to_string(),
        "keepAliveTime" => options.keep_alive_time.as_millis().to_string(),
        "selector" => text(&options.selector),
        "cache" => options.cache.to_string(),
        "maxCacheSize" => options.max_cache_size.to_string(),
        "providerId" => text(&options.provider_id),
        "fatalStatusCodes" => options.fatal_status_codes.join(", "),
        "offlineFlagSourcePath" => path(&options.offline_flag_source_path),
        "offlinePollIntervalMs" => options.offline_poll.as_millis().to_string(),
        other => format!("no option {other}"),
    }
}
