//! `flagd.evaluation.v1`: a value is always present, a flag without one is not found.

use bytes::Bytes;
use engine::Selector;
use http::HeaderMap;
use proto::flagd::evaluation::v1::{
    AnyFlag, EventStreamResponse, ResolveAllRequest, ResolveAllResponse, ResolveBooleanRequest,
    ResolveBooleanResponse, ResolveFloatRequest, ResolveFloatResponse, ResolveIntRequest, ResolveIntResponse,
    ResolveObjectRequest, ResolveObjectResponse, ResolveStringRequest, ResolveStringResponse, any_flag,
};
use tonic::Status;

use super::convert::{self, Item, Scalar, question};
use super::events::{Event, Listener};
use super::handle::{Everything, Handler, Version, reply};
use crate::ask::{Outcome, Type};
use crate::services::grpc::{self, Frames};

question!(ResolveBooleanRequest -> ResolveBooleanResponse(bool), convert::v1);
question!(ResolveStringRequest -> ResolveStringResponse(String), convert::v1);
question!(ResolveFloatRequest -> ResolveFloatResponse(f64), convert::v1);
question!(ResolveIntRequest -> ResolveIntResponse(i64), convert::v1);
question!(ResolveObjectRequest -> ResolveObjectResponse(proto::Struct), convert::v1);

/// This version.
pub(super) static VERSION: Version = Version {
    service: "/flagd.evaluation.v1.Service/",
    procedures: &[
        ("/flagd.evaluation.v1.Service/ResolveBoolean", Handler::one::<ResolveBooleanRequest>),
        ("/flagd.evaluation.v1.Service/ResolveString", Handler::one::<ResolveStringRequest>),
        ("/flagd.evaluation.v1.Service/ResolveFloat", Handler::one::<ResolveFloatRequest>),
        ("/flagd.evaluation.v1.Service/ResolveInt", Handler::one::<ResolveIntRequest>),
        ("/flagd.evaluation.v1.Service/ResolveObject", Handler::one::<ResolveObjectRequest>),
        ("/flagd.evaluation.v1.Service/ResolveAll", resolve_all),
    ],
    events: Listener::frames::<EventStreamResponse>,
};

/// Writes the replies to questions for the type of the flag's default variant, before anybody asks.
pub(super) fn foresee(outcome: Outcome<'_>) {
    let write = |reply: fn(Outcome<'_>, &Selector<'_>) -> Result<Frames, Status>| {
        // An error is written anew each time.
        let _ = reply(outcome, &Selector::Any);
    };
    match outcome.flag.and_then(Type::of_default) {
        Some(Type::Bool) => write(reply::<ResolveBooleanRequest>),
        Some(Type::String) => write(reply::<ResolveStringRequest>),
        Some(Type::Number) => {
            write(reply::<ResolveFloatRequest>);
            write(reply::<ResolveIntRequest>);
        }
        Some(Type::Object) => write(reply::<ResolveObjectRequest>),
        _ => {}
    }
}

fn resolve_all(handler: &Handler, headers: &HeaderMap, message: Bytes) -> Result<Frames, Status> {
    let request: ResolveAllRequest = grpc::read(message)?;
    let Everything { items, metadata } = handler.all(&request.context, headers)?;
    let flags = items.into_iter().map(|(key, item)| (key, item.into())).collect();
    Ok(Frames::One(grpc::frame(&ResolveAllResponse { flags, metadata: Some(metadata) })))
}

impl From<Event> for EventStreamResponse {
    fn from(event: Event) -> Self {
        Self { r#type: event.name().to_owned(), data: event.data() }
    }
}

impl From<Item> for AnyFlag {
    fn from(item: Item) -> Self {
        let Item { reason, variant, value, metadata } = item;
        let value = match value {
            Scalar::Bool(value) => any_flag::Value::BoolValue(value),
            Scalar::String(value) => any_flag::Value::StringValue(value),
            Scalar::Double(value) => any_flag::Value::DoubleValue(value),
            Scalar::Object(value) => any_flag::Value::ObjectValue(value),
        };
        Self { reason: reason.to_owned(), variant, value: Some(value), metadata: Some(metadata) }
    }
}
