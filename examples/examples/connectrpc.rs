//! Flags in a Connect service of connectrpc: one method over well-known types, written without a generator.
//!
//! ```sh
//! cargo run -p hoistd -- demo                    # flags, OFREP on 8016
//! cargo run -p examples --example connectrpc
//! curl -H 'content-type: application/json' -H 'x-user: user-1' -d '"new-checkout"' localhost:3000/flags.v1.Flags/IsOn
//! ```

use std::error::Error;
use std::sync::Arc;

use axum::Router;
use buffa_types::google::protobuf::{BoolValue, StringValue};
use connectrpc::{ConnectError, RequestContext, Response, handler_fn};
use middleware::Mapping;
use middleware::hooks::DatadogHook;
use middleware::layers::{Carrier, ContextLayer};
use open_feature::{EvaluationErrorCode, OpenFeature};

type Flags = Arc<open_feature::Client>;

async fn is_on(
    flags: Flags,
    context: RequestContext,
    flag: StringValue,
) -> Result<Response<BoolValue>, ConnectError> {
    match flags.get_bool_value(&flag.value, context.evaluation_context(), None).await {
        Ok(value) => Ok(Response::from(BoolValue { value, ..BoolValue::default() })),
        Err(error) if error.code == EvaluationErrorCode::FlagNotFound => {
            Err(ConnectError::not_found(error.message.unwrap_or_default()))
        }
        // Disabled flags and servers that are away: the caller's default.
        Err(_) => Ok(Response::from(BoolValue::default())),
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let provider = ofrep::provider(ofrep::Options::from_env()?)?;
    OpenFeature::singleton_mut().await.set_provider(provider).await;
    let flags = Arc::new(OpenFeature::singleton().await.create_client().with_hook(DatadogHook::new()));

    let rpc = connectrpc::Router::new().route(
        "flags.v1.Flags",
        "IsOn",
        handler_fn(move |context, flag: StringValue| is_on(Arc::clone(&flags), context, flag)),
    );
    let mapping = Mapping::new()
        .targeting_key(middleware::header("x-user"))
        .attribute("email", middleware::header("x-email"))
        .attribute("method", middleware::path());
    let app = Router::new().fallback_service(rpc.into_axum_service()).layer(ContextLayer::new(mapping)?);
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:3000".to_owned());
    let listener = tokio::net::TcpListener::bind(address).await?;
    axum::serve(listener, app).await?;
    Ok(())
}
