//! The reader for connectrpc's handlers, unary and streaming.

use super::Carrier;
use crate::RequestContext;

impl Carrier for connectrpc::RequestContext {
    fn request_context(&self) -> Option<&RequestContext> {
        self.extensions().get()
    }
}
