//! Reports to the server: that we are there, and how often flags were asked for, aggregated.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::StatusCode;
use serde_json::json;
use tokio::time::Instant;

use crate::client::{Api, Failed, SDK, SPECIFICATION};
use crate::ledger::{Counts, Ledger};
use crate::rules::rfc3339;

/// The most flags of which counts are kept while the server does not take them.
const MOST_FLAGS: usize = 10_000;
/// How long to wait at most between attempts at registering.
const LONGEST_WAIT: Duration = Duration::from_secs(600);

/// Reports for one source.
#[derive(Debug)]
pub(crate) struct Reporter {
    pub(crate) api: Api,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) interval: Duration,
    /// Counts that the server has not taken yet.
    unsent: BTreeMap<String, Counts>,
}

impl Reporter {
    pub(crate) fn new(api: Api, ledger: Arc<Ledger>, interval: Duration) -> Self {
        Self { api, ledger, interval, unsent: BTreeMap::new() }
    }

    /// Reports until it is dropped. Failing is no harm to the flags: it is logged, and tried again with the counts.
    pub(crate) async fn run(mut self, started: SystemTime) -> Infallible {
        let began = Instant::now();
        let (mut since, mut next) = (started, began + self.interval);
        self.register(started).await;
        loop {
            tokio::time::sleep_until(next).await;
            next = Instant::now() + self.interval;
            since = self.report(since, started + began.elapsed()).await;
        }
    }

    async fn register(&self, started: SystemTime) {
        let mut wait = Duration::from_secs(5).min(self.interval);
        while let Err(error) = self.api.register(&stamp(started), self.interval).await {
            // There is nothing to register with, as behind some proxies.
            if matches!(error, Failed::Status(StatusCode::NOT_FOUND)) {
                return;
            }
            tracing::debug!(%error, "unleash: not registered yet");
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(LONGEST_WAIT);
        }
    }

    /// Tells what was counted from `since` to `now`; what the server does not take is told next time. Says from when that is.
    async fn report(&mut self, since: SystemTime, now: SystemTime) -> SystemTime {
        for (key, counts) in self.ledger.take() {
            if self.unsent.len() < MOST_FLAGS || self.unsent.contains_key(&key) {
                self.unsent.entry(key).or_default().add(counts);
            }
        }
        if self.unsent.is_empty() {
            return now;
        }
        let body = json!({
            "appName": self.api.app_name, "instanceId": self.api.instance_id,
            "connectionId": self.api.connection_id, "sdkVersion": SDK, "specVersion": SPECIFICATION,
            "platformName": "rust",
            "bucket": { "start": stamp(since), "stop": stamp(now), "toggles": self.unsent },
        });
        match self.api.post("/client/metrics", &body).await {
            Ok(_) => {
                self.unsent.clear();
                now
            }
            Err(error) => {
                tracing::warn!(%error, flags = self.unsent.len(), "unleash: usage not reported; kept");
                since
            }
        }
    }
}

/// A time as the server reads it: RFC 3339 in UTC.
pub fn stamp(time: SystemTime) -> String {
    rfc3339(time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()))
}
