//! Keeps a snapshot current: asks for all flags when the context changes, when the stream says so, and from time to time.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use kit::http::reqwest::Url;
use kit::{Backoff, Emitter, State};
use open_feature::EvaluationContext;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until};

use super::snapshot::Snapshot;
use super::stream::Stream;
use crate::client::{self, Client};
use crate::fault::Fault;
use crate::model::Notice;
use crate::options::Bulk;

/// The first rest after a failure, and the longest.
const FIRST_REST: Duration = Duration::from_secs(1);
const LONGEST_REST: Duration = Duration::from_secs(60);
/// How much more rarely a server is polled whose stream lives.
const BACKSTOP: u32 = 10;

/// The task behind what is kept.
pub(super) struct Follow {
    client: Arc<Client>,
    snapshot: Arc<ArcSwapOption<Snapshot>>,
    events: Emitter,
    options: Bulk,
    context: watch::Receiver<EvaluationContext>,
    address: watch::Sender<Option<Url>>,
    backoff: Backoff,
    /// Since when the server has failed.
    failing: Option<Instant>,
}

impl Follow {
    pub(super) fn new(
        client: Arc<Client>,
        snapshot: Arc<ArcSwapOption<Snapshot>>,
        events: Emitter,
        options: Bulk,
        context: watch::Receiver<EvaluationContext>,
    ) -> Self {
        let (address, backoff) = (watch::channel(None).0, Backoff::new(FIRST_REST, LONGEST_REST));
        Self { client, snapshot, events, options, context, address, backoff, failing: None }
    }

    /// Runs until it is dropped, or the server refuses for good.
    pub(super) async fn run(self) {
        let (notices, news) = mpsc::channel(1);
        let (live, is_live) = watch::channel(false);
        let stream = Stream {
            client: Arc::clone(&self.client),
            silence: self.options.stream_silence,
            address: self.address.subscribe(),
            live,
            notices,
        };
        tokio::select! {
            () = self.follow(news, is_live) => {}
            () = stream.run() => {}
        }
    }

    async fn follow(mut self, mut news: mpsc::Receiver<Notice>, mut is_live: watch::Receiver<bool>) {
        let mut notice = None;
        loop {
            let rest = match self.refresh(notice.take()).await {
                Ok(()) => {
                    self.failing = None;
                    self.backoff.succeed();
                    None
                }
                Err(fault) => match self.fail(&fault) {
                    Some(rest) => Some(rest),
                    None => return,
                },
            };
            let asked = Instant::now();
            loop {
                // A stream that comes or goes changes how long is waited, and is no reason to ask.
                let due =
                    rest.or_else(|| self.interval(*is_live.borrow_and_update())).map(|rest| asked + rest);
                tokio::select! {
                    changed = self.context.changed() => match changed {
                        Ok(()) => break,
                        Err(_) => return,
                    },
                    Some(told) = news.recv() => {
                        notice = Some(told);
                        break;
                    }
                    () = sleep_until(due.unwrap_or(asked)), if due.is_some() => break,
                    Ok(()) = is_live.changed() => {}
                }
            }
        }
    }

    /// How long after an answer the server is asked again.
    fn interval(&self, is_live: bool) -> Option<Duration> {
        let interval = self.options.poll_interval;
        let interval = if is_live { interval.saturating_mul(BACKSTOP) } else { interval };
        (!interval.is_zero()).then(|| Backoff::new(interval, interval).fail())
    }

    async fn refresh(&mut self, notice: Option<Notice>) -> Result<(), Fault> {
        let context = self.client.complete(&self.context.borrow_and_update());
        let body = self.client.body("*", &context)?;
        let before = self.snapshot.load_full();
        // A tag stands for one question: under another context it would be a wrong 304.
        let same = before.as_ref().filter(|before| before.body == body);
        let etag = same.and_then(|before| before.etag.as_ref());
        if let Some(answer) = self.client.all(body.clone(), etag, notice.as_ref()).await? {
            self.accept(answer, context, body, before.as_deref());
        } else {
            self.events.became_ready();
        }
        Ok(())
    }

    fn accept(
        &self,
        answer: client::Bulk,
        context: EvaluationContext,
        body: bytes::Bytes,
        before: Option<&Snapshot>,
    ) {
        let client::Bulk { evaluation, etag } = answer;
        let streams = evaluation.event_streams.unwrap_or_default();
        let address = streams.iter().find_map(|stream| self.client.locate(stream));
        self.address.send_replace(address.filter(|_| self.options.event_stream));
        let snapshot = Snapshot::new(evaluation.flags.unwrap_or_default(), context, body, etag);
        let changed = before.map(|before| snapshot.changed_since(before));
        self.snapshot.store(Some(Arc::new(snapshot)));
        self.events.became_ready();
        if let Some(changed) = changed {
            self.events.changed(Some(changed));
        }
    }

    /// Tells the failure; gives how long to rest, or `None` to give up: nobody was let in yet, and nobody will be.
    fn fail(&mut self, fault: &Fault) -> Option<Duration> {
        let known = self.snapshot.load().is_some();
        if !known && fault.is_final() {
            self.events.failed_for_good(fault.to_string());
            return None;
        }
        let since = *self.failing.get_or_insert_with(Instant::now);
        let lasting = since.elapsed() >= self.options.grace_period || self.events.state() == State::Error;
        if known && !lasting {
            self.events.became_stale(fault.to_string());
        } else {
            self.events.failed(fault.to_string());
        }
        let rest = self.backoff.fail();
        Some(match fault {
            Fault::Wait(wish) => rest.max(*wish),
            _ => rest,
        })
    }
}
