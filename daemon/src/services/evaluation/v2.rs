//! `flagd.evaluation.v2`: an absent value means that the code's default stands.

use proto::flagd::evaluation::v2::{
    EventStreamResponse, ResolveBooleanRequest, ResolveBooleanResponse, ResolveFloatRequest,
    ResolveFloatResponse, ResolveIntRequest, ResolveIntResponse, ResolveObjectRequest, ResolveObjectResponse,
    ResolveStringRequest, ResolveStringResponse,
};

use super::convert::{self, question};
use super::events::{Event, Listener};
use super::handle::{Handler, Version};

question!(ResolveBooleanRequest -> ResolveBooleanResponse(bool), convert::v2);
question!(ResolveStringRequest -> ResolveStringResponse(String), convert::v2);
question!(ResolveFloatRequest -> ResolveFloatResponse(f64), convert::v2);
question!(ResolveIntRequest -> ResolveIntResponse(i64), convert::v2);
question!(ResolveObjectRequest -> ResolveObjectResponse(proto::Struct), convert::v2);

/// This version.
pub(super) static VERSION: Version = Version {
    service: "/flagd.evaluation.v2.Service/",
    procedures: &[
        ("/flagd.evaluation.v2.Service/ResolveBoolean", Handler::one::<ResolveBooleanRequest>),
        ("/flagd.evaluation.v2.Service/ResolveString", Handler::one::<ResolveStringRequest>),
        ("/flagd.evaluation.v2.Service/ResolveFloat", Handler::one::<ResolveFloatRequest>),
        ("/flagd.evaluation.v2.Service/ResolveInt", Handler::one::<ResolveIntRequest>),
        ("/flagd.evaluation.v2.Service/ResolveObject", Handler::one::<ResolveObjectRequest>),
    ],
    events: Listener::frames::<EventStreamResponse>,
};

impl From<Event> for EventStreamResponse {
    fn from(event: Event) -> Self {
        Self { r#type: event.name().to_owned(), data: event.data() }
    }
}
