//! What SDKs register and report: added up, and passed on to the server in one message.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::client::{Api, Failed};
use crate::ledger::Counts;

/// The most applications and counted flags that wait to be passed on.
const MOST: usize = 10_000;
/// The longest name that is taken.
const LONGEST: usize = 500;

/// What an SDK says of itself.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Registration {
    app_name: String,
    #[serde(flatten)]
    rest: Map<String, Value>,
}

/// What an SDK has counted.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Usage {
    app_name: String,
    bucket: Bucket,
}

#[derive(Clone, Debug, Deserialize)]
struct Bucket {
    #[serde(default)]
    toggles: BTreeMap<String, Toggle>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Toggle {
    yes: u64,
    no: u64,
    variants: BTreeMap<String, u64>,
}

/// Collects for one server.
#[derive(Debug, Default)]
pub struct Desk {
    waiting: Mutex<Waiting>,
}

#[derive(Debug, Default)]
struct Waiting {
    /// By application and environment.
    applications: BTreeMap<(String, String), Map<String, Value>>,
    /// By application, environment and flag.
    counts: BTreeMap<(String, String, String), Counts>,
}

impl Desk {
    /// Takes a registration of somebody with a token for `environment`.
    pub fn register(&self, registration: Registration, environment: &str) {
        let Registration { app_name, mut rest } = registration;
        if app_name.is_empty() || app_name.len() > LONGEST {
            return;
        }
        // Only what servers know; the rest may be of any size.
        rest.retain(|name, value| {
            ["instanceId", "connectionId", "sdkVersion", "strategies", "started", "interval"]
                .contains(&name.as_str())
                && value.to_string().len() <= 10 * LONGEST
        });
        rest.insert("appName".to_owned(), app_name.as_str().into());
        rest.insert("environment".to_owned(), environment.into());
        let mut waiting = self.locked();
        if waiting.applications.len() < MOST {
            waiting.applications.insert((app_name, environment.to_owned()), rest);
        }
    }

    /// Takes counts of somebody with a token for `environment`.
    pub fn count(&self, usage: Usage, environment: &str) {
        let mut waiting = self.locked();
        for (flag, Toggle { yes, no, variants }) in usage.bucket.toggles.into_iter().take(MOST) {
            let key = (usage.app_name.clone(), environment.to_owned(), flag);
            let fits = key.0.len() <= LONGEST && key.2.len() <= LONGEST && variants.len() <= LONGEST;
            if fits && (waiting.counts.len() < MOST || waiting.counts.contains_key(&key)) {
                waiting.counts.entry(key).or_default().add(Counts { yes, no, variants });
            }
        }
    }

    /// Passes on what waits, as of `now` (RFC 3339).
    ///
    /// # Errors
    /// The server did not take it; it waits on.
    pub async fn pass_on(&self, api: &Api, now: &str) -> Result<(), Failed> {
        let Waiting { applications, counts } = std::mem::take(&mut *self.locked());
        if applications.is_empty() && counts.is_empty() {
            return Ok(());
        }
        let metrics: Vec<Value> = counts
            .iter()
            .map(|((app, environment, flag), counts)| {
                json!({
                    "featureName": flag, "appName": app, "environment": environment, "timestamp": now,
                    "yes": counts.yes, "no": counts.no, "variants": counts.variants,
                })
            })
            .collect();
        let body = json!({ "applications": applications.values().collect::<Vec<_>>(), "metrics": metrics });
        let sent = api.post("/client/metrics/bulk", &body).await;
        if sent.is_err() {
            let mut waiting = self.locked();
            for (key, application) in applications {
                if waiting.applications.len() < MOST {
                    waiting.applications.entry(key).or_insert(application);
                }
            }
            for (key, more) in counts {
                if waiting.counts.len() < MOST || waiting.counts.contains_key(&key) {
                    waiting.counts.entry(key).or_default().add(more);
                }
            }
        }
        sent.map(drop)
    }

    /// How often to pass on.
    pub const INTERVAL: Duration = Duration::from_secs(60);

    fn locked(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
