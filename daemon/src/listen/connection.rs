//! One connection: TLS or not, HTTP/1.1 or HTTP/2, until it ends or the port closes.

use std::convert::Infallible;
use std::future::ready;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use http::{HeaderValue, Request, Response, StatusCode, Version, header};
use http_body_util::{Either, Full};
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};
use tokio::sync::{mpsc, watch};
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt;
use tower::util::Oneshot;

use super::Handler;
use super::body::Inbound;
use super::limits::Limits;
use super::outlet::Outlet;
use super::patience::Patient;
use super::prompt::{Begun, Prompt};
use super::stream::{Rewound, Stream};
use super::upgrade::{self, Handover};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const MIB: u32 = 1 << 20;
const REFUSED_HEAD: &str = "431 Request Header Fields Too Large";

/// What all connections of a port share.
pub(super) struct Port<S> {
    pub(super) service: S,
    pub(super) tls: Option<TlsAcceptor>,
    pub(super) http2: bool,
    pub(super) limits: Limits,
}

/// Becomes `true` when the port closes.
pub(super) type Closing = watch::Receiver<bool>;

async fn closed(mut closing: Closing) {
    let _ = closing.wait_for(|closing| *closing).await;
}

impl<S: Handler> Port<S> {
    /// Serves a connection to its end. Errors of a connection are its client's and only logged for debugging.
    pub(super) async fn run(self: Arc<Self>, stream: Patient<Stream>, closing: Closing) {
        if let Err(error) = self.greet(stream, closing).await {
            tracing::debug!(%error, "connection ended");
        }
    }

    async fn greet(self: Arc<Self>, stream: Patient<Stream>, closing: Closing) -> io::Result<()> {
        let outlet = stream.io().outlet();
        let Some(tls) = self.tls.clone() else {
            let (io, is_http2) = self.recognise(stream, &closing).await?;
            return self.serve(io, is_http2, true, outlet, closing).await;
        };
        let stream = self.patiently(tls.accept(stream), &closing).await?;
        if stream.get_ref().1.alpn_protocol() == Some(super::ALPN_HTTP2) {
            return self.http2(stream, outlet, closing).await;
        }
        let (io, is_http2) = self.recognise(stream, &closing).await?;
        self.serve(io, is_http2, false, outlet, closing).await
    }

    /// Waits for something the client owes before its first request.
    async fn patiently<T>(
        &self,
        owed: impl Future<Output = io::Result<T>>,
        closing: &Closing,
    ) -> io::Result<T> {
        tokio::select! {
            owed = tokio::time::timeout(self.limits.head_time, owed) => owed?,
            () = closed(closing.clone()) => Err(io::ErrorKind::ConnectionAborted.into()),
        }
    }

    /// Looks at the first bytes: HTTP/2 by prior knowledge begins with a fixed preface.
    async fn recognise<I>(&self, mut io: I, closing: &Closing) -> io::Result<(Rewound<I>, bool)>
    where
        I: AsyncRead + Unpin,
    {
        let mut read = BytesMut::with_capacity(PREFACE.len());
        let mut is_http2 = self.http2;
        while is_http2 && read.len() < PREFACE.len() {
            if self.patiently(io.read_buf(&mut read), closing).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            is_http2 = PREFACE.starts_with(&read[..read.len().min(PREFACE.len())]);
        }
        Ok((Rewound::new(read.freeze(), io), is_http2))
    }

