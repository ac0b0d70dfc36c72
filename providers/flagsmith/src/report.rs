//! Tells the server how often features were asked for, added up.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use crate::client::Api;
use crate::usage::Usage;

/// The longest that a server that does not take reports is left alone.
const LONGEST_WAIT: Duration = Duration::from_secs(600);

/// Reports for one source.
#[derive(Debug)]
pub(crate) struct Reporter {
    api: Api,
    usage: Arc<Usage>,
    interval: Duration,
}

impl Reporter {
    pub(crate) fn new(api: Api, usage: Arc<Usage>, interval: Duration) -> Self {
        Self { api, usage, interval }
    }

    /// Reports until it is dropped. Failing is no harm to the flags: the counts are kept, and told later.
    pub(crate) async fn run(self) -> Infallible {
        let mut wait = self.interval;
        loop {
            tokio::time::sleep(wait).await;
            wait = self.interval;
            let counts = self.usage.take();
            if counts.is_empty() {
                continue;
            }
            if let Err(error) = self.api.report(&counts).await {
                wait = (wait * 2).min(LONGEST_WAIT.max(self.interval));
                tracing::warn!(%error, features = counts.len(), "flagsmith: usage not reported; kept");
                self.usage.give_back(counts);
            }
        }
    }
}
