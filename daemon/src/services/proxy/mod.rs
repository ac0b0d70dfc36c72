//! The sync services as flagd-proxy offers them (contract 10): each request names a target, and gets its document as it is.
//!
//! ```text
//! methods   the methods by their paths
//! convert   a document as messages in their frames
//! follow    a stream: the target's document at once, and each later one; only the latest counts
//! targets   one follower of a target's origin for all who ask for it
//! ```

mod convert;
mod follow;
mod methods;
mod targets;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use store::{Relay, Relayed};
use tokio::sync::watch;
use tonic::Status;

use super::grpc::{Grpc, Methods};
use crate::telemetry::{End, Streams};
use follow::Follower;
pub use targets::Targets;

/// How long FetchAllFlags waits for a target's document.
const PATIENCE: Duration = Duration::from_secs(5);

/// What the service is built from. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Proxy {
    /// The targets that are followed.
    pub targets: Arc<Targets>,
    /// True from the moment on at which streams have to end.
    pub closing: watch::Receiver<bool>,
    /// Where streams are counted.
    pub streams: Arc<Streams>,
}

/// Both services as one.
pub fn routes(proxy: Proxy) -> Grpc<impl Methods> {
    Grpc(proxy)
}

impl Proxy {
    /// A stream of the target's documents, once there is a first one.
    async fn follow(&self, target: &str, provider: &str) -> Result<Follower, Status> {
        let (name, relay) = self.targets.join(target)?;
        let counted = self.streams.open(&name, provider);
        match self.first(&relay).await {
            Ok(_) => Ok(Follower::new(relay, self.closing.clone(), counted)),
            Err(status) => {
                counted.end(End::Error);
                Err(status)
            }
        }
    }

    /// The target's document as of now.
    async fn fetch(&self, target: &str) -> Result<Bytes, Status> {
        let (_, relay) = self.targets.join(target)?;
        let first = tokio::time::timeout(PATIENCE, self.first(&relay)).await;
        first.unwrap_or_else(|_| Err(Status::deadline_exceeded(format!("no document within {PATIENCE:?}"))))
    }

    async fn first(&self, relay: &Relay) -> Result<Bytes, Status> {
        let mut closing = self.closing.clone();
        let Relayed { document, error, .. } = tokio::select! {
            said = relay.first() => said,
            _ = closing.wait_for(|closing| *closing) => {
                return Err(Status::unavailable("the proxy is shutting down"));
            }
        };
        let why = || error.unwrap_or_else(|| "no document".to_owned());
        document.map(|document| document.json).ok_or_else(|| Status::unknown(why()))
    }
}
