//! One application, any backend: which one is the operator's choice.
//!
//! ```sh
//! HOIST_PROVIDER=in-memory HOIST_IN_MEMORY_FLAGS='{"greeting": "hello"}' cargo run -p examples --example from_env
//! HOIST_PROVIDER=env-var GREETING=hi                                      cargo run -p examples --example from_env
//! HOIST_PROVIDER=env-var,file HOIST_FLAGS_PATH=flags.yaml                 cargo run -p examples --example from_env
//! HOIST_FLAGS_PATH=flags.yaml                                             cargo run -p examples --example from_env
//! ```
#![allow(clippy::print_stdout)]

use std::time::Duration;

use hoist::kit::EventKind;
use open_feature::{EvaluationContext, OpenFeature};

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

    let user = EvaluationContext::default().with_targeting_key("user-1").with_custom_field("plan", "pro");
    let greeting = client.get_string_value("greeting", Some(&user), None).await;
    println!("{}", greeting.unwrap_or_else(|_| "good day".to_owned()));
    Ok(())
}
