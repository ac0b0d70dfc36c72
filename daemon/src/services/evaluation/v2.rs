//! `flagd.evaluation.v2`: an absent value means that the code's default stands.

use proto::flagd::evaluation::v2::{
    EventStreamRequest, EventStreamResponse, ResolveBooleanRequest, ResolveBooleanResponse,
    ResolveFloatRequest, ResolveFloatResponse, ResolveIntRequest, ResolveIntResponse, ResolveObjectRequest,
    ResolveObjectResponse, ResolveStringRequest, ResolveStringResponse, service_server,
};
use tonic::{Request, Response, Status};

use super::convert::{self, question};
use super::events::{Event, Events};
use super::handle::Handler;

question!(ResolveBooleanRequest -> ResolveBooleanResponse(bool), convert::v2);
question!(ResolveStringRequest -> ResolveStringResponse(String), convert::v2);
question!(ResolveFloatRequest -> ResolveFloatResponse(f64), convert::v2);
question!(ResolveIntRequest -> ResolveIntResponse(i64), convert::v2);
question!(ResolveObjectRequest -> ResolveObjectResponse(proto::Struct), convert::v2);

/// The service of this version.
pub(super) struct Service(pub(super) Handler);

type Answered<T> = Result<Response<T>, Status>;

#[tonic::async_trait]
impl service_server::Service for Service {
    async fn resolve_boolean(
        &self,
        request: Request<ResolveBooleanRequest>,
    ) -> Answered<ResolveBooleanResponse> {
        self.0.one(request)
    }

    async fn resolve_string(
        &self,
        request: Request<ResolveStringRequest>,
    ) -> Answered<ResolveStringResponse> {
        self.0.one(request)
    }

    async fn resolve_float(&self, request: Request<ResolveFloatRequest>) -> Answered<ResolveFloatResponse> {
        self.0.one(request)
    }

    async fn resolve_int(&self, request: Request<ResolveIntRequest>) -> Answered<ResolveIntResponse> {
        self.0.one(request)
    }

    async fn resolve_object(
        &self,
        request: Request<ResolveObjectRequest>,
    ) -> Answered<ResolveObjectResponse> {
        self.0.one(request)
    }

    type EventStreamStream = Events<EventStreamResponse>;

    async fn event_stream(&self, request: Request<EventStreamRequest>) -> Answered<Self::EventStreamStream> {
        Ok(Response::new(self.0.listen(request.metadata().as_ref())?.events()))
    }
}

impl From<Event> for EventStreamResponse {
    fn from(event: Event) -> Self {
        Self { r#type: event.name().to_owned(), data: event.data() }
    }
}
