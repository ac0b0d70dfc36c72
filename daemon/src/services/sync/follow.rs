//! A client that follows the flags: the whole document at once, then whenever it is another one (contract 5.5).
//!
//! Only the latest counts: a client that reads slowly is sent what is true when it is ready for more.

use std::pin::Pin;
use std::sync::Arc;

use futures_util::{Stream, StreamExt, stream};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};
use tonic::Status;

use super::Handler;
use super::document::{Document, Documents};
use crate::telemetry::{End, OpenStream};

/// One client's stream.
pub(super) struct Follower {
    documents: Arc<Documents>,
    selector: Arc<str>,
    news: watch::Receiver<u64>,
    closing: watch::Receiver<bool>,
    deadline: Option<Instant>,
    /// What the client has.
    sent: Option<[u8; 32]>,
    counted: Option<OpenStream>,
    over: bool,
}

/// A stream of one service's messages.
pub(super) type Messages<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

impl Follower {
    pub(super) fn new(handler: &Handler, selector: Arc<str>, counted: OpenStream) -> Self {
        let parts = &handler.parts;
        let mut news = parts.store.subscribe();
        // What is true now is news to the client.
        news.mark_changed();
        Self {
            documents: Arc::clone(&handler.documents),
            selector,
            news,
            closing: parts.closing.clone(),
            deadline: parts.stream_deadline.map(|deadline| Instant::now() + deadline),
            sent: None,
            counted: Some(counted),
            over: false,
        }
    }

    /// The stream, each document put in a message by `shape`.
    pub(super) fn messages<T: 'static>(self, shape: impl Fn(Document) -> T + Send + 'static) -> Messages<T> {
        let told = stream::unfold(self, |mut follower| async move {
            let document = follower.next().await?;
            Some((document, follower))
        });
        Box::pin(told.map(move |document| document.map(&shape)))
    }

    async fn next(&mut self) -> Option<Result<Document, Status>> {
        if self.over {
            return None;
        }
        let (end, status) = match self.wait().await {
            Ok(document) => return Some(Ok(document)),
            Err(end) => end,
        };
        self.over = true;
        if let Some(counted) = self.counted.take() {
            counted.end(end);
        }
        status.map(Err)
    }

    /// The next document that the client does not have, or how the stream ends.
    async fn wait(&mut self) -> Result<Document, (End, Option<Status>)> {
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
                        return Ok(document);
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
