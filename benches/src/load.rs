//! Requests whose bytes are ready before they are timed, and a closed loop that sends them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::Failure;
use crate::link::Carrier;
use crate::server::{Ports, Server};
use crate::workload::Shape;

/// How long connections are used before anything is counted.
const WARM_UP: Duration = Duration::from_millis(200);

/// The version of HTTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wire {
    /// HTTP/1.1.
    H1,
    /// HTTP/2, without TLS by prior knowledge.
    H2,
}

impl Wire {
    /// Its name in a TLS handshake.
    pub(crate) fn alpn(self) -> &'static [u8] {
        match self {
            Self::H1 => b"http/1.1",
            Self::H2 => b"h2",
        }
    }
}

/// Which of a server's ports.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Port {
    /// gRPC and Connect.
    Evaluation,
    /// OFREP.
    Ofrep,
}

impl Port {
    /// Its number on one server.
    pub(crate) fn of(self, ports: Ports) -> u16 {
        match self {
            Self::Evaluation => ports.evaluation,
            Self::Ofrep => ports.ofrep,
        }
    }
}

/// A whole answer.
#[derive(Debug)]
pub(crate) struct Reply {
    /// Of HTTP.
    pub(crate) status: StatusCode,
    /// Before the body.
    pub(crate) headers: HeaderMap,
    /// Undecoded.
    pub(crate) body: Bytes,
    /// After the body.
    pub(crate) trailers: HeaderMap,
}

/// One request and what its answer must look like.
#[derive(Debug, Clone)]
pub(crate) struct Exchange {
    /// The version of HTTP.
    pub(crate) wire: Wire,
    /// What carries it.
    pub(crate) carrier: Carrier,
    /// Where it goes.
    pub(crate) port: Port,
    /// The method's path.
    pub(crate) path: String,
    /// Beside the host.
    pub(crate) headers: HeaderMap,
    /// The bytes sent.
    pub(crate) body: Bytes,
    /// Says what is wrong with an answer.
    pub(crate) check: fn(&Reply) -> Result<(), String>,
}

impl Exchange {
    /// Whether `reply` is right.
    pub(crate) fn verify(&self, reply: &Reply) -> Result<(), Failure> {
        (self.check)(reply).map_err(|why| {
            let body = String::from_utf8_lossy(&reply.body[..reply.body.len().min(200)]).into_owned();
            format!("{}: wrong answer: {why} (HTTP {}, body {body:?})", self.path, reply.status).into()
        })
    }

    /// Where it goes on one server.
    pub(crate) fn uri(&self, ports: Ports) -> String {
        format!("{}://127.0.0.1:{}{}", self.carrier.scheme(), self.port.of(ports), self.path)
    }

    fn request(&self, ports: Ports) -> Result<Request<Full<Bytes>>, Failure> {
        let host = format!("127.0.0.1:{}", self.port.of(ports));
        let (uri, host) = match self.wire {
            Wire::H1 => (self.path.clone(), Some(host)),
            Wire::H2 => (self.uri(ports), None),
        };
        let mut request = Request::post(uri).body(Full::new(self.body.clone()))?;
        request.headers_mut().extend(self.headers.clone());
        if let Some(host) = host {
            request.headers_mut().insert(http::header::HOST, host.parse()?);
        }
        Ok(request)
    }
}

/// One connection, or one of its streams.
#[derive(Debug)]
pub(crate) enum Client {
    /// One request at a time.
    H1(http1::SendRequest<Full<Bytes>>),
    /// Many at a time.
    H2(http2::SendRequest<Full<Bytes>>),
}

impl Client {
    /// Opens a connection without TLS.
    pub(crate) async fn connect(wire: Wire, port: u16) -> Result<Self, Failure> {
        let stream = TcpStream::connect(("127.0.0.1", port)).await?;
        stream.set_nodelay(true)?;
        Self::over(wire, stream).await
    }

