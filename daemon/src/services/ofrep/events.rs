//! News for clients that hold flags: server-sent events that say when to ask again (OFREP's ADR 8).
//!
//! An event says only that the flags which the client's selector means are others now, and under which tag. The tag is also
//! the event's id, so that a client which was away learns on its return whether it missed something. The address that bulk
//! answers name carries the tag they were made under, for the same reason.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use engine::Selector;
use futures_util::Stream;
use http_body::Frame;
use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use store::Store;
use tokio::sync::{OwnedSemaphorePermit, watch};

use super::route::EVENTS;
use super::tag::Views;

/// How long a client waits before it connects again, in milliseconds.
const RETRY: u64 = 3000;
/// How long the line stays silent, so that no proxy takes it for dead.
const SILENCE: Duration = Duration::from_secs(15);

/// What an address of the event stream says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Wish {
    /// The selector; `None` if the address has none.
    pub(super) selector: Option<String>,
    /// The tag under which the client has its flags.
    pub(super) since: Option<String>,
}

impl Wish {
    /// Reads the query of an address. Other parameters are ignored; of two with one name the first counts.
    pub(super) fn read(query: &str) -> Self {
        let value = |name: &str| {
            let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
            let (_, value) = pairs.into_iter().find(|(key, _)| *key == name)?;
            Some(percent_decode_str(value).decode_utf8_lossy().into_owned())
        };
        Self { selector: value("selector"), since: value("since") }
    }

    /// The address that says this, below `prefix`.
    pub(super) fn address(prefix: &str, selector: &str, since: &str) -> String {
        let mut address = format!("{prefix}{EVENTS}?since={since}");
        if !selector.is_empty() {
            address.push_str("&selector=");
            address.extend(utf8_percent_encode(selector, NON_ALPHANUMERIC));
        }
        address
    }
}

/// One client's stream.
pub(super) struct News {
    pub(super) store: Arc<Store>,
    pub(super) views: Arc<Views>,
    /// A selector that can be parsed.
    pub(super) selector: String,
    /// The tag that the client has, if it said so.
    pub(super) since: Option<String>,
    pub(super) closing: watch::Receiver<bool>,
}

impl News {
    /// The frames of the stream: a greeting, then an event whenever the flags change, until the daemon closes. `place` is
    /// the client's place among those that may have a stream; it is free again when the stream is dropped.
    pub(super) fn frames(
        self,
        place: OwnedSemaphorePermit,
    ) -> impl Stream<Item = Result<Frame<Bytes>, Infallible>> + Send {
        // Subscribed before the flags are first looked at: no change falls between.
        let generation = self.store.subscribe();
        let state = (self, generation, None::<Box<str>>, place);
        futures_util::stream::unfold(state, |(mut news, mut generation, told, place)| async move {
            let (text, told) = match told {
                None => {
                    let tag = news.tag();
                    (news.greeting(&tag), tag)
                }
                Some(told) => news.next(&mut generation, told).await?,
            };
            Some((Ok(Frame::data(Bytes::from(text))), (news, generation, Some(told), place)))
        })
    }

    async fn next(
        &mut self,
        generation: &mut watch::Receiver<u64>,
        told: Box<str>,
    ) -> Option<(String, Box<str>)> {
        loop {
            tokio::select! {
                biased;
                _ = self.closing.wait_for(|closing| *closing) => return None,
                changed = generation.changed() => changed.ok()?,
                () = tokio::time::sleep(SILENCE) => return Some((": still here\n\n".to_owned(), told)),
            }
            let tag = self.tag();
            if tag != told {
                return Some((event(&tag), tag));
            }
        }
    }

    fn greeting(&self, tag: &str) -> String {
        let missed = self.since.as_deref().is_some_and(|since| since != tag);
        let event = if missed { event(tag) } else { format!("id: {tag}\n\n") };
        format!("retry: {RETRY}\n{event}")
    }

    fn tag(&self) -> Box<str> {
        let selector = Selector::parse(&self.selector).unwrap_or_default();
        self.views.view(&self.store.read(), &selector).tag.clone()
    }
}

fn event(tag: &str) -> String {
    format!("id: {tag}\ndata: {{\"type\":\"refetchEvaluation\",\"etag\":\"{tag}\"}}\n\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_says_what_it_was_made_from() {
        let address = Wish::address("/api", "flagSetId=a b&c/ü", "0a");
        assert_eq!(address, "/api/ofrep/v1/sse?since=0a&selector=flagSetId%3Da%20b%26c%2F%C3%BC");
        let (_, query) = address.split_once('?').expect("a query");
        let wish = Wish { selector: Some("flagSetId=a b&c/ü".to_owned()), since: Some("0a".to_owned()) };
        assert_eq!(Wish::read(query), wish);
        assert_eq!(Wish::address("", "", "0a"), "/ofrep/v1/sse?since=0a");
        assert_eq!(Wish::read("x=1&&selector"), Wish::default());
    }
}
