//! One application, any backend: which one is the operator's choice, and nothing here knows of it.
//!
//! ```sh
//! alias app='cargo run -q -p examples --example from_env'
//! HOIST_PROVIDER=in-memory HOIST_IN_MEMORY_FLAGS='{"greeting": "hello"}'                              app
//! HOIST_PROVIDER=env-var GREETING=hi                                                                  app
//! HOIST_PROVIDER=env-var,file HOIST_FLAGS_PATH=flags.yaml                                             app
//! HOIST_FLAGS_PATH=flags.yaml                                                                         app
//! HOIST_PROVIDER=unleash UNLEASH_URL=https://unleash.example.com/api UNLEASH_API_TOKEN=..             app
//! HOIST_PROVIDER=unleash HOIST_SHADOW_PROVIDER=flagd UNLEASH_URL=.. FLAGD_HOST=flagd.example.com      app
//! ```
#![allow(clippy::print_stdout)]

use std::time::Duration;

use hoist::kit::EventKind;
use open_feature::{Client, EvaluationContext, OpenFeature};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let provider = hoist::from_env()?;
    let flags = provider.handle();
    flags.on(EventKind::ConfigurationChanged, |event| println!("changed: {:?}", event.flags_changed));

    let mut api = OpenFeature::singleton_mut().await;
    api.set_provider(provider).await;
    let client = api.create_client();
    drop(api);

    // Waiting is the application's choice, too. Without an answer in time it starts with its own defaults.
    match flags.ready(Duration::from_secs(2)).await {
        Ok(()) => println!("flags come from {}", flags.name()),
        Err(why) => println!("starting with the defaults: {why}"),
    }
    for (name, plan) in [("ann", "pro"), ("bob", "free")] {
        let user = EvaluationContext::default().with_targeting_key(name).with_custom_field("plan", plan);
        println!("{name}: {}", page(&client, &user).await);
    }
    Ok(())
}

/// What a user of the application sees.
async fn page(client: &Client, user: &EvaluationContext) -> String {
    let greeting = client.get_string_value("greeting", Some(user), None).await;
    let greeting = greeting.unwrap_or_else(|_| "good day".to_owned());
    let size = client.get_int_value("page-size", Some(user), None).await.unwrap_or(10);
    match client.get_bool_value("new-checkout", Some(user), None).await.unwrap_or(false) {
        true => format!("{greeting}, {size} to a page, the new checkout"),
        false => format!("{greeting}, {size} to a page"),
    }
}
