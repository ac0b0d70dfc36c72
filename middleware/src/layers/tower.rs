//! The writer: from an HTTP request to a context in its extensions, for anything that is a tower service.
//!
//! The context also goes with the current task, so that [`RequestContextHook`](crate::hooks::RequestContextHook) finds it: round
//! the handler, and round every poll of the response's body, where streaming handlers live.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use http::{Request, Response};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use tokio::task::futures::TaskLocalFuture;
use tower_layer::Layer;
use tower_service::Service;

use crate::{Mapping, MappingError, RequestContext};

/// Lays a [`Mapping`] over every request.
#[derive(Clone, Debug)]
pub struct ContextLayer {
    mapping: Arc<Mapping>,
}

impl ContextLayer {
    /// A layer for `mapping`.
    ///
    /// # Errors
    /// The mapping cannot be meant.
    pub fn new(mapping: Mapping) -> Result<Self, MappingError> {
        mapping.check()?;
        Ok(Self { mapping: Arc::new(mapping) })
    }
}

impl<S> Layer<S> for ContextLayer {
    type Service = ContextService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        ContextService { inner, mapping: Arc::clone(&self.mapping) }
    }
}

/// A service whose requests carry their context.
#[derive(Clone, Debug)]
pub struct ContextService<S> {
    inner: S,
    mapping: Arc<Mapping>,
}

impl<S, B, R> Service<Request<B>> for ContextService<S>
where
    S: Service<Request<B>, Response = Response<R>>,
{
    type Response = Response<ContextBody<R>>;
    type Error = S::Error;
    type Future = ContextFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let (mut parts, body) = request.into_parts();
        let mut context = self.mapping.lay(&parts);
        // Two layers on the way: the inner one is nearer to the handler and wins.
        if let Some(outer) = parts.extensions.get::<RequestContext>() {
            let refused = outer.refused().iter().chain(context.refused()).cloned().collect();
            context = RequestContext::with_refused(outer.under(&context), refused);
        }
        parts.extensions.insert(context.clone());
        let request = Request::from_parts(parts, body);
        let future = context.clone().within(|| self.inner.call(request));
        ContextFuture { future: context.clone().scoped(future), context }
    }
}

pin_project! {
    /// The answer of a [`ContextService`].
    pub struct ContextFuture<F> {
        #[pin]
        future: TaskLocalFuture<RequestContext, F>,
        context: RequestContext,
    }
}

impl<F, R, E> Future for ContextFuture<F>
where
    F: Future<Output = Result<Response<R>, E>>,
{
    type Output = Result<Response<ContextBody<R>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let response = ready!(this.future.poll(cx))?;
        let context = this.context.clone();
        Poll::Ready(Ok(response.map(|body| ContextBody { body, context })))
    }
}

pin_project! {
    /// A response's body, polled as part of its request.
    #[derive(Debug, Default)]
    pub struct ContextBody<B> {
        #[pin]
        body: B,
        context: RequestContext,
    }
}

impl<B: Body> Body for ContextBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let this = self.project();
        this.context.clone().within(|| this.body.poll_frame(cx))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(feature = "tonic")]
impl<S: tonic::server::NamedService> tonic::server::NamedService for ContextService<S> {
    const NAME: &'static str = S::NAME;
}
