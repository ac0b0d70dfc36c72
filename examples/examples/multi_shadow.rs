//! Moving to another backend without a leap: the new one is asked behind the old one's back until they agree.
//!
//! `cargo run -p examples --example multi_shadow`
#![allow(clippy::print_stdout)]

use std::time::Duration;

use in_memory::{Flag, InMemory};
use kit::Evaluate;
use multi::{Member, Multi, ShadowOptions};
use open_feature::{EvaluationContext, OpenFeature};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    // Two backends; in production these are say hoist_provider_unleash::provider(..) and hoist_provider_flagd::provider(..).
    let old = InMemory::new().with("new-cart", true).with("page-size", 20);
    let new = InMemory::new().with("new-cart", true).with(
        "page-size",
        Flag::variants([("small", 20), ("large", 50)], "small").targeting(|context| {
            (context.targeting_key.as_deref() == Some("user-3")).then(|| "large".to_owned())
        }),
    );

    let members = [Member::new("old", old.provider()), Member::new("new", new.provider())];
    let multi = Multi::shadow(members, ShadowOptions::default())?;
    let report = multi.resolver().ok_or("shut down already")?.report().clone();
    report.on_difference(|difference, counts| {
        println!(
            "{}: {} says {:?}, not {:?} ({} of {})",
            difference.key,
            difference.name,
            difference.other.as_ref().ok().and_then(|answer| answer.value.as_ref()),
            difference.first.as_ref().ok().and_then(|answer| answer.value.as_ref()),
            counts.mismatched,
            counts.compared,
        );
    });

    let mut api = OpenFeature::singleton_mut().await;
    api.set_provider(multi).await;
    let client = api.create_client();
    for n in 0..10 {
        let user = EvaluationContext::default().with_targeting_key(format!("user-{n}"));
        client.get_bool_value("new-cart", Some(&user), None).await.map_err(|error| error.code)?;
        client.get_int_value("page-size", Some(&user), None).await.map_err(|error| error.code)?;
    }

    // The shadow works behind the application's back, so it may still be at it.
    while report.flag("page-size").compared + report.skipped() < 10 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    for (key, counts) in report.flags() {
        println!("{key}: {} compared, {} differed", counts.compared, counts.mismatched);
    }

    // The day they agree, the new one goes first; whoever holds it can ask it without await.
    let direct = new.provider();
    println!("page size without await: {}", direct.int("page-size", 10, &EvaluationContext::default()));
    Ok(())
}
