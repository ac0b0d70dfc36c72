//! Flags in an axum service: who asks is read from the request once, by a declared mapping, and every handler evaluates with it.
//!
//! ```sh
//! cargo run -p hoistd -- demo                    # flags, OFREP on 8016
//! cargo run -p examples --example axum
//! curl -H 'x-user: user-1' -H 'x-email: ada@example.com' localhost:3000/checkout
//! ```

use std::error::Error;
use std::sync::Arc;

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use middleware::hooks::{OpenTelemetryHook, RequestContextHook};
use middleware::layers::ContextLayer;
use middleware::{Mapping, RequestContext, header, peer_address};
use open_feature::OpenFeature;
use serde_json::{Value, json};

type Flags = Arc<open_feature::Client>;

/// The context as an argument: for handlers that want to look at it, or add to it.
async fn checkout(State(flags): State<Flags>, context: RequestContext) -> Json<Value> {
    let new = flags.get_bool_value("new-checkout", Some(&context), None).await.unwrap_or(false);
    Json(json!({"new": new, "user": context.targeting_key}))
}

/// The context without a word: the hook finds it, however deep the evaluation lies.
async fn color(State(flags): State<Flags>) -> String {
    paint(&flags).await
}

async fn paint(flags: &open_feature::Client) -> String {
    flags.get_string_value("header-color", None, None).await.unwrap_or_else(|_| "#000000".to_owned())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let provider = ofrep::provider(ofrep::Options::from_env()?)?;
    OpenFeature::singleton_mut().await.set_provider(provider).await;
    let client = OpenFeature::singleton().await.create_client();
    let client =
        client.with_hook(RequestContextHook::new()).with_hook(OpenTelemetryHook::new().with_tracing_events());

    // Only what is listed is read. A real service maps claims that a layer in front has verified.
    let mapping = Mapping::new()
        .targeting_key(header("x-user"))
        .attribute("email", header("x-email"))
        .attribute("beta", header("x-beta").boolean())
        .attribute("ip", peer_address());

    let app = Router::new()
        .route("/checkout", get(checkout))
        .route("/color", get(color))
        .layer(ContextLayer::new(mapping)?)
        .with_state(Arc::new(client))
        .into_make_service_with_connect_info::<std::net::SocketAddr>();
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:3000".to_owned());
    let listener = tokio::net::TcpListener::bind(address).await?;
    axum::serve(listener, app).await?;
    Ok(())
}
