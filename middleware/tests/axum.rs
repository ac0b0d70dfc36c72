//! The layer and the reader in a real axum server.

#![allow(clippy::expect_used, clippy::panic)]

mod echo;

use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::{ConnectInfo, Request, State};
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::get;
use axum::{Router, body::Body};
use futures_util::StreamExt;
use hoist_middleware::hooks::RequestContextHook;
use hoist_middleware::layers::ContextLayer;
use hoist_middleware::{Claims, Mapping, RequestContext, claim, header, path_segment, peer_address};
use http::StatusCode;
use http_body_util::{BodyExt, Empty};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use open_feature::EvaluationContext;
use serde_json::json;

type Flags = Arc<open_feature::Client>;

fn mapping() -> Mapping {
    Mapping::new()
        .targeting_key(claim("sub"))
        .targeting_key(header("x-device"))
        .attribute("plan", claim("plan"))
        .attribute("beta", header("x-beta").boolean())
        .attribute("tenant", path_segment(1))
        .attribute("ip", peer_address())
}

/// Stands for a layer that verifies tokens: it believes one of them.
async fn verify(mut request: Request, next: Next) -> Response {
    if request.headers().get("authorization").is_some_and(|token| token == "Bearer good") {
        let claims = Claims::new(&json!({"sub": "u1", "plan": "pro", "admin": true})).expect("an object");
        request.extensions_mut().insert(claims);
    }
    next.run(request).await
}

async fn explicit(State(flags): State<Flags>, context: RequestContext) -> String {
    flags.get_string_value("s", Some(&context), None).await.expect("a value")
}

async fn implicit(State(flags): State<Flags>) -> String {
    let invocation = EvaluationContext::default().with_custom_field("plan", "free");
    flags.get_string_value("s", Some(&invocation), None).await.expect("a value")
}

/// A body whose parts are made after the handler has returned.
async fn streamed(State(flags): State<Flags>) -> Body {
    Body::from_stream(futures_util::stream::iter(0..3).then(move |part| {
        let flags = Arc::clone(&flags);
        async move {
            let value = flags.get_string_value("s", None, None).await.map_err(|error| error.code)?;
            Ok::<_, open_feature::EvaluationErrorCode>(format!("{part}:{value}\n"))
        }
    }))
}

async fn serve() -> SocketAddr {
    let hook = RequestContextHook::new().with_api_context(
        EvaluationContext::default().with_custom_field("plan", "none").with_custom_field("region", "eu"),
    );
    let flags = Arc::new(echo::client("axum").await.with_hook(hook));
    let app = Router::new()
        .route("/tenants/{tenant}/explicit", get(explicit))
        .route("/tenants/{tenant}/implicit", get(implicit))
        .route("/tenants/{tenant}/streamed", get(streamed))
        .layer(ContextLayer::new(mapping()).expect("a mapping"))
        .layer(middleware::from_fn(verify))
        .route("/bare", get(explicit))
        .route(
            "/optional",
            get(|context: Option<RequestContext>| async move { context.is_some().to_string() }),
        )
        .with_state(flags);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let app = app.into_make_service_with_connect_info::<SocketAddr>();
    tokio::spawn(async move { axum::serve(listener, app).await });
    address
}

async fn ask(address: SocketAddr, path: &str, headers: &[(&str, &str)]) -> (StatusCode, String) {
    let mut request = http::Request::builder().uri(format!("http://{address}{path}"));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Empty::<bytes::Bytes>::new()).expect("a request");
    let client = Client::builder(TokioExecutor::new()).build_http();
    let response = client.request(request).await.expect("an answer");
    let status = response.status();
    let body = response.into_body().collect().await.expect("a body").to_bytes();
    (status, String::from_utf8(body.to_vec()).expect("text"))
}

#[tokio::test]
async fn handlers_evaluate_with_what_the_request_may_say() {
    let address = serve().await;
    let device = [("x-device", "d1"), ("x-beta", "true"), ("x-plan", "gold")];
    let (_, text) = ask(address, "/tenants/acme/explicit", &device).await;
    assert_eq!(text, "d1/beta=true;ip=127.0.0.1;plan=none;region=eu;tenant=acme");

    let token = [("authorization", "Bearer good"), ("x-device", "d1")];
    let (_, text) = ask(address, "/tenants/acme/explicit", &token).await;
    assert_eq!(text, "u1/ip=127.0.0.1;plan=pro;region=eu;tenant=acme");

    let forged = [("authorization", "Bearer bad"), ("sub", "admin"), ("x-beta", "1"), ("x-beta", "0")];
    let (_, text) = ask(address, "/tenants/acme/explicit", &forged).await;
    assert_eq!(text, "/ip=127.0.0.1;plan=none;region=eu;tenant=acme");
}

#[tokio::test]
async fn levels_lie_over_one_another_as_specified() {
    // Invocation over the request, the request over the API level.
    let address = serve().await;
    let (_, text) = ask(address, "/tenants/a/implicit", &[("authorization", "Bearer good")]).await;
    assert_eq!(text, "u1/ip=127.0.0.1;plan=free;region=eu;tenant=a");
}

#[tokio::test]
async fn a_streamed_body_is_part_of_its_request() {
    let address = serve().await;
    let (_, text) = ask(address, "/tenants/a/streamed", &[("authorization", "Bearer good")]).await;
    let line = "u1/ip=127.0.0.1;plan=pro;region=eu;tenant=a";
    assert_eq!(text, format!("0:{line}\n1:{line}\n2:{line}\n"));
}

#[tokio::test]
async fn a_route_without_the_layer_says_so() {
    let address = serve().await;
    let (status, text) = ask(address, "/bare", &[]).await;
    assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(text, "no evaluation context: add ContextLayer to this route's router");
    assert_eq!(ask(address, "/optional", &[]).await.1, "false");
}

#[tokio::test]
async fn two_layers_add_up() {
    let outer = ContextLayer::new(Mapping::new().attribute("a", header("x-a")).attribute("b", header("x-a")));
    let inner = ContextLayer::new(Mapping::new().attribute("b", header("x-b")));
    let app = Router::new()
        .route("/", get(|context: RequestContext| async move { echo::text(&context) }))
        .layer(inner.expect("a mapping"))
        .layer(outer.expect("a mapping"));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move { axum::serve(listener, app).await });
    assert_eq!(ask(address, "/", &[("x-a", "1"), ("x-b", "2")]).await.1, "/a=1;b=2");
}

/// `ConnectInfo` is what the peer's address is read from; this keeps the import honest.
#[test]
fn the_peer_is_axums() {
    let address: SocketAddr = "192.0.2.1:5".parse().expect("an address");
    let request = http::Request::builder().extension(ConnectInfo(address)).body(()).expect("a request");
    let mapping = Mapping::new().attribute("ip", peer_address());
    let context = mapping.read(&request.into_parts().0).expect("a mapping");
    assert_eq!(echo::text(&context), "/ip=192.0.2.1");
}
