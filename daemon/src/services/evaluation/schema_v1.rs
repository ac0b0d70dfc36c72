//! `schema.v1`: the first name of v1; headers are not mapped and streams have no deadline.

use bytes::Bytes;
use http::HeaderMap;
use proto::schema::v1::{
    AnyFlag, EventStreamResponse, ResolveAllRequest, ResolveAllResponse, ResolveBooleanRequest,
    ResolveBooleanResponse, ResolveFloatRequest, ResolveFloatResponse, ResolveIntRequest, ResolveIntResponse,
    ResolveObjectRequest, ResolveObjectResponse, ResolveStringRequest, ResolveStringResponse, any_flag,
};
use tonic::Status;

use super::convert::{self, Item, Scalar, question};
use super::events::{Event, Listener};
use super::handle::{Everything, Handler, Version};
use crate::services::grpc::{self, Frames};

question!(ResolveBooleanRequest -> ResolveBooleanResponse(bool), convert::schema_v1);
question!(ResolveStringRequest -> ResolveStringResponse(String), convert::schema_v1);
question!(ResolveFloatRequest -> ResolveFloatResponse(f64), convert::schema_v1);
question!(ResolveIntRequest -> ResolveIntResponse(i64), convert::schema_v1);
question!(ResolveObjectRequest -> ResolveObjectResponse(proto::Struct), convert::schema_v1);

/// This version.
pub(super) static VERSION: Version = Version {
    service: "/schema.v1.Service/",
    procedures: &[
        ("/schema.v1.Service/ResolveBoolean", Handler::one::<ResolveBooleanRequest>),
        ("/schema.v1.Service/ResolveString", Handler::one::<ResolveStringRequest>),
        ("/schema.v1.Service/ResolveFloat", Handler::one::<ResolveFloatRequest>),
        ("/schema.v1.Service/ResolveInt", Handler::one::<ResolveIntRequest>),
        ("/schema.v1.Service/ResolveObject", Handler::one::<ResolveObjectRequest>),
        ("/schema.v1.Service/ResolveAll", resolve_all),
    ],
    events: Listener::frames::<EventStreamResponse>,
};

fn resolve_all(handler: &Handler, headers: &HeaderMap, message: Bytes) -> Result<Frames, Status> {
    let request: ResolveAllRequest = grpc::read(message)?;
    let Everything { items, .. } = handler.all(&request.context, headers)?;
    let flags = items.into_iter().map(|(key, item)| (key, item.into())).collect();
    Ok(Frames::One(grpc::frame(&ResolveAllResponse { flags })))
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
