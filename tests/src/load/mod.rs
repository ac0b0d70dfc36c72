//! Constant load over every protocol, with an eye on each answer: it must belong to exactly one version of the flags, and
//! versions must never go back.

mod clients;

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tokio::task::JoinSet;

pub use clients::channel;

use crate::world::Ports;

/// What an answer that carries both flags of [`document`] said.
type Seen = Result<Vec<u64>, String>;

/// A flag document of one version: every value, and the metadata, is the version. `paired` is static, `ruled` has targeting.
#[must_use]
pub fn document(version: u64) -> serde_json::Value {
    let flag = |targeting: serde_json::Value| {
        serde_json::json!({
            "state": "ENABLED", "variants": {"now": version, "never": 0}, "defaultVariant": "now",
            "targeting": targeting, "metadata": {"version": version},
        })
    };
    let rule = serde_json::json!({"if": [{"ends_with": [{"var": "email"}, "@example.com"]}, "now", "never"]});
    serde_json::json!({"flags": {"paired": flag(serde_json::json!({})), "ruled": flag(rule)}})
}

/// What one client of the load saw.
#[derive(Debug)]
pub struct Tally {
    /// The protocol and method.
    pub client: &'static str,
    /// Requests answered rightly.
    pub answers: u64,
    /// The first answers that were wrong, and why.
    pub wrong: Vec<String>,
}

/// Clients that ask without pause until they are told to stop.
#[derive(Debug)]
pub struct Load {
    stop: Arc<AtomicBool>,
    written: Arc<AtomicU64>,
    running: JoinSet<Tally>,
}

impl Load {
    /// Starts one client per protocol and method. `written` is the newest version that may be seen.
    pub async fn start(ports: Ports, written: Arc<AtomicU64>) -> Self {
        let mut load = Self { stop: Arc::default(), written, running: JoinSet::new() };
        let grpc = clients::Grpc::connect(ports).await;
        let http = clients::Http::new(ports);
        load.client("gRPC v1 ResolveAll", grpc.clone(), clients::Grpc::v1_all);
        load.client("gRPC v2 ResolveFloat", grpc.clone(), clients::Grpc::v2_float);
        load.client("gRPC schema.v1 ResolveInt", grpc.clone(), clients::Grpc::schema_int);
        load.client("gRPC FetchAllFlags", grpc, clients::Grpc::fetch_all);
        load.client("Connect JSON v1 ResolveAll", http.clone(), clients::Http::connect_all);
        load.client("gRPC-Web v1 ResolveAll", http.clone(), clients::Http::grpc_web_all);
        load.client("OFREP single", http.clone(), clients::Http::ofrep_single);
        load.client("OFREP bulk", http, clients::Http::ofrep_bulk);
        load
    }

    fn client<C, F>(
        &mut self,
        client: &'static str,
        connection: C,
        mut ask: impl FnMut(C) -> F + Send + 'static,
    ) where
        C: Clone + Send + 'static,
        F: Future<Output = Seen> + Send,
    {
        let (stop, written) = (Arc::clone(&self.stop), Arc::clone(&self.written));
        self.running.spawn(async move {
            let mut tally = Tally { client, answers: 0, wrong: Vec::new() };
            let mut newest = 0;
            while !stop.load(Ordering::Relaxed) && tally.wrong.len() < 10 {
                let seen = ask(connection.clone()).await;
                match judged(seen, newest, written.load(Ordering::SeqCst)) {
                    Ok(version) => {
                        newest = version;
                        tally.answers += 1;
                    }
                    Err(why) => tally.wrong.push(why),
                }
            }
            tally
        });
    }

    /// Stops the clients and says what they saw.
    pub async fn finish(self) -> Vec<Tally> {
        self.stop.store(true, Ordering::Relaxed);
        self.running.join_all().await
    }
}

/// The one version of an answer.
fn judged(seen: Seen, newest: u64, written: u64) -> Result<u64, String> {
    let versions = seen?;
    let version = *versions.first().ok_or("an answer without a version")?;
    if versions.iter().any(|other| *other != version) {
        return Err(format!("torn: {versions:?}"));
    }
    if version < newest || version > written {
        return Err(format!("version {version} after {newest}, with {written} written"));
    }
    Ok(version)
}
