//! The one handler behind the three services.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use engine::{Flag, Selector};
use http::{HeaderMap, HeaderName};
use tonic::Status;

use super::convert::{Answer, Item, Question, Scalar, invalid, reflection};
use super::events::{Hub, Listener};
use crate::ask::{Ask, Outcome, Type};
use crate::light::{Body, Light};
use crate::services::grpc::{self, FrameStream, Frames};
use crate::services::replies::{self, Place};

/// The header that says which flags a request means.
const SELECTOR: HeaderName = HeaderName::from_static("flagd-selector");

/// A version of the service.
pub(super) struct Version {
    /// How the paths of its methods begin.
    pub(super) service: &'static str,
    /// The methods that give one message, by their paths.
    pub(super) procedures: &'static [(&'static str, Procedure)],
    /// `EventStream`.
    pub(super) events: fn(Listener) -> FrameStream,
}

/// Answers an encoded request with a message in its frame.
pub(super) type Procedure = fn(&Handler, &HeaderMap, Bytes) -> Result<Frames, Status>;

/// Answers requests of one version.
#[derive(Clone, Debug)]
pub(super) struct Handler {
    pub(super) ask: Ask,
    pub(super) hub: Arc<Hub>,
    /// Whether `-H` applies.
    pub(super) maps_headers: bool,
    /// Whether a bulk answer has flags whose default variant tells no type, when targeting gives them a value.
    pub(super) lists_untyped: bool,
    pub(super) stream_deadline: Option<Duration>,
}

/// Every flag of a selector.
pub(super) struct Everything {
    pub(super) items: Vec<(String, Item)>,
    pub(super) metadata: proto::Struct,
}

impl Handler {
    /// Answers for one flag.
    pub(super) fn one<Q: Question + 'static>(
        &self,
        headers: &HeaderMap,
        message: Bytes,
    ) -> Result<Frames, Status> {
        let question: Q = grpc::read(message)?;
        let selector = selector(headers)?;
        let (key, context) = question.parts();
        let light = self.light(context, headers);
        let answer = self.ask.one(key, &selector, Q::VALUE, &light, |outcome| reply::<Q>(outcome, &selector));
        answer.map_err(invalid)?
    }

    /// Answers for every flag that has a value of a type that the services know (contract 3.9).
    pub(super) fn all(&self, context: &[u8], headers: &HeaderMap) -> Result<Everything, Status> {
        let selector = selector(headers)?;
        let light = self.light(context, headers);
        let want = |flag: &Flag| Type::of_default(flag).or(self.lists_untyped.then_some(Type::Any));
        let mut items = Vec::new();
        let read = self.ask.all(&selector, &light, want, |outcome| {
            let zero = outcome.flag.and_then(Scalar::zero_of);
            let item = Item::new(outcome, &selector, zero);
            items.extend(item.map(|item| (outcome.key.to_owned(), item)));
        });
        read.map_err(invalid)?;
        Ok(Everything { items, metadata: reflection(&selector) })
    }

    /// Opens an event stream.
    pub(super) fn listen(&self, headers: &HeaderMap) -> Result<Listener, Status> {
        selector(headers)?;
        let selector = headers.get(SELECTOR).and_then(|text| text.to_str().ok()).unwrap_or_default();
        Ok(self.hub.listen(selector.into(), self.stream_deadline))
    }

    fn light<'r>(&self, context: &'r [u8], headers: &'r HeaderMap) -> Light<'r> {
        Light { body: Body::Struct(context), headers: self.maps_headers.then_some(headers) }
    }
}

/// The reply to `Q` that says `outcome`: the one that was written before, or else a new one for the next time, too.
#[inline]
pub(super) fn reply<Q: Question + 'static>(
    outcome: Outcome<'_>,
    selector: &Selector<'_>,
) -> Result<Frames, Status> {
    let place = replies::place::<Q>(&outcome, selector.reflection().map(|(name, _)| name));
    if let Some(reply) = place.and_then(Place::reply) {
        return Ok(Frames::Kept(Arc::clone(reply)));
    }
    let frame = grpc::frame(&Q::render(Answer::new(outcome, selector)?)?);
    if let Some(place) = place {
        place.keep(&frame);
    }
    Ok(Frames::One(frame))
}

/// The request's selector: the first such header, without one none (contract 3.11).
fn selector(headers: &HeaderMap) -> Result<Selector<'_>, Status> {
    let Some(value) = headers.get(SELECTOR) else { return Ok(Selector::Any) };
    let text = std::str::from_utf8(value.as_bytes()).map_err(|_| invalid("the selector is not UTF-8"))?;
    Selector::parse(text).map_err(invalid)
}
