//! The reader for tonic's handlers, unary and streaming.

use super::Carrier;
use crate::RequestContext;

impl<T> Carrier for tonic::Request<T> {
    fn request_context(&self) -> Option<&RequestContext> {
        self.extensions().get()
    }
}
