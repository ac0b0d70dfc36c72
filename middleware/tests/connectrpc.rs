//! The layer and the reader in a real Connect server: a unary call and a server stream.

#![allow(clippy::expect_used, clippy::panic)]

mod echo;

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use buffa_types::google::protobuf::StringValue;
use connectrpc::{Response, handler_fn, streaming_handler_fn};
use futures_util::StreamExt;
use hoist_middleware::hooks::RequestContextHook;
use hoist_middleware::layers::{Carrier, ContextLayer};
use hoist_middleware::{Mapping, header, path};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;

type Flags = Arc<open_feature::Client>;

async fn evaluate(
    flags: Flags,
    context: connectrpc::RequestContext,
) -> Result<StringValue, connectrpc::ConnectError> {
    let value = flags.get_string_value("s", context.evaluation_context(), None).await;
    value
        .map(|value| StringValue { value, ..StringValue::default() })
        .map_err(|error| connectrpc::ConnectError::internal(error.code.to_string()))
}

async fn serve() -> SocketAddr {
    let flags = Arc::new(echo::client("connectrpc").await.with_hook(RequestContextHook::new()));
    let (unary, streamed) = (Arc::clone(&flags), flags);
    let rpc = connectrpc::Router::new()
        .route(
            "test.Echo",
            "Unary",
            handler_fn(move |context, _: StringValue| {
                let flags = Arc::clone(&unary);
                async move { Ok(Response::from(evaluate(flags, context).await?)) }
            }),
        )
        .route_server_stream(
            "test.Echo",
            "Lines",
            streaming_handler_fn(move |_, request: StringValue| {
                let flags = Arc::clone(&streamed);
                let lines = futures_util::stream::iter(0..2).then(move |_| {
                    let (flags, text) = (Arc::clone(&flags), request.value.clone());
                    // No context by hand: the stream is polled as part of its request.
                    async move {
                        let mut line = evaluate(flags, connectrpc::RequestContext::default()).await?;
                        line.value = format!("{text}:{}", line.value);
                        Ok(line)
                    }
                });
                async move { Ok(Response::stream(lines)) }
            }),
        );
    let mapping = Mapping::new().targeting_key(header("x-user")).attribute("method", path());
    let app = Router::new()
        .fallback_service(rpc.into_axum_service())
        .layer(ContextLayer::new(mapping).expect("a mapping"));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move { axum::serve(listener, app).await });
    address
}

async fn post(address: SocketAddr, path: &str, content_type: &str, body: Vec<u8>) -> Vec<u8> {
    let request = http::Request::post(format!("http://{address}{path}"))
        .header("content-type", content_type)
        .header("connect-protocol-version", "1")
        .header("x-user", "u1")
        .header("x-other", "no")
        .body(Full::new(bytes::Bytes::from(body)))
        .expect("a request");
    let client = Client::builder(TokioExecutor::new()).build_http();
    let response = client.request(request).await.expect("an answer");
    response.into_body().collect().await.expect("a body").to_bytes().to_vec()
}

#[tokio::test]
async fn a_unary_handler_reads_the_context() {
    let address = serve().await;
    let answer = post(address, "/test.Echo/Unary", "application/json", b"\"\"".to_vec()).await;
    assert_eq!(String::from_utf8_lossy(&answer), "\"u1/method=/test.Echo/Unary\"");
}

#[tokio::test]
async fn a_stream_carries_its_context_to_the_last_message() {
    let address = serve().await;
    let message = b"\"a\"";
    let mut envelope = vec![0, 0, 0, 0, 3];
    envelope.extend_from_slice(message);
    let answer = post(address, "/test.Echo/Lines", "application/connect+json", envelope).await;
    let mut lines = Vec::new();
    let mut rest = &answer[..];
    while let [flags, a, b, c, d, after @ ..] = rest {
        let length = u32::from_be_bytes([*a, *b, *c, *d]) as usize;
        let (body, after) = after.split_at(length);
        if flags & 2 == 0 {
            lines.push(String::from_utf8_lossy(body).into_owned());
        }
        rest = after;
    }
    let line = "\"a:u1/method=/test.Echo/Lines\"";
    assert_eq!(lines, [line, line]);
}
