//! The event stream: stays connected, and passes on that it is time to ask again.

use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;
use kit::Backoff;
use kit::http::reqwest::Url;
use tokio::sync::{mpsc, watch};
use tokio::time::{sleep, timeout};

use super::sse::{Event, Parser};
use crate::client::Client;
use crate::fault::Fault;
use crate::model::Notice;

/// The rest before a new connection: the first, where the server names none; the shortest it may name; the longest.
const FIRST_REST: Duration = Duration::from_secs(1);
const SHORTEST_REST: Duration = Duration::from_millis(100);
const LONGEST_REST: Duration = Duration::from_secs(60);

/// One event stream, from connection to connection.
pub(super) struct Stream {
    pub(super) client: Arc<Client>,
    pub(super) silence: Duration,
    /// Where it is, as the server said last. Each answer may name a new address, which counts from the next connection on.
    pub(super) address: watch::Receiver<Option<Url>>,
    /// Whether it is connected.
    pub(super) live: watch::Sender<bool>,
    /// That flags changed. One that nobody has taken yet stands for all that follow.
    pub(super) notices: mpsc::Sender<Notice>,
}

impl Stream {
    /// Follows the stream for as long as it is polled.
    pub(super) async fn run(mut self) {
        let (mut last_id, mut again) = (None, false);
        let mut backoff = Backoff::new(FIRST_REST, LONGEST_REST);
        let mut retry = FIRST_REST;
        loop {
            let Ok(address) = self.address.wait_for(Option::is_some).await.map(|address| address.clone())
            else {
                return;
            };
            let Some(address) = address else { return };
            let mut parser = Parser::default();
            let outcome = self.connect(&address, last_id.as_ref(), again, &mut parser).await;
            again |= self.live.send_replace(false);
            if let Some(id) = &parser.last_id {
                last_id = HeaderValue::try_from(id).ok().filter(|id| !id.is_empty());
            }
            tracing::debug!(provider = "ofrep", reason = %outcome.why, "event stream ended");
            let named = parser.retry.unwrap_or(retry).clamp(SHORTEST_REST, LONGEST_REST);
            if outcome.heard || named != retry {
                retry = named;
                backoff = Backoff::new(retry, LONGEST_REST);
            }
            let rest = match outcome.why {
                Fault::Wait(rest) => rest.max(backoff.fail()),
                _ => backoff.fail(),
            };
            sleep(rest).await;
        }
    }

    async fn connect(
        &self,
        address: &Url,
        last_id: Option<&HeaderValue>,
        again: bool,
        parser: &mut Parser,
    ) -> Outcome {
        let ended = |heard, why: String| Outcome { heard, why: Fault::Broken(why) };
        let mut response = match self.client.open(address, last_id).await {
            Ok(response) => response,
            Err(why) => return Outcome { heard: false, why },
        };
        self.live.send_replace(true);
        if again {
            // Something may have been missed meanwhile.
            self.tell(Notice::default());
        }
        let mut heard = false;
        loop {
            let chunk = match timeout(self.silence, response.chunk()).await {
                Ok(Ok(Some(chunk))) => chunk,
                Ok(Ok(None)) => return ended(heard, "the server closed it".to_owned()),
                Ok(Err(error)) => return ended(heard, error.without_url().to_string()),
                Err(_) => return ended(heard, format!("silent for {:?}", self.silence)),
            };
            heard = true;
            match parser.read(&chunk) {
                Ok(events) => events.iter().filter_map(notice).for_each(|notice| self.tell(notice)),
                Err(_) => return ended(false, "a line or an event is too long".to_owned()),
            }
        }
    }

    fn tell(&self, notice: Notice) {
        // Full: somebody is about to ask anyway.
        let _ = self.notices.try_send(notice);
    }
}

/// How a connection ended, and whether it was of any use.
struct Outcome {
    heard: bool,
    why: Fault,
}

/// What an event asks for; `None` if it is none that asks for anything (OFREP ADR 8: others are passed over).
fn notice(event: &Event) -> Option<Notice> {
    let is_message = event.kind.is_empty() || event.kind == "message";
    let notice: Notice = serde_json::from_str(&event.data).ok().filter(|_| is_message)?;
    (notice.kind == "refetchEvaluation").then_some(notice)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_message_that_asks_to_refetch_is_a_notice() {
        let event = |kind: &str, data: &str| Event { kind: kind.to_owned(), data: data.to_owned() };
        let refetch = r#"{"type":"refetchEvaluation","etag":"e","lastModified":5}"#;
        assert_eq!(notice(&event("", refetch)).expect("a notice").etag.as_deref(), Some("e"));
        assert!(notice(&event("message", refetch)).is_some());
        assert_eq!(notice(&event("ping", refetch)), None);
        assert_eq!(notice(&event("", r#"{"type":"error","code":3}"#)), None);
        assert_eq!(notice(&event("", "hello")), None);
    }
}
