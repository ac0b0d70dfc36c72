//! The event stream, kept open (contract 3.13): it tells that the server is there, and which flags changed.

use std::sync::Arc;
use std::time::Duration;

use proto::flagd::evaluation::v2::service_client::ServiceClient;
use proto::flagd::evaluation::v2::{EventStreamRequest, EventStreamResponse};
use tokio::time::{Instant, sleep, timeout};
use tonic::Streaming;

use super::{Shared, convert};
use crate::backoff::Backoff;
use crate::options::Options;
use crate::server::{End, due};

/// How long a server may take until its first event, which comes at once.
const OPENING: Duration = Duration::from_secs(5);
/// A server that says `keep_alive`, every 20 seconds, is dead when it has not for so long.
const SILENCE: Duration = Duration::from_secs(65);
/// How soon a lost stream is opened again at the earliest, whatever calls succeed meanwhile.
const SOON: Duration = Duration::from_millis(100);

/// Keeps the event stream open.
pub(super) struct Follow {
    shared: Arc<Shared>,
    deadline: Duration,
    backoff: Backoff,
    /// Whether the stream of now was of use.
    heard: bool,
}

impl Follow {
    pub(super) fn new(shared: Arc<Shared>, options: &Options) -> Self {
        let backoff = Backoff::new(options.retry_backoff, options.retry_backoff_max);
        Self { shared, deadline: options.stream_deadline, backoff, heard: false }
    }

    /// Runs until the server refuses for good.
    pub(super) async fn run(mut self) {
        loop {
            let opened = Instant::now();
            self.heard = false;
            let end = self.stream().await;
            match end {
                End::Fatal(why) => {
                    tracing::error!("{why}; the provider gives up");
                    self.shared.cache.clear();
                    return self.shared.link.fatal(why);
                }
                // Opened again at once, unless it comes to its end before it is of use.
                End::Due if self.heard && opened.elapsed() > SOON => continue,
                End::Due => self.shared.link.down(format!(
                    "{}: the server ends event streams as soon as they begin",
                    self.shared.server.name
                )),
                End::Lost(why) => {
                    tracing::warn!("{why}; the event stream is opened again");
                    self.shared.link.down(why);
                }
            }
            self.rest().await;
        }
    }

    /// Waits before the next try; not as long when a call shows that the server is back.
    async fn rest(&mut self) {
        let wait = self.backoff.next();
        let least = wait.min(SOON);
        sleep(least).await;
        tokio::select! {
            () = sleep(wait.saturating_sub(least)) => {}
            () = self.shared.nudge.notified() => {}
        }
    }

    async fn stream(&mut self) -> End {
        let shared = Arc::clone(&self.shared);
        let server = &shared.server;
        let mut client = ServiceClient::new(server.channel.clone());
        let opening = client.event_stream(server.request(EventStreamRequest {}));
        let stream = match timeout(OPENING, opening).await {
            Ok(Ok(response)) => response.into_inner(),
            Ok(Err(status)) => return End::of(server, &status),
            Err(_) => return End::silent(server, OPENING),
        };
        let deadline = self.deadline;
        tokio::select! {
            end = self.listen(stream) => end,
            () = due(deadline) => End::Due,
        }
    }

    async fn listen(&mut self, mut stream: Streaming<EventStreamResponse>) -> End {
        let shared = Arc::clone(&self.shared);
        let server = &shared.server;
        let mut patience = Some(OPENING);
        loop {
            let next = match patience {
                Some(patience) => match timeout(patience, stream.message()).await {
                    Ok(next) => next,
                    Err(_) => return End::silent(server, patience),
                },
                None => stream.message().await,
            };
            let event = match next {
                Ok(Some(event)) => event,
                Ok(None) => return End::closed(server),
                Err(status) => return End::of(server, &status),
            };
            if patience == Some(OPENING) {
                patience = None;
            }
            match event.r#type.as_str() {
                "provider_ready" => {
                    // Changes may have gone by while nobody listened.
                    shared.cache.clear();
                    self.backoff.reset();
                    self.heard = true;
                    shared.link.up();
                }
                "configuration_change" => self.change(event),
                "keep_alive" => patience = Some(SILENCE),
                "provider_shutdown" => {
                    return End::Lost(format!("{}: the server shuts down", server.name));
                }
                other => tracing::debug!("{}: unknown event {other:?}", server.name),
            }
        }
    }

    fn change(&self, event: EventStreamResponse) {
        let keys = convert::changed(event);
        match &keys {
            Some(keys) => self.shared.cache.forget(keys.iter().map(String::as_str)),
            None => self.shared.cache.clear(),
        }
        self.shared.link.emitter().changed(keys);
    }
}
