//! Remote evaluation over gRPC: `flagd.evaluation.v1`, `flagd.evaluation.v2` and `schema.v1` (contract 3).
//!
//! ```text
//! v1, v2, schema_v1   the generated traits, line by line to the one handler
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

use proto::flagd::evaluation::v1::service_server::ServiceServer as V1;
use proto::flagd::evaluation::v2::service_server::ServiceServer as V2;
use proto::schema::v1::service_server::ServiceServer as SchemaV1;
use store::Store;
use tokio::sync::watch;
use tonic::service::Routes;

use crate::ask::Ask;
use events::Hub;
use handle::Handler;

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
pub fn routes(parts: &Evaluation) -> Routes {
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
    Routes::new(V1::new(v1::Service(current.clone())).max_decoding_message_size(usize::MAX))
        .add_service(V2::new(v2::Service(current)).max_decoding_message_size(usize::MAX))
        .add_service(SchemaV1::new(schema_v1::Service(first)).max_decoding_message_size(usize::MAX))
        .prepare()
}
