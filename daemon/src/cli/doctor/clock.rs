//! The clock: rules compare with it (`$flagd.timestamp`), and certificates are judged by it.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::Finding;
use crate::ask;
use crate::config::{Config, Provider};
use crate::sources;

const WHAT: &str = "clock";
/// No right clock shows a time before this one: 1 January 2025.
const EARLIEST: Duration = Duration::from_secs(1_735_689_600);
/// Differences from a server's clock: what is worth a warning, and what makes certificates fail.
const SKEWED: Duration = Duration::from_secs(30);
const WRONG: Duration = Duration::from_secs(3_600);
const ADVICE: &str = "let the machine's clock follow a time server (NTP, chrony)";

/// Whether the clock is plausible, runs evenly, and agrees with the HTTP servers among the sources.
pub(super) async fn check(config: &Config, timeout: Duration) -> Vec<Finding> {
    let mut findings = vec![plausible(ask::clock()), even().await];
    for origin in config.origins.iter().filter(|origin| origin.provider == Provider::Http) {
        if let Some(theirs) = store::http_date(&sources::origin(origin), timeout).await {
            findings.push(skew(theirs, ask::clock(), origin.uri.to_string()));
        }
    }
    findings
}

fn plausible(now: SystemTime) -> Finding {
    let since = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    if since < EARLIEST {
        return Finding::error(WHAT, "", "the clock is years behind", ADVICE);
    }
    Finding::ok(WHAT, "", format!("{} seconds since 1970", since.as_secs()))
}

/// Whether the wall clock goes as fast as the one that cannot be set.
async fn even() -> Finding {
    let (wall, steady) = (ask::clock(), Instant::now());
    tokio::time::sleep(Duration::from_millis(50)).await;
    let (walked, steadily) = (ask::clock().duration_since(wall), steady.elapsed());
    match walked {
        Ok(walked) if walked.abs_diff(steadily) < Duration::from_millis(500) => {
            Finding::ok(WHAT, "", "runs evenly")
        }
        _ => Finding::warning(WHAT, "", "jumped while it was watched", ADVICE),
    }
}

fn skew(theirs: SystemTime, ours: SystemTime, place: String) -> Finding {
    let apart = ours.duration_since(theirs).unwrap_or_else(|error| error.duration());
    let text = format!("{} s apart from the server's clock", apart.as_secs());
    match apart {
        _ if apart > WRONG => Finding::error(WHAT, place, text, ADVICE),
        _ if apart > SKEWED => Finding::warning(WHAT, place, text, ADVICE),
        _ => Finding::ok(WHAT, place, text),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Level;
    use super::*;

    #[test]
    fn a_clock_is_judged_by_how_far_it_is_off() {
        let at = |seconds| UNIX_EPOCH + Duration::from_secs(seconds);
        assert_eq!(plausible(at(0)).level, Level::Error);
        assert_eq!(plausible(at(1_800_000_000)).level, Level::Ok);
        for (theirs, level) in [(1_000_010, Level::Ok), (999_900, Level::Warning), (1_010_000, Level::Error)]
        {
            assert_eq!(skew(at(theirs), at(1_000_000), String::new()).level, level, "{theirs}");
        }
    }
}
