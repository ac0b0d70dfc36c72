//! The official OpenFeature crates under the five rules of every benchmark: `official FLAGS EVALUATION_PORT OFREP_PORT`.
//!
//! A provider that does nothing is measured first: what a call costs that only the SDK is part of.
//!
//! Prints a line `rule TAB subject TAB nanoseconds TAB allocations` for each call that it measured; `bench providers` runs it
//! and puts the lines beside our own.

#[allow(dead_code, reason = "other benchmarks make their documents with it")]
#[path = "../../../engine/tests/harness/five.rs"]
mod five;
#[path = "../../../providers/local/tests/no_op/mod.rs"]
mod no_op;
#[path = "../../src/probe.rs"]
mod probe;
#[path = "../../src/sdk.rs"]
mod sdk;

use std::error::Error;
use std::time::{Duration, Instant};

use open_feature::{Client, OpenFeature};
use open_feature_flagd::{CacheSettings, CacheType, FlagdOptions, FlagdProvider, ResolverType};
use open_feature_ofrep::{OfrepOptions, OfrepProvider};

#[global_allocator]
static ALLOCATOR: &probe::Counting = &stats_alloc::INSTRUMENTED_SYSTEM;

/// What the SDK's client costs by itself: nobody's provider is faster than this.
const SDK: &str = "no-op provider, client";
const READY: Duration = Duration::from_secs(10);

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [flags, evaluation, ofrep] = &arguments[..] else {
        return Err("official FLAGS EVALUATION_PORT OFREP_PORT".into());
    };
    // As ours are measured: rules are what is asked for, not a cache.
    let cache = Some(CacheSettings { cache_type: CacheType::Disabled, ..CacheSettings::default() });
    let file = FlagdProvider::new(FlagdOptions {
        resolver_type: ResolverType::File,
        source_configuration: Some(flags.clone()),
        cache_settings: cache.clone(),
        ..FlagdOptions::default()
    });
    let rpc = FlagdProvider::new(FlagdOptions {
        host: "127.0.0.1".to_owned(),
        port: evaluation.parse()?,
        resolver_type: ResolverType::Rpc,
        cache_settings: cache,
        ..FlagdOptions::default()
    });
    let ofrep = OfrepProvider::new(OfrepOptions {
        base_url: format!("http://127.0.0.1:{ofrep}"),
        ..OfrepOptions::default()
    });
    let mut sdk = OpenFeature::default();
    sdk.set_named_provider(SDK, no_op::NoOp::default()).await;
    sdk.set_named_provider("official flagd file, client", file.await?).await;
    sdk.set_named_provider("official flagd rpc, client", rpc.await?).await;
    sdk.set_named_provider("official ofrep, client", ofrep.await?).await;
    let context = sdk::context(&five::context());
    for subject in
        [SDK, "official flagd file, client", "official flagd rpc, client", "official ofrep, client"]
    {
        let client = sdk.create_named_client(subject);
        ready(&client).await?;
        for (rule, _) in five::rules() {
            let ask = || client.get_bool_value(rule, Some(&context), None);
            if let Err(error) = ask().await {
                return Err(format!("{subject}: {rule}: {error:?}").into());
            }
            let cost = probe::measure(async || drop(std::hint::black_box(ask().await))).await;
            println!("{rule}\t{subject}\t{}\t{}", cost.nanoseconds, cost.allocations);
        }
    }
    Ok(())
}

/// Waits until the provider gives the answer that everybody must give.
async fn ready(client: &Client) -> Result<(), Box<dyn Error>> {
    let context = sdk::context(&five::context());
    let begun = Instant::now();
    loop {
        match client.get_bool_value("R2", Some(&context), None).await {
            Ok(true) => return Ok(()),
            other if begun.elapsed() > READY => return Err(format!("R2 is {other:?}, not true").into()),
            _ => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
}
