//! Testing code that asks for flags: each test has its own, even where the application has one global provider.
//!
//! `cargo test -p examples --example tests_with_in_memory`, or `cargo run` it to see both sides.
#![allow(clippy::print_stdout)]

use in_memory::{Flag, InMemory};
use open_feature::{Client, EvaluationContext, EvaluationError, OpenFeature};

/// The code under test: what an order costs, in cents.
async fn price(flags: &Client, user: &str, cents: i64) -> i64 {
    let context = EvaluationContext::default().with_targeting_key(user);
    let percent = flags.get_int_value("discount", Some(&context), None).await.unwrap_or(0);
    cents - cents * percent / 100
}

/// The application's flags and its client, as `main` sets them up once for the process.
async fn application() -> (InMemory, Client) {
    let flags = InMemory::new().with("discount", 0).recording();
    let mut api = OpenFeature::default();
    api.set_provider(flags.provider()).await;
    (flags, api.create_client())
}

#[tokio::main]
async fn main() {
    let (flags, client) = application().await;
    println!("without a discount: {}", price(&client, "ann", 1000).await);
    let half = flags.scope([("discount", 50)], price(&client, "ann", 1000)).await;
    println!("with half off, for this future alone: {half}");
    println!("and without again: {}", price(&client, "ann", 1000).await);
    for asked in flags.evaluations() {
        println!("asked: {} for {:?}", asked.key, asked.context.targeting_key);
    }
    staff_only(&flags, &client).await;
    broken_backend(&flags, &client).await;
}

/// A rule is a closure.
async fn staff_only(flags: &InMemory, client: &Client) {
    let staff = Flag::variants([("none", 0), ("staff", 20)], "none").targeting(|context| {
        context
            .targeting_key
            .as_deref()
            .is_some_and(|key| key.starts_with("staff-"))
            .then(|| "staff".to_owned())
    });
    flags
        .scope([("discount", staff)], async {
            assert_eq!(price(client, "staff-7", 1000).await, 800);
            assert_eq!(price(client, "ann", 1000).await, 1000);
        })
        .await;
}

/// What happens when there is no answer can be tested too.
async fn broken_backend(flags: &InMemory, client: &Client) {
    let down: EvaluationError = kit::error::general("connection refused");
    let paid = flags.scope([("discount", Flag::failing(down))], price(client, "ann", 1000)).await;
    assert_eq!(paid, 1000, "the default stands");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn staff_pay_less() {
        let (flags, client) = application().await;
        staff_only(&flags, &client).await;
    }

    #[tokio::test]
    async fn a_broken_backend_costs_nobody_anything() {
        let (flags, client) = application().await;
        broken_backend(&flags, &client).await;
        assert_eq!(flags.evaluations().len(), 1);
    }
}
