//! A client that follows the flags: the whole document at once, then whenever it is another one (contract 5.5).
//!
//! Only the latest counts: a client that reads slowly is sent what is true when it is ready for more.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::{Stream, stream};
use proto::Struct;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};
use tonic::Status;

use super::Handler;
use super::convert::Shape;
use super::document::Documents;
use crate::telemetry::{End, OpenStream};

/// One client's stream.
pub(super) struct Follower {
    documents: Arc<Documents>,
    context: Arc<Struct>,
    shape: Shape,
    selector: Arc<str>,
    news: watch::Receiver<u64>,
    closing: watch::Receiver<bool>,
    deadline: Option<Instant>,
    /// What the client has.
    sent: Option<[u8; 32]>,
    counted: Option<OpenStream>,
    over: bool,
}

impl Follower {
    pub(super) fn new(handler: &Handler, shape: Shape, selector: Arc<str>, counted: OpenStream) -> Self {
        let parts = &handler.parts;
        let mut news = parts.store.subscribe();
        // What is true now is news to the client.
        news.mark_changed();
        Self {
            documents: Arc::clone(&handler.documents),
            context: Arc::clone(&handler.context),
            shape,
            selector,
            news,
            closing: parts.closing.clone(),
            deadline: parts.stream_deadline.map(|deadline| Instant::now() + deadline),
            sent: None,
            counted: Some(counted),
            over: false,
        }
    }

    /// The stream, each document in its frame.
    pub(super) fn frames(self) -> impl Stream<Item = Result<Bytes, Status>> + Send + 'static {
        stream::unfold(self, |mut follower| async move {
            let frame = follower.next().await?;
            Some((frame, follower))
        })
    }

    async fn next(&mut self) -> Option<Result<Bytes, Status>> {
        if self.over {
            return None;
        }
        let (end, status) = match self.wait().await {
            Ok(frame) => return Some(Ok(frame)),
            Err(end) => end,
        };
        self.over = true;
        if let Some(counted) = self.counted.take() {
            counted.end(end);
        }
        status.map(Err)
    }

    /// The next document that the client does not have, or how the stream ends.
    async fn wait(&mut self) -> Result<Bytes, (End, Option<Status>)> {
        loop {
            tokio::select! {
                biased;
                // Whoever could close it having gone means the same.
                _ = self.closing.wait_for(|closing| *closing) => return Err((End::Normal, None)),
                Ok(()) = self.news.changed() => {
                    let document = self.documents.now(&self.selector);
                    let document = document.map_err(|status| (End::Error, Some(status)))?;
                    if self.sent != Some(document.digest) {
                        self.sent = Some(document.digest);
                        return Ok(document.frame(self.shape, &self.context));
                    }
                }
                () = alarm(self.deadline) => {
                    let status = Status::deadline_exceeded("stream closed due to server-side timeout");
                    return Err((End::Deadline, Some(status)));
                }
            }
        }
    }
}

async fn alarm(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}
