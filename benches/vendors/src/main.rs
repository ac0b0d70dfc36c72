//! The vendors' own crates under a typical flag of each.
//!
//! Prints a line `vendor TAB subject TAB nanoseconds TAB allocations TAB answers` for each call that it measured, the answers
//! being one digit for each user; `bench vendors` runs it, and puts the lines beside our own.

#[path = "../../src/probe.rs"]
mod probe;
#[allow(dead_code, reason = "Flipt has no crate of its own")]
#[path = "../../src/vendor.rs"]
mod vendor;

use std::error::Error;
use std::hint::black_box;
use std::sync::Arc;

use flagsmith_flag_engine::engine::get_evaluation_result;
use flagsmith_flag_engine::engine_eval::mappers::{add_identity_to_context, environment_to_context};
use flagsmith_flag_engine::environments::builders::build_environment_struct;
use flagsmith_flag_engine::identities::Trait;
use flagsmith_flag_engine::types::{FlagsmithValue, FlagsmithValueType};
use serde::Deserialize;
use unleash_api_client::client::{Client, ClientBuilder, FeatureKey};
use unleash_api_client::context::Context;
use unleash_api_client::http::{Request, Response, Transport};
use vendor::{KEY, USERS, Vendor, user};

#[global_allocator]
static ALLOCATOR: &probe::Counting = &stats_alloc::INSTRUMENTED_SYSTEM;

type Outcome = Result<(), Box<dyn Error + Send + Sync>>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Outcome {
    unleash().await?;
    flagsmith().await;
    Ok(())
}

#[derive(Clone, Copy, Debug, Deserialize, FeatureKey)]
enum Feature {
    /// The client wants a type of keys. It is asked by name.
    None,
}

/// Goes nowhere: features are handed in.
struct Nowhere;

#[async_trait::async_trait]
impl Transport for Nowhere {
    async fn execute(&self, _: Request) -> Result<Response, anyhow::Error> {
        Err(anyhow::anyhow!("there is no server"))
    }
}

async fn unleash() -> Outcome {
    let client: Client<Feature> = ClientBuilder::default()
        .disable_metric_submission()
        .enable_string_features()
        .into_client_with_transport("http://127.0.0.1", "bench", "bench", None, Arc::new(Nowhere))?;
    client.memoize(serde_json::from_value(Vendor::Unleash.document())?)?;
    let contexts: Vec<Context> = (0..USERS)
        .map(user)
        .map(|user| Context {
            user_id: Some(user.key),
            properties: [("region", user.region), ("plan", user.plan)]
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .into(),
            ..Context::default()
        })
        .collect();
    let ask = |context: &Context| client.is_enabled_str(KEY, Some(context), false);
    tell(Vendor::Unleash, "unleash-api-client", &contexts, ask).await;
    Ok(())
}

/// This engine answers for all features at once, and there is no other way to ask it.
async fn flagsmith() {
    let environment = environment_to_context(build_environment_struct(Vendor::Flagsmith.document()));
    let identities: Vec<_> = (0..USERS)
        .map(user)
        .map(|user| {
            let traits = [("region", user.region), ("plan", user.plan)].map(|(name, value)| Trait {
                trait_key: name.to_owned(),
                trait_value: FlagsmithValue { value: value.to_owned(), value_type: FlagsmithValueType::String },
            });
            add_identity_to_context(&environment, &user.key, &traits)
        })
        .collect();
    let ask = |identity: &_| get_evaluation_result(identity).flags.get(KEY).is_some_and(|flag| flag.enabled);
    tell(Vendor::Flagsmith, "flagsmith-flag-engine, all features", &identities, ask).await;
}

async fn tell<C>(vendor: Vendor, subject: &str, contexts: &[C], ask: impl Fn(&C) -> bool) {
    let answers: String = contexts.iter().map(|context| if ask(context) { '1' } else { '0' }).collect();
    let mut next = contexts.iter().cycle();
    let cost = probe::measure(async || {
        if let Some(context) = next.next() {
            black_box(ask(black_box(context)));
        }
    })
    .await;
    println!("{}\t{subject}\t{}\t{}\t{answers}", vendor.name(), cost.nanoseconds, cost.allocations);
}
