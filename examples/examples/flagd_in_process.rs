//! Flags evaluated here: sent by a daemon, asked without `await`, several at one moment, and their changes told.
//!
//! ```sh
//! cargo run -p hoistd -- demo                          # its sync service is on 8015
//! cargo run -p examples --example flagd_in_process
//! ```

use std::error::Error;
use std::time::Duration;

use flagd::{Mode, Options, in_process};
use kit::{Evaluate, EventKind};
use open_feature::{EvaluationContext, OpenFeature};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    // FLAGD_HOST, FLAGD_SYNC_PORT and the others may say where.
    let options = Options {
        last_known_good: Some(std::path::PathBuf::from("target/flags-kept")),
        ..Options::from_env_as(Mode::InProcess)?
    };
    let provider = in_process(options)?;
    let flags = provider.handle();
    flags.on(EventKind::ConfigurationChanged, |event| {
        tell(format!("changed: {:?}", event.flags_changed));
    });
    flags.on(EventKind::Stale, |event| tell(format!("stale: {:?}", event.message)));

    // Code that knows OpenFeature alone asks through its client ...
    OpenFeature::singleton_mut().await.set_provider(provider).await;
    flags.ready(Duration::from_secs(5)).await?;
    let client = OpenFeature::singleton().await.create_client();
    let checkout = client.get_bool_value("new-checkout", None, None).await.unwrap_or(false);
    tell(format!("new-checkout through the SDK: {checkout}"));

    loop {
        // ... and a hot path through the handle: no future, no allocation.
        let user = EvaluationContext::default().with_targeting_key("user-1");
        let checkout = flags.bool("new-checkout", false, &user);
        // Answers that belong together come from one snapshot.
        let Ok(now) = flags.snapshot() else { return Ok(()) };
        let pair = (now.bool("new-checkout", false, &user), now.string("header-color", "none", &user));
        tell(format!("new-checkout {checkout}, together with the color {pair:?}"));
        tokio::time::sleep(Duration::from_secs(2)).await;
    }
}

#[allow(clippy::print_stdout, reason = "an example shows what it does")]
fn tell(text: String) {
    println!("{text}");
}