    /// Begins to speak on a connection that is open.
    pub(crate) async fn over<S>(wire: Wire, stream: S) -> Result<Self, Failure>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let io = TokioIo::new(stream);
        Ok(match wire {
            Wire::H1 => {
                let (sender, connection) = http1::handshake(io).await?;
                tokio::spawn(connection);
                Self::H1(sender)
            }
            Wire::H2 => {
                let mut builder = http2::Builder::new(TokioExecutor::new());
                builder.initial_stream_window_size(1 << 20).initial_connection_window_size(4 << 20);
                let (sender, connection) = builder.handshake(io).await?;
                tokio::spawn(connection);
                Self::H2(sender)
            }
        })
    }

    /// Another stream of the same connection.
    pub(crate) fn stream(&self) -> Option<Self> {
        match self {
            Self::H1(_) => None,
            Self::H2(sender) => Some(Self::H2(sender.clone())),
        }
    }

    /// Sends a request and reads all of its answer.
    pub(crate) async fn ask(&mut self, exchange: &Exchange, ports: Ports) -> Result<Reply, Failure> {
        self.send(exchange.request(ports)?).await
    }

    /// Sends a request that streams its answer.
    pub(crate) async fn open(
        &mut self,
        request: Request<Full<Bytes>>,
    ) -> Result<hyper::body::Incoming, Failure> {
        Ok(self.begin(request).await?.into_body())
    }

    async fn begin(
        &mut self,
        request: Request<Full<Bytes>>,
    ) -> Result<http::Response<hyper::body::Incoming>, hyper::Error> {
        match self {
            Self::H1(sender) => {
                sender.ready().await?;
                sender.send_request(request).await
            }
            Self::H2(sender) => {
                sender.ready().await?;
                sender.send_request(request).await
            }
        }
    }

    async fn send(&mut self, request: Request<Full<Bytes>>) -> Result<Reply, Failure> {
        let (head, body) = self.begin(request).await?.into_parts();
        let body = body.collect().await?;
        let trailers = body.trailers().cloned().unwrap_or_default();
        Ok(Reply { status: head.status, headers: head.headers, body: body.to_bytes(), trailers })
    }
}

/// What a closed loop did to its server.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Throughput {
    /// CPU time of the server for each request, in microseconds.
    pub(crate) cpu_micros: f64,
    /// Requests answered in each second of the wall clock.
    pub(crate) per_second: f64,
}

/// Keeps as many requests in flight as `shape` says for `time`. The answer was verified before; under load each must have
/// the status and the length of the verified one.
pub(crate) async fn closed_loop(
    server: &Server,
    exchange: &Exchange,
    shape: Shape,
    time: Duration,
) -> Result<Throughput, Failure> {
    let mut client = server.connect(exchange).await?;
    let model = client.ask(exchange, server.ports).await?;
    exchange.verify(&model)?;
    let expected = (model.status, model.body.len());
    let request = exchange.request(server.ports)?;
    let done = Arc::new(AtomicU64::new(0));
    let mut tasks: JoinSet<Result<(), Failure>> = JoinSet::new();
    let (wire, port) = (exchange.wire, exchange.port.of(server.ports));
    for _ in 0..shape.connections {
        let client = server.connect(exchange).await?;
        let others: Vec<Client> = (1..shape.streams).filter_map(|_| client.stream()).collect();
        for mut client in others.into_iter().chain([client]) {
            let (request, done, link) = (request.clone(), Arc::clone(&done), Arc::clone(&server.link));
            tasks.spawn(async move {
                loop {
                    let reply = client.send(request.clone()).await?;
                    if (reply.status, reply.body.len()) != expected {
                        let (status, bytes, expected) = (reply.status, reply.body.len(), expected.0);
                        return Err(format!(
                            "an answer changed under load: HTTP {status} of {bytes} bytes, not {expected} as verified"
                        )
                        .into());
                    }
                    done.fetch_add(1, Ordering::Relaxed);
                    if shape.churn {
                        client = link.connect(wire, port).await?;
                    }
                }
            });
        }
    }
    sleep(WARM_UP).await;
    let (cpu, begun, first) = (server.cpu_time()?, Instant::now(), done.load(Ordering::Relaxed));
    tokio::select! {
        () = sleep(time) => {}
        Some(ended) = tasks.join_next() => ended??,
    }
    let (cpu, wall, many) = (server.cpu_time()? - cpu, begun.elapsed(), done.load(Ordering::Relaxed) - first);
    if many == 0 {
        return Err(format!("{}: no answer within {time:?}", server.name).into());
    }
    #[allow(clippy::cast_precision_loss, reason = "counts far below 2^52")]
    let many = many as f64;
    Ok(Throughput { cpu_micros: cpu.as_secs_f64() * 1e6 / many, per_second: many / wall.as_secs_f64() })
}
