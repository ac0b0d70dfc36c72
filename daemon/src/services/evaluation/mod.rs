//! Remote evaluation over gRPC: `flagd.evaluation.v1`, `flagd.evaluation.v2` and `schema.v1` (contract 3).
//!
//! ```text
//! v1, v2, schema_v1   their methods, line by line to the one handler
//! handle              selector and context from the request, the question to `ask`
//! convert             outcomes to protobuf: what a missing value means is said here, per version
//! events              EventStream: readiness, changes, signs of life, farewell
//! ```

mod convert;
mod events;
mod handle;
mod schema_v1;
mod v1;
mod v2;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use store::Store;
use tokio::sync::watch;
use tonic::Status;

use super::grpc::{self, Frames, Methods};
use crate::ask::{Ask, Outcome};
use events::Hub;
use handle::{Handler, Version};

/// What remote evaluation is built from.
#[derive(Clone, Debug)]
pub struct Evaluation {
    /// Who answers.
    pub ask: Ask,
    /// Whose changes event streams tell.
    pub store: Arc<Store>,
    /// True from the moment on at which streams have to end.
    pub closing: watch::Receiver<bool>,
    /// The longest life of an event stream of v1 and v2.
    pub stream_deadline: Option<Duration>,
}

/// The three services as one. Sizes and compression are the business of [`connect`](super::connect), which stands before them.
pub fn methods(parts: &Evaluation) -> impl Methods + use<> {
    let hub = Arc::new(Hub::new(Arc::clone(&parts.store), parts.closing.clone()));
    let current = Handler {
        ask: parts.ask.clone(),
        hub,
        maps_headers: true,
        lists_untyped: false,
        stream_deadline: parts.stream_deadline,
    };
    let first =
        Handler { maps_headers: false, lists_untyped: true, stream_deadline: None, ..current.clone() };
    Versions(Arc::new([
        (&v2::VERSION, current.clone()),
        (&v1::VERSION, current),
        (&schema_v1::VERSION, first),
    ]))
}

/// Writes the replies of the version that most clients speak, before anybody asks.
pub(super) fn foresee(outcome: Outcome<'_>) {
    v1::foresee(outcome);
}

/// The versions of the service and who answers for each.
#[derive(Clone)]
struct Versions(Arc<[(&'static Version, Handler); 3]>);

impl Methods for Versions {
    async fn answer(&self, path: &str, headers: &HeaderMap, message: Bytes) -> Result<Frames, Status> {
        let version = self.0.iter().find(|(version, _)| path.starts_with(version.service));
        let (version, handler) = version.ok_or_else(grpc::unknown)?;
        match version.procedures.iter().find(|(name, _)| *name == path) {
            Some((_, procedure)) => procedure(handler, headers, message),
            // What else a version has is its event stream.
            None => Ok(Frames::Many((version.events)(handler.listen(headers)?))),
        }
    }
}
