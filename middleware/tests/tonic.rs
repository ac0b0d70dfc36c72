//! The layer and the reader in a real tonic server: unary, server streaming, and a stream both ways.

#![allow(clippy::expect_used, clippy::panic)]

mod echo;

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::{Stream, StreamExt};
use hoist_middleware::hooks::RequestContextHook;
use hoist_middleware::layers::{Carrier, ContextLayer};
use hoist_middleware::{Claims, Mapping, claim, header, path, peer_address};
use serde_json::json;
use tonic::body::Body;
use tonic::codegen::BoxFuture;
use tonic::server::{Grpc, NamedService, ServerStreamingService, StreamingService, UnaryService};
use tonic::transport::{Channel, Server};
use tonic::{Request, Response, Status, Streaming};
use tonic_prost::ProstCodec;
use tower::Service;

type Flags = Arc<open_feature::Client>;
type Lines = Pin<Box<dyn Stream<Item = Result<String, Status>> + Send>>;

/// What tonic's generator would write for a service of three methods over text.
#[derive(Clone)]
struct Echo(Flags);

impl NamedService for Echo {
    const NAME: &'static str = "test.Echo";
}

impl UnaryService<String> for Echo {
    type Response = String;
    type Future = BoxFuture<Response<String>, Status>;

    fn call(&mut self, request: Request<String>) -> Self::Future {
        let flags = Arc::clone(&self.0);
        Box::pin(async move {
            let value = flags.get_string_value("s", request.evaluation_context(), None).await;
            Ok(Response::new(value.map_err(|error| Status::internal(error.code.to_string()))?))
        })
    }
}

/// Evaluates without naming a context, while the response is sent.
async fn line(flags: Flags, text: String) -> Result<String, Status> {
    let value = flags.get_string_value("s", None, None).await;
    Ok(format!("{text}:{}", value.map_err(|error| Status::internal(error.code.to_string()))?))
}

impl ServerStreamingService<String> for Echo {
    type Response = String;
    type ResponseStream = Lines;
    type Future = BoxFuture<Response<Lines>, Status>;

    fn call(&mut self, request: Request<String>) -> Self::Future {
        let flags = Arc::clone(&self.0);
        let text = request.into_inner();
        let lines = futures_util::stream::iter(0..2).then(move |_| line(Arc::clone(&flags), text.clone()));
        Box::pin(async move { Ok(Response::new(Box::pin(lines) as Lines)) })
    }
}

impl StreamingService<String> for Echo {
    type Response = String;
    type ResponseStream = Lines;
    type Future = BoxFuture<Response<Lines>, Status>;

    fn call(&mut self, request: Request<Streaming<String>>) -> Self::Future {
        let flags = Arc::clone(&self.0);
        let key =
            request.request_context().and_then(|context| context.targeting_key.clone()).unwrap_or_default();
        let lines = request.into_inner().then(move |text| {
            let (flags, key) = (Arc::clone(&flags), key.clone());
            async move { line(flags, format!("{key}>{}", text?)).await }
        });
        Box::pin(async move { Ok(Response::new(Box::pin(lines) as Lines)) })
    }
}

impl Service<http::Request<Body>> for Echo {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<Self::Response, Infallible>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let echo = self.clone();
        Box::pin(async move {
            let mut grpc = Grpc::new(ProstCodec::<String, String>::default());
            Ok(match request.uri().path() {
                "/test.Echo/Unary" => grpc.unary(echo, request).await,
                "/test.Echo/Lines" => grpc.server_streaming(echo, request).await,
                _ => grpc.streaming(echo, request).await,
            })
        })
    }
}

/// Stands for an interceptor that verifies tokens: it believes one of them.
fn verify(mut request: Request<()>) -> Result<Request<()>, Status> {
    if request.metadata().get("authorization").is_some_and(|token| token == "Bearer good") {
        let claims =
            Claims::new(&json!({"sub": "u1"})).map_err(|error| Status::internal(error.to_string()))?;
        request.extensions_mut().insert(claims);
    }
    Ok(request)
}

async fn serve() -> tonic::client::Grpc<Channel> {
    let flags = Arc::new(echo::client("tonic").await.with_hook(RequestContextHook::new()));
    let mapping = Mapping::new()
        .targeting_key(claim("sub"))
        .attribute("seats", header("x-seats").integer())
        .attribute("method", path())
        .attribute("ip", peer_address());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let server = Server::builder()
        .layer(tonic::service::InterceptorLayer::new(verify))
        .layer(ContextLayer::new(mapping).expect("a mapping"))
        .add_service(Echo(flags));
    let incoming = tonic::transport::server::TcpIncoming::from(listener);
    tokio::spawn(server.serve_with_incoming(incoming));
    let channel = Channel::from_shared(format!("http://{address}")).expect("an address").connect().await;
    tonic::client::Grpc::new(channel.expect("a connection"))
}

fn with_token<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert("authorization", "Bearer good".parse().expect("a value"));
    request.metadata_mut().insert("x-seats", "12".parse().expect("a value"));
    request.metadata_mut().insert("x-other", "no".parse().expect("a value"));
    request
}

fn method(name: &'static str) -> http::uri::PathAndQuery {
    http::uri::PathAndQuery::from_static(name)
}

#[tokio::test]
async fn a_unary_handler_reads_the_context() {
    let mut grpc = serve().await;
    let codec = ProstCodec::<String, String>::default();
    grpc.ready().await.expect("a server");
    let answer = grpc.unary(with_token(String::new()), method("/test.Echo/Unary"), codec).await;
    let answer = answer.expect("an answer").into_inner();
    assert_eq!(answer, "u1/ip=127.0.0.1;method=/test.Echo/Unary;seats=12");

    let mut request = Request::new(String::new());
    request.metadata_mut().insert("x-seats", "many".parse().expect("a value"));
    let codec = ProstCodec::<String, String>::default();
    grpc.ready().await.expect("a server");
    let answer =
        grpc.unary(request, method("/test.Echo/Unary"), codec).await.expect("an answer").into_inner();
    assert_eq!(answer, "/ip=127.0.0.1;method=/test.Echo/Unary");
}

#[tokio::test]
async fn streams_carry_their_context_to_the_last_message() {
    let mut grpc = serve().await;
    let context = "u1/ip=127.0.0.1;method=/test.Echo/Lines;seats=12";
    let codec = ProstCodec::<String, String>::default();
    grpc.ready().await.expect("a server");
    let lines = grpc.server_streaming(with_token("a".to_owned()), method("/test.Echo/Lines"), codec).await;
    let lines: Vec<_> =
        lines.expect("an answer").into_inner().map(|line| line.expect("a line")).collect().await;
    assert_eq!(lines, [format!("a:{context}"), format!("a:{context}")]);

    let messages = futures_util::stream::iter(["a".to_owned(), "b".to_owned()]);
    let codec = ProstCodec::<String, String>::default();
    grpc.ready().await.expect("a server");
    let lines = grpc.streaming(with_token(messages), method("/test.Echo/Both"), codec).await;
    let lines: Vec<_> =
        lines.expect("an answer").into_inner().map(|line| line.expect("a line")).collect().await;
    let context = context.replace("Lines", "Both");
    assert_eq!(lines, [format!("u1>a:{context}"), format!("u1>b:{context}")]);
}
