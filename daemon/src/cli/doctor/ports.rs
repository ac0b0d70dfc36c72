//! Ports and sockets: free, or taken by whom.

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use super::Finding;
use crate::assemble::endpoints;
use crate::cli::healthcheck;
use crate::config::Config;
use crate::listen::{Address, BindError, Endpoint};

const WHAT: &str = "port";

/// Whether each port could be opened.
pub(super) async fn check(config: &Config, timeout: Duration) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut seen = BTreeMap::new();
    for endpoint in endpoints(config, None) {
        let place = format!("{} ({})", endpoint.address, endpoint.setting);
        let used = seen.insert(endpoint.address.to_string(), endpoint.setting);
        if let Some(other) = used.filter(|_| endpoint.address != Address::Port(0)) {
            let text = format!("{other} names the same");
            findings.push(Finding::error(WHAT, place, text, "give each service a port of its own"));
            continue;
        }
        findings.push(one(endpoint, place, config.listen.management_port, timeout).await);
    }
    findings
}

async fn one(endpoint: Endpoint, place: String, management: u16, timeout: Duration) -> Finding {
    let setting = endpoint.setting;
    let error = match endpoint.bind().await {
        Ok(_) => return Finding::ok(WHAT, place, "free"),
        Err(BindError::Address { source, .. }) => source,
        Err(error) => return Finding::error(WHAT, place, error.to_string(), "correct the setting"),
    };
    match error.kind() {
        io::ErrorKind::AddrInUse if alive(management, timeout).await => {
            let text =
                format!("taken; a hoistd or flagd is running, /healthz on port {management} answers 200");
            Finding::warning(WHAT, place, text, "stop it before another one is started with these settings")
        }
        io::ErrorKind::AddrInUse => {
            let advice = format!("stop the process that has it, or choose another one with {setting}");
            Finding::error(WHAT, place, "taken by another process", advice)
        }
        io::ErrorKind::PermissionDenied => {
            let advice =
                format!("choose another one with {setting}, or give the process the right to open it");
            Finding::error(WHAT, place, "this user may not open it", advice)
        }
        _ => Finding::error(WHAT, place, error.to_string(), format!("choose another one with {setting}")),
    }
}

/// Whether a daemon answers on the management port.
async fn alive(management: u16, timeout: Duration) -> bool {
    let patience = timeout.min(Duration::from_secs(2));
    let asked = tokio::task::spawn_blocking(move || healthcheck::ask(management, "/healthz", patience)).await;
    asked.is_ok_and(|said| said.is_ok_and(|status| status.split(' ').nth(1) == Some("200")))
}
