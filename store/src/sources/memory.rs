//! A source that is fed by hand: demos, tests, embedding.

use std::convert::Infallible;

use async_trait::async_trait;
use tokio::sync::watch;

use crate::document::Format;
use crate::source::{Delivery, Feed, Source, SourceError};

/// Follows a document in memory.
#[derive(Debug)]
pub struct Memory {
    documents: watch::Receiver<Vec<u8>>,
    format: Format,
}

/// Replaces the document that a [`Memory`] follows.
#[derive(Clone, Debug)]
pub struct MemoryHandle {
    documents: watch::Sender<Vec<u8>>,
}

impl Memory {
    /// Starts with `document`.
    pub fn new(document: impl Into<Vec<u8>>, format: Format) -> (Self, MemoryHandle) {
        let (sender, documents) = watch::channel(document.into());
        (Self { documents, format }, MemoryHandle { documents: sender })
    }
}

impl MemoryHandle {
    /// Puts `document` in place of the one before; versions that nobody came to read are skipped.
    pub fn set(&self, document: impl Into<Vec<u8>>) {
        self.documents.send_replace(document.into());
    }
}

#[async_trait]
impl Source for Memory {
    async fn follow(&mut self, feed: &mut Feed<'_>) -> Result<Infallible, SourceError> {
        loop {
            let bytes = self.documents.borrow_and_update().clone();
            feed.deliver(Delivery {
                bytes,
                format: self.format,
                revision: None,
                authorship: None,
                provisional: false,
            })
            .await;
            if self.documents.changed().await.is_err() {
                // Nobody can replace the document any more: it stands.
                return std::future::pending().await;
            }
        }
    }
}
