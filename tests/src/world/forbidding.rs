//! A gRPC server that forbids everything.

use std::convert::Infallible;
use std::net::TcpListener;

use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use tokio::runtime::Runtime;

/// Answers every call with `PERMISSION_DENIED`. Gone when dropped.
#[derive(Debug)]
pub struct Forbidding {
    port: u16,
    runtime: Option<Runtime>,
}

impl Forbidding {
    /// Starts it on a free port.
    #[must_use]
    pub fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a loopback port is free");
        listener.set_nonblocking(true).expect("a socket can be so");
        let port = listener.local_addr().expect("a bound listener has an address").port();
        let runtime = Runtime::new().expect("a runtime");
        runtime.spawn(async move {
            let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let answer = service_fn(|_| async { Ok::<_, Infallible>(forbidden()) });
                    let builder = Builder::new(TokioExecutor::new());
                    let _ = builder.serve_connection(TokioIo::new(stream), answer).await;
                });
            }
        });
        Self { port, runtime: Some(runtime) }
    }

    /// Where it listens.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }
}

/// A gRPC answer whose headers are its trailers too; 7 is `PERMISSION_DENIED`.
fn forbidden() -> http::Response<http_body_util::Empty<bytes::Bytes>> {
    let response = http::Response::builder().header("content-type", "application/grpc");
    let response = response.header("grpc-status", "7").header("grpc-message", "forbidden");
    response.body(http_body_util::Empty::new()).expect("a response")
}

impl Drop for Forbidding {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
