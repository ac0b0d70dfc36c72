//! Control: what an operator may do to a running daemon, over a unix socket in its state directory.
//!
//! ```text
//! GET  /v1/status            what /readyz says in words
//! POST /v1/confirm           {source?}                                     take what is held back
//! POST /v1/rollback          {source?, generations, author}                serve an earlier document
//! POST /v1/release           {source?}                                     serve the latest one again
//! POST /v1/override          {key, flagSet?, variant, seconds, reason, author}
//! POST /v1/override/clear    {key, flagSet?, author}
//! ```
//!
//! Answers are JSON; what cannot be done is a status of 400 or more and `{"error": ...}`. Who may open the socket, the
//! daemon's user and root, may do all of it: there is no other credential.

mod order;

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use serde_json::{Value, json};
use store::Store;
use tower::Service;

use self::order::Order;
use crate::services::management;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// The most bytes of an order.
const MOST_BYTES: usize = 64 << 10;

/// The control service. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Control {
    store: Arc<Store>,
}

/// An answer: its status and its JSON.
type Answer = (StatusCode, Vec<u8>);

/// Where the socket of the daemon with this state directory is: in a folder that nobody else may enter, so that there is
/// no moment at which others could open it.
pub fn socket(state_dir: &Path) -> PathBuf {
    state_dir.join("control").join("hoistd.sock")
}

/// Makes that folder, and closes it to others if it was there.
///
/// # Errors
/// The system does not allow it.
pub fn prepare(socket: &Path) -> io::Result<()> {
    let Some(folder) = socket.parent() else { return Ok(()) };
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o700))
}

impl Control {
    /// Controls `store`.
    pub fn new(store: Arc<Store>) -> Self {
        Self { store }
    }

    async fn answer(self, method: Method, path: String, body: Result<Bytes, BoxError>) -> Answer {
        if method == Method::GET && path == "/v1/status" {
            let ready = self.store.ready();
            return (StatusCode::OK, management::report(&self.store, ready));
        }
        let order = match body {
            Ok(body) => Order::read(&method, &path, &body),
            Err(error) => Err((StatusCode::PAYLOAD_TOO_LARGE, error.to_string())),
        };
        let order = match order {
            Ok(order) => order,
            Err((status, why)) => return refusal(status, &why),
        };
        // Folding flags and asking the disk take their time.
        match tokio::task::spawn_blocking(move || order.carry_out(&self.store)).await {
            Ok(Ok(done)) => (StatusCode::OK, text(&done)),
            Ok(Err((status, why))) => refusal(status, &why),
            Err(error) => refusal(StatusCode::INTERNAL_SERVER_ERROR, &format!("internal error: {error}")),
        }
    }
}

fn refusal(status: StatusCode, why: &str) -> Answer {
    (status, text(&json!({ "error": why })))
}

fn text(value: &Value) -> Vec<u8> {
    value.to_string().into_bytes()
}

impl<B> Service<Request<B>> for Control
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Full<Bytes>>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let control = self.clone();
        let (head, body) = request.into_parts();
        Box::pin(async move {
            let body = Limited::new(body, MOST_BYTES).collect().await.map(|body| body.to_bytes());
            let (status, text) = control.answer(head.method, head.uri.path().to_owned(), body).await;
            let mut response = Response::new(Full::from(text));
            *response.status_mut() = status;
            response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            Ok(response)
        })
    }
}
