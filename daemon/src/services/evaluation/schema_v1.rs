//! `schema.v1`: the first name of v1; headers are not mapped and streams have no deadline.

use proto::schema::v1::{
    AnyFlag, EventStreamRequest, EventStreamResponse, ResolveAllRequest, ResolveAllResponse,
    ResolveBooleanRequest, ResolveBooleanResponse, ResolveFloatRequest, ResolveFloatResponse,
    ResolveIntRequest, ResolveIntResponse, ResolveObjectRequest, ResolveObjectResponse, ResolveStringRequest,
    ResolveStringResponse, any_flag, service_server,
};
use tonic::{Request, Response, Status};

use super::convert::{self, Item, Scalar, question};
use super::events::{Event, Events};
use super::handle::{Everything, Handler};

question!(ResolveBooleanRequest -> ResolveBooleanResponse(bool), convert::schema_v1);
question!(ResolveStringRequest -> ResolveStringResponse(String), convert::schema_v1);
question!(ResolveFloatRequest -> ResolveFloatResponse(f64), convert::schema_v1);
question!(ResolveIntRequest -> ResolveIntResponse(i64), convert::schema_v1);
question!(ResolveObjectRequest -> ResolveObjectResponse(proto::Struct), convert::schema_v1);

/// The service of this version.
pub(super) struct Service(pub(super) Handler);

type Answered<T> = Result<Response<T>, Status>;

#[tonic::async_trait]
impl service_server::Service for Service {
    async fn resolve_all(&self, request: Request<ResolveAllRequest>) -> Answered<ResolveAllResponse> {
        let (metadata, _, request) = request.into_parts();
        let Everything { items, .. } = self.0.all(&request.context, &metadata.into_headers())?;
        let flags = items.into_iter().map(|(key, item)| (key, item.into())).collect();
        Ok(Response::new(ResolveAllResponse { flags }))
    }

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

impl From<Item> for AnyFlag {
    fn from(item: Item) -> Self {
        let Item { reason, variant, value, .. } = item;
        let value = match value {
            Scalar::Bool(value) => any_flag::Value::BoolValue(value),
            Scalar::String(value) => any_flag::Value::StringValue(value),
            Scalar::Double(value) => any_flag::Value::DoubleValue(value),
            Scalar::Object(value) => any_flag::Value::ObjectValue(value),
        };
        Self { reason: reason.to_owned(), variant, value: Some(value) }
    }
}
