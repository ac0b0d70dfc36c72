//! Flag documents for clients that evaluate in their own process: `flagd.sync.v1`, and `sync.v1` for clients of flagd-proxy
//! (contract 5).
//!
//! ```text
//! methods    the methods by their paths
//! convert    the document as messages in their frames, the static context as a Struct
//! follow     a stream: the whole document at once, and again whenever it is another one
//! document   one shared text per selector and generation, and its frames
//! ```
//!
//! How often clients ping is not policed: the HTTP/2 server answers every ping, which costs less than telling a client off.

mod convert;
mod document;
mod follow;
mod methods;

use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;
use proto::Struct;
use store::Store;
use tokio::sync::watch;
use tonic::Status;

use super::grpc::Grpc;
use crate::config::Translations;
use crate::telemetry::{End, Streams};
use convert::Shape;
use document::{Document, Documents};
use follow::Follower;

/// The header that says which flags a client wants.
const SELECTOR: &str = "flagd-selector";

/// What the sync service is built from.
#[derive(Clone, Debug)]
pub struct Sync {
    /// Whose flags are handed out.
    pub store: Arc<Store>,
    /// The static attributes, told as `sync_context`.
    pub context: Vec<(String, String)>,
    /// True once requests may be answered: before that, clients would take half a set of flags for the whole.
    pub open: watch::Receiver<bool>,
    /// True from the moment on at which streams have to end.
    pub closing: watch::Receiver<bool>,
    /// The longest life of a stream.
    pub stream_deadline: Option<Duration>,
    /// Whether GetMetadata is refused.
    pub disable_metadata: bool,
    /// Which translations of other vendors' flags are handed out.
    pub translations: Translations,
    /// Where streams are counted.
    pub streams: Arc<Streams>,
}

/// Both services as one.
pub fn routes(parts: Sync) -> Grpc<impl super::grpc::Methods> {
    let documents = Arc::new(Documents::new(Arc::clone(&parts.store), parts.translations));
    let context = Arc::new(convert::context(&parts.context));
    Grpc(Handler { parts: Arc::new(parts), documents, context })
}

/// The methods: `SyncFlags`, `FetchAllFlags` and `GetMetadata`, then the first two of `sync.v1`.
pub(super) const METHODS: [&str; 5] = [
    "/flagd.sync.v1.FlagSyncService/SyncFlags",
    "/flagd.sync.v1.FlagSyncService/FetchAllFlags",
    "/flagd.sync.v1.FlagSyncService/GetMetadata",
    "/sync.v1.FlagSyncService/SyncFlags",
    "/sync.v1.FlagSyncService/FetchAllFlags",
];

/// The label under which requests for `path` are counted.
pub fn label(path: &str) -> &'static str {
    METHODS.into_iter().find(|known| *known == path).unwrap_or("other")
}

/// The one handler behind both services.
#[derive(Clone, Debug)]
struct Handler {
    parts: Arc<Sync>,
    documents: Arc<Documents>,
    /// The static attributes as messages carry them.
    context: Arc<Struct>,
}

impl Handler {
    /// The selected flags as of now.
    async fn fetch(&self, headers: &HeaderMap, body_selector: &str) -> Result<Arc<Document>, Status> {
        self.opened().await?;
        self.documents.now(&selector(headers, body_selector)?)
    }

    /// A stream of the selected flags.
    async fn follow(
        &self,
        shape: Shape,
        headers: &HeaderMap,
        body_selector: &str,
        provider: &str,
    ) -> Result<Follower, Status> {
        let selector = selector(headers, body_selector);
        let counted = self.parts.streams.open(selector.as_deref().unwrap_or_default(), provider);
        let opened = async {
            let selector = selector?;
            self.opened().await.map(|()| selector)
        };
        match opened.await {
            Ok(selector) => Ok(Follower::new(self, shape, selector, counted)),
            Err(status) => {
                counted.end(End::Error);
                Err(status)
            }
        }
    }

    /// Waits until there is something to hand out.
    async fn opened(&self) -> Result<(), Status> {
        let (mut open, mut closing) = (self.parts.open.clone(), self.parts.closing.clone());
        tokio::select! {
            biased;
            _ = open.wait_for(|open| *open) => Ok(()),
            _ = closing.wait_for(|closing| *closing) => Err(Status::unavailable("the daemon is shutting down")),
        }
    }
}

/// The request's selector: the header where there is one, even an empty one, else what the message says (contract 5.4).
fn selector(headers: &HeaderMap, body: &str) -> Result<Arc<str>, Status> {
    let text = match headers.get(SELECTOR) {
        Some(value) => std::str::from_utf8(value.as_bytes())
            .map_err(|_| Status::invalid_argument("the selector is not UTF-8"))?,
        None => body,
    };
    match engine::Selector::parse(text) {
        Ok(_) => Ok(text.into()),
        Err(error) => Err(Status::invalid_argument(error.to_string())),
    }
}