    async fn serve<I>(
        self: Arc<Self>,
        io: I,
        is_http2: bool,
        plain: bool,
        outlet: Option<Outlet>,
        closing: Closing,
    ) -> io::Result<()>
    where
        I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        if is_http2 {
            return self.http2(io, outlet, closing).await;
        }
        self.http1(io, plain, outlet, closing).await
    }

    async fn http1<I>(
        self: Arc<Self>,
        io: I,
        plain: bool,
        outlet: Option<Outlet>,
        closing: Closing,
    ) -> io::Result<()>
    where
        I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (upgraded, mut upgrades) = mpsc::channel(1);
        let upgraded = (plain && self.http2).then_some(upgraded);
        let this = Arc::clone(&self);
        let service = service_fn(move |request| this.answer(request, upgraded.as_ref()));
        let mut connection = pin!(
            http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(self.limits.head_time)
                .max_buf_size(self.limits.buffer_bytes())
                .serve_connection(TokioIo::new(io), service)
                .with_upgrades()
        );
        tokio::select! {
            ended = &mut connection => ended,
            () = closed(closing.clone()) => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        }
        .map_err(io::Error::other)?;
        let Ok(Handover { connection, first_request }) = upgrades.try_recv() else { return Ok(()) };
        let io = TokioIo::new(connection.await.map_err(io::Error::other)?);
        let io = self.patiently(upgrade::splice(io, first_request), &closing).await?;
        self.http2(io, outlet, closing).await
    }

    async fn http2<I>(self: Arc<Self>, io: I, outlet: Option<Outlet>, closing: Closing) -> io::Result<()>
    where
        I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let this = Arc::clone(&self);
        let service = service_fn(move |request| this.answer(request, None));
        let begun = Begun::default();
        let connection = http2::Builder::new(begun.clone())
            .timer(TokioTimer::new())
            .max_concurrent_streams(self.limits.streams)
            .max_frame_size(MIB)
            .initial_stream_window_size(MIB)
            .initial_connection_window_size(MIB)
            .max_header_list_size(self.limits.header_list_bytes())
            .serve_connection(TokioIo::new(io), service);
        let mut connection = pin!(Prompt::new(connection, begun, outlet));
        tokio::select! {
            ended = &mut connection => ended,
            () = closed(closing) => {
                connection.as_mut().connection().graceful_shutdown();
                connection.await
            }
        }
        .map_err(io::Error::other)
    }

    fn answer(&self, request: Request<Incoming>, upgrades: Option<&mpsc::Sender<Handover>>) -> Answering<S> {
        if head_bytes(&request) > self.limits.refused_head_bytes() {
            let refusal = refuse_head(request.version()).map(Full::new).map(Either::Right);
            return Answering::Itself { answer: Box::pin(ready(refusal)) };
        }
        let request = request.map(|body| Inbound::new(body, self.limits.body_time));
        match upgrades.filter(|_| upgrade::is_wanted(&request)) {
            Some(upgrades) => {
                let upgrades = upgrades.clone();
                let answer =
                    async move { switch(request, &upgrades).await.map(Full::new).map(Either::Right) };
                Answering::Itself { answer: Box::pin(answer) }
            }
            None => Answering::Service { answer: self.service.clone().oneshot(request) },
        }
    }
}

type Answer<B> = Response<Either<B, Full<Bytes>>>;

pin_project_lite::pin_project! {
    /// An answer under way. It is moved about by what runs it, so it is no larger than it must be.
    #[project = Under]
    enum Answering<S: Handler> {
        /// The service's.
        Service {
            #[pin]
            answer: Oneshot<S, Request<Inbound>>,
        },
        /// The connection's own.
        Itself { answer: Pin<Box<dyn Future<Output = Answer<<S as Handler>::Body>> + Send>> },
    }
}

impl<S: Handler> Future for Answering<S> {
    type Output = Result<Answer<<S as Handler>::Body>, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project() {
            Under::Service { answer } => {
                answer.poll(cx).map(|answer| answer.map(|answer| answer.map(Either::Left)))
            }
            Under::Itself { answer } => answer.as_mut().poll(cx).map(Ok),
        }
    }
}

/// Agrees to HTTP/2 and leaves the rest to the connection's task.
async fn switch(request: Request<Inbound>, upgrades: &mpsc::Sender<Handover>) -> Response<Bytes> {
    if let Ok((answer, handover)) = upgrade::accept(request).await
        && upgrades.try_send(handover).is_ok()
    {
        return answer;
    }
    let mut answer = Response::new(Bytes::new());
    *answer.status_mut() = StatusCode::BAD_REQUEST;
    answer.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    answer
}

/// The size of a head as it lay on the wire, but for the spelling of spaces.
fn head_bytes<B>(request: &Request<B>) -> usize {
    let line = request.method().as_str().len() + request.uri().path().len() + "  HTTP/1.1\r\n".len();
    let line = line + request.uri().query().map_or(0, |query| query.len() + 1);
    let headers = request.headers().iter();
    line + headers.map(|(name, value)| name.as_str().len() + value.len() + ": \r\n".len()).sum::<usize>()
}

fn refuse_head(version: Version) -> Response<Bytes> {
    let mut answer = Response::new(Bytes::from_static(REFUSED_HEAD.as_bytes()));
    *answer.status_mut() = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
    let headers = answer.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    if version < Version::HTTP_2 {
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    answer
}
