//! Servers that do nothing, to show what the wire alone costs: `floor tonic PORT`, `floor hyper PORT`; with flagd's
//! options for it behind TLS or a unix socket.
//!
//! Each runs on one thread. `tonic` decodes the request as any generated server does, context included, and answers `on`.
//! `hyper` reads the bytes of the request and answers ready ones, gRPC or JSON by what it was asked.

use std::convert::Infallible;
use std::error::Error;
use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use clap::{Parser, ValueEnum};
use http::{HeaderMap, HeaderValue, Request, Response, header};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use tokio_rustls::TlsAcceptor;
use tower_service::Service;

/// Answers without looking.
#[derive(Debug, Parser)]
struct Args {
    /// What stands between the socket and the answer
    kind: Kind,
    /// Where to listen on loopback
    port: u16,
    /// A unix socket in place of the port
    #[arg(long)]
    socket_path: Option<PathBuf>,
    /// TLS certificate (PEM)
    #[arg(long, requires = "server_key_path")]
    server_cert_path: Option<PathBuf>,
    /// TLS key (PEM)
    #[arg(long, requires = "server_cert_path")]
    server_key_path: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Kind {
    Tonic,
    Hyper,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let Args { kind, port, socket_path, server_cert_path, server_key_path } = Args::parse();
    if let Some(path) = socket_path {
        let listener = UnixListener::bind(path)?;
        loop {
            tokio::spawn(serve(kind, listener.accept().await?.0));
        }
    }
    let tls = server_cert_path.zip(server_key_path).map(|pair| acceptor(&pair)).transpose()?;
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let Some(tls) = tls.clone() else {
            tokio::spawn(serve(kind, stream));
            continue;
        };
        tokio::spawn(async move {
            // A client that breaks the handshake off shows it itself.
            if let Ok(stream) = tls.accept(stream).await {
                serve(kind, stream).await;
            }
        });
    }
}

fn acceptor((certificate, key): &(PathBuf, PathBuf)) -> Result<TlsAcceptor, Box<dyn Error>> {
    let chain = CertificateDer::pem_file_iter(certificate)?.collect::<Result<_, _>>()?;
    let mut settings =
        rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(chain, PrivateKeyDer::from_pem_file(key)?)?;
    settings.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(settings)))
}

async fn serve(kind: Kind, stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) {
    let (server, io) = (auto::Builder::new(TokioExecutor::new()), TokioIo::new(stream));
    // A client that hangs up has got what it wanted.
    let _ = match kind {
        Kind::Tonic => server.serve_connection(io, TowerToHyperService::new(NoOp)).await,
        Kind::Hyper => server.serve_connection(io, service_fn(ready_made)).await,
    };
}

// ---------------------------------------------------------------------------------------------------------------------
// tonic

/// A request as generated code has it, its context a decoded message.
#[derive(Clone, PartialEq, prost::Message)]
struct Asked {
    #[prost(string, tag = "1")]
    flag_key: String,
    #[prost(message, optional, tag = "2")]
    context: Option<proto::Struct>,
}

/// An answer of `flagd.evaluation.v1`.
#[derive(Clone, PartialEq, prost::Message)]
struct Answered {
    #[prost(bool, tag = "1")]
    value: bool,
    #[prost(string, tag = "2")]
    reason: String,
    #[prost(string, tag = "3")]
    variant: String,
}

impl Answered {
    fn on() -> Self {
        Self { value: true, reason: "TARGETING_MATCH".to_owned(), variant: "on".to_owned() }
    }
}

#[derive(Debug, Clone, Copy)]
struct NoOp;

impl tonic::server::UnaryService<Asked> for NoOp {
    type Response = Answered;
    type Future = std::future::Ready<Result<tonic::Response<Answered>, tonic::Status>>;

    fn call(&mut self, _: tonic::Request<Asked>) -> Self::Future {
        std::future::ready(Ok(tonic::Response::new(Answered::on())))
    }
}

impl Service<Request<Incoming>> for NoOp {
    type Response = Response<tonic::body::Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Incoming>) -> Self::Future {
        Box::pin(async move {
            let mut grpc = tonic::server::Grpc::new(tonic_prost::ProstCodec::default());
            Ok(grpc.unary(NoOp, request).await)
        })
    }
}

// ---------------------------------------------------------------------------------------------------------------------
// hyper

/// `Answered::on()` with its length before it.
const GRPC: &[u8] = b"\0\0\0\0\x17\x08\x01\x12\x0fTARGETING_MATCH\x1a\x02on";
const JSON: &[u8] = br#"{"key":"R2","value":true,"reason":"TARGETING_MATCH","variant":"on","metadata":{}}"#;
const JSON_STATIC: &[u8] = br#"{"key":"R1","value":false,"reason":"STATIC","variant":"off","metadata":{}}"#;

async fn ready_made(
    request: Request<Incoming>,
) -> Result<Response<http_body_util::Either<Trailed, Full<Bytes>>>, hyper::Error> {
    let is_grpc = request.headers().get(header::CONTENT_TYPE).is_some_and(|kind| kind == "application/grpc");
    let is_static = request.uri().path().ends_with("R1");
    request.into_body().collect().await?;
    let (kind, body) = if is_grpc {
        let trailers = HeaderMap::from_iter([(
            http::HeaderName::from_static("grpc-status"),
            HeaderValue::from_static("0"),
        )]);
        let body = Full::new(Bytes::from_static(GRPC)).with_trailers(std::future::ready(Some(Ok(trailers))));
        ("application/grpc", http_body_util::Either::Left(body))
    } else {
        let body = Bytes::from_static(if is_static { JSON_STATIC } else { JSON });
        ("application/json", http_body_util::Either::Right(Full::new(body)))
    };
    let mut response = Response::new(body);
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    Ok(response)
}

/// A body with trailers that are there already.
type Trailed = http_body_util::combinators::WithTrailers<
    Full<Bytes>,
    std::future::Ready<Option<Result<HeaderMap, Infallible>>>,
>;

#[cfg(test)]
mod tests {
    use prost::Message;

    use super::{Answered, GRPC};

    #[test]
    fn both_say_the_same() {
        let message = Answered::on().encode_to_vec();
        assert_eq!(GRPC[5..], message);
        assert_eq!(usize::from(GRPC[4]), message.len());
    }
}
