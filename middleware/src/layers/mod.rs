//! One writer, and the readers of the frameworks.
//!
//! [`ContextLayer`] goes between the layer that verifies credentials and the handlers. Layers run from the outside in: with
//! `tower::ServiceBuilder` and tonic's `Server::builder()` the verifying layer is added first, with axum's `Router::layer` last.

#[cfg(feature = "axum")]
mod axum;
#[cfg(feature = "connectrpc")]
mod connectrpc;
#[cfg(feature = "tonic")]
mod tonic;
mod tower;

use open_feature::EvaluationContext;

#[cfg(feature = "axum")]
pub use self::axum::MissingContext;
pub use self::tower::{ContextBody, ContextFuture, ContextLayer, ContextService};
use crate::RequestContext;

/// What carries a request's context to a handler: tonic's and connectrpc's requests, and whatever has http's extensions.
/// (axum's handlers take [`RequestContext`] as an argument.)
pub trait Carrier {
    /// What the layer wrote; `None` where there is no layer in front.
    fn request_context(&self) -> Option<&RequestContext>;

    /// The same as the SDK's client takes it.
    fn evaluation_context(&self) -> Option<&EvaluationContext> {
        self.request_context().map(|context| &**context)
    }
}

impl Carrier for http::Extensions {
    fn request_context(&self) -> Option<&RequestContext> {
        self.get()
    }
}

impl Carrier for http::request::Parts {
    fn request_context(&self) -> Option<&RequestContext> {
        self.extensions.get()
    }
}

impl<B> Carrier for http::Request<B> {
    fn request_context(&self) -> Option<&RequestContext> {
        self.extensions().get()
    }
}
