//! A client that follows a target. A slow one is sent what is true when it is ready for more.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::{Stream, stream};
use store::{Relay, Relayed};
use tokio::sync::watch;
use tonic::Status;

use crate::telemetry::{End, OpenStream};

/// One client's stream.
pub(super) struct Follower {
    /// Keeps the target followed.
    _relay: Arc<Relay>,
    news: watch::Receiver<Relayed>,
    closing: watch::Receiver<bool>,
    /// What the client has.
    sent: Option<Bytes>,
    counted: Option<OpenStream>,
}

impl Follower {
    pub(super) fn new(relay: Arc<Relay>, closing: watch::Receiver<bool>, counted: OpenStream) -> Self {
        let mut news = relay.subscribe();
        // What is true now is news to the client.
        news.mark_changed();
        Self { _relay: relay, news, closing, sent: None, counted: Some(counted) }
    }

    /// The stream, each document put in a message by `shape`.
    pub(super) fn frames(
        self,
        shape: fn(Bytes) -> Bytes,
    ) -> impl Stream<Item = Result<Bytes, Status>> + Send + 'static {
        stream::unfold(self, move |mut follower| async move {
            let document = follower.next().await?;
            Some((Ok(shape(document)), follower))
        })
    }

    /// The next document that the client does not have; none when the proxy goes down. What is wrong with the origin
    /// meanwhile is no news: its last document stands.
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            tokio::select! {
                biased;
                // Whoever could close it having gone means the same.
                _ = self.closing.wait_for(|closing| *closing) => {
                    if let Some(counted) = self.counted.take() {
                        counted.end(End::Normal);
                    }
                    return None;
                }
                Ok(()) = self.news.changed() => {
                    let document = self.news.borrow_and_update().document.as_ref().map(|found| found.json.clone());
                    if document.is_some() && document != self.sent {
                        self.sent.clone_from(&document);
                        return document;
                    }
                }
            }
        }
    }
}
