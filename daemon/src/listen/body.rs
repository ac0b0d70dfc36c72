//! The body of a request, with patience that ends.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::time::Sleep;

/// Why a request body did not arrive.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// The client stopped sending.
    #[error("the request body did not arrive within {} s", .0.as_secs())]
    Stalled(Duration),
    /// The connection broke or the body was malformed.
    #[error(transparent)]
    Transport(#[from] hyper::Error),
}

/// A request body that fails with [`BodyError::Stalled`] when it is not complete in time.
///
/// The clock starts when the body first has to be waited for: a body that came with its head costs no timer.
pub struct Inbound {
    body: Incoming,
    time: Duration,
    timer: Option<Pin<Box<Sleep>>>,
}

impl Inbound {
    pub(super) fn new(body: Incoming, time: Duration) -> Self {
        Self { body, time, timer: None }
    }
}

impl Body for Inbound {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(cx) {
            return Poll::Ready(frame.map(|frame| frame.map_err(BodyError::from)));
        }
        let time = self.time;
        let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep(time)));
        ready!(timer.as_mut().poll(cx));
        Poll::Ready(Some(Err(BodyError::Stalled(time))))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
