//! What a source is: one verb, `follow`, and the feed it delivers to.

use std::any::Any;
use std::convert::Infallible;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;

use crate::document::{Format, too_large};
use crate::intake::Shared;
use crate::origin::{Origin, OriginError};
use crate::pace::Pace;
use crate::reader::{FlagDocument, Reader};
use crate::relay::Intake;
use crate::schedule::Schedule;

/// Follows an origin.
///
/// A source delivers versions until it cannot. It never parses, retries, backs off or reports health: the supervisor
/// does that from [`SourceError::retry`]. It never listens for shutdown either: dropping the future is the stop.
#[async_trait]
pub trait Source: Send {
    /// Delivers the origin's document, then every later version of it.
    ///
    /// # Errors
    /// The origin cannot be followed any longer. Unless the error says [`Retry::Never`], `follow` is called again.
    async fn follow(&mut self, feed: &mut Feed<'_>) -> Result<Infallible, SourceError>;

    /// What makes flags of the documents; asked for once. Documents are flagd's unless the source says otherwise.
    fn reader(&self) -> Arc<dyn Reader> {
        Arc::new(FlagDocument)
    }
}

/// A source whose documents are another reader's than its own: a vendor's files, wherever files can live.
pub struct ReadBy {
    source: Box<dyn Source>,
    reader: Arc<dyn Reader>,
}

impl ReadBy {
    /// Has `reader` read what `source` delivers.
    pub fn new(source: Box<dyn Source>, reader: Arc<dyn Reader>) -> Self {
        Self { source, reader }
    }
}

#[async_trait]
impl Source for ReadBy {
    async fn follow(&mut self, feed: &mut Feed<'_>) -> Result<Infallible, SourceError> {
        self.source.follow(feed).await
    }

    fn reader(&self) -> Arc<dyn Reader> {
        Arc::clone(&self.reader)
    }
}

/// A kind of source, as the registry lists it.
pub struct SourceKind {
    /// The provider names that mean this kind, the usual one first.
    pub providers: &'static [&'static str],
    /// Builds the source of an origin. No I/O happens yet.
    pub build: fn(&Origin) -> Result<Box<dyn Source>, OriginError>,
}

/// Why a source stopped following.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceError {
    /// What went wrong.
    pub what: String,
    /// With which file, address or object; nothing secret.
    pub place: String,
    /// Whether to try again.
    pub retry: Retry,
}

/// Whether, and when, to follow an origin again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// After a while that grows, with jitter.
    Backoff,
    /// After just this long.
    After(Duration),
    /// Never: the configuration must change first.
    Never,
}

impl fmt::Display for SourceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.what)
    }
}

impl std::error::Error for SourceError {}

/// One version of an origin's document.
#[derive(Debug)]
pub struct Delivery {
    /// The bytes as they came.
    pub bytes: Vec<u8>,
    /// What they are.
    pub format: Format,
    /// What the origin calls this version: an ETag, a commit.
    pub revision: Option<String>,
    /// Who made it, and when, if the origin knows.
    pub authorship: Option<Authorship>,
    /// The origin may be in the middle of writing: a refusal is handed back and not yet reported, so that the source can
    /// look again.
    pub provisional: bool,
}

/// Who made a version, when and what for. Each text is cut to what a person reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authorship {
    /// The author, such as `Ada <ada@example.com>`.
    pub author: String,
    /// When it was made.
    pub at: SystemTime,
    /// What for: the first line of a commit's message.
    pub subject: String,
}

/// What became of a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The document is in service, whether or not it changed anything.
    Accepted,
    /// The document is refused; what was served before still is.
    Refused,
}

/// Where a source delivers to.
pub struct Feed<'s> {
    shared: &'s Arc<Shared>,
    slot: usize,
    /// Takes what is delivered in the store's place.
    relay: Option<&'s Arc<Intake>>,
    pub(crate) delivered: bool,
    pace: Pace,
}

impl<'s> Feed<'s> {
    pub(crate) fn new(shared: &'s Arc<Shared>, slot: usize) -> Self {
        Self { shared, slot, relay: None, delivered: false, pace: Pace::default() }
    }

    /// A feed whose documents are passed on unread; `shared` has no source, only settings.
    pub(crate) fn relayed(shared: &'s Arc<Shared>, relay: &'s Arc<Intake>) -> Self {
        Self { shared, slot: 0, relay: Some(relay), delivered: false, pace: Pace::default() }
    }

    /// Hands over a version. Bytes equal to the last ones are silence.
    ///
    /// Versions that come faster than the limit make this last longer, after the version is in service: what comes
    /// meanwhile is for the source to skip or to keep waiting.
    ///
    /// Parsing and compiling happen on a thread of their own; the future ends when the document is in service or refused.
    pub async fn deliver(&mut self, delivery: Delivery) -> Verdict {
        let (shared, slot) = (Arc::clone(self.shared), self.slot);
        self.delivered = true;
        if let Some(relay) = self.relay {
            return relay.receive(delivery, self.max_bytes()).await;
        }
        match tokio::task::spawn_blocking(move || shared.receive(slot, delivery)).await {
            Ok((verdict, worked)) => {
                if worked {
                    tokio::time::sleep(self.pace.rest()).await;
                }
                verdict
            }
            Err(failure) => {
                let cause =
                    failure.try_into_panic().map_or_else(|error| error.to_string(), |p| panic_text(&*p));
                self.refuse(format!("internal error: {cause}"))
            }
        }
    }

    /// Says that the origin has a version that is not worth reading, such as one of a size beyond the limit.
    pub fn refuse(&mut self, why: String) -> Verdict {
        self.delivered = true;
        match self.relay {
            Some(relay) => relay.refuse(why),
            None => self.shared.refuse(self.slot, why),
        }
        Verdict::Refused
    }

    /// Says that the origin was asked and still has the version delivered last.
    pub fn unchanged(&mut self) {
        self.delivered = true;
        match self.relay {
            Some(relay) => relay.unchanged(),
            None => self.shared.unchanged(self.slot),
        }
    }

    /// Waits for `time`, or until somebody has news of the origin ([`Store::kick`](crate::Store::kick)). News that came
    /// before count, once.
    pub async fn rest(&mut self, time: Duration) {
        match self.shared.slots.get(self.slot) {
            // A wait that ends early is as good as one that ends.
            Some(slot) => drop(tokio::time::timeout(time, slot.kick.notified()).await),
            None => tokio::time::sleep(time).await,
        }
    }

    /// The wall clock.
    pub fn now(&self) -> SystemTime {
        (self.shared.settings.clock)()
    }

    /// The most bytes a document may have. Read one more at most, then [`refuse`](Self::refuse).
    pub fn max_bytes(&self) -> usize {
        self.shared.settings.max_bytes
    }
}

/// What a panic said.
pub(crate) fn panic_text(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| payload.downcast_ref::<String>().cloned()).unwrap_or_else(|| "unknown".to_owned())
}

/// Asks an origin that has to be asked.
pub trait Fetch: Send {
    /// The origin's document, or `None` if it still is the version `seen`. Reading may stop beyond `most` bytes: so
    /// large a document is refused.
    ///
    /// # Errors
    /// The origin did not give an answer that can be used.
    fn fetch(
        &mut self,
        seen: Option<&str>,
        most: usize,
    ) -> impl Future<Output = Result<Option<Fetched>, SourceError>> + Send;
}

/// An answer of an origin that was asked.
#[derive(Debug)]
pub struct Fetched {
    /// The bytes as they came.
    pub bytes: Vec<u8>,
    /// What they are.
    pub format: Format,
    /// What the origin calls this version; given back to [`Fetch::fetch`] once the document was accepted.
    pub revision: Option<String>,
}

/// Follows an origin by asking it again and again: at once, and then on schedule or when there is news of it. Never twice
/// at a time.
#[derive(Debug)]
pub struct Poll<F> {
    fetch: F,
    schedule: Schedule,
    seen: Option<String>,
}

impl<F: Fetch> Poll<F> {
    /// Asks with `fetch`.
    pub fn new(fetch: F, schedule: Schedule) -> Self {
        Self { fetch, schedule, seen: None }
    }
}

/// What asking an origin came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// It has what it had.
    Unchanged,
    /// It has another document.
    Delivered(Verdict),
}

impl<F: Fetch> Poll<F> {
    /// Asks once and delivers what comes, for a source that does more than ask.
    ///
    /// # Errors
    /// As [`Fetch::fetch`].
    pub async fn ask(&mut self, feed: &mut Feed<'_>) -> Result<Asked, SourceError> {
        let Some(fetched) = self.fetch.fetch(self.seen.as_deref(), feed.max_bytes()).await? else {
            feed.unchanged();
            return Ok(Asked::Unchanged);
        };
        if fetched.bytes.len() > feed.max_bytes() {
            return Ok(Asked::Delivered(feed.refuse(too_large(feed.max_bytes()))));
        }
        Ok(Asked::Delivered(self.deliver(feed, fetched).await))
    }

    /// Delivers a version that came without being asked for. A revision is remembered only with its document in service: a
    /// refused one is asked for again.
    pub async fn deliver(&mut self, feed: &mut Feed<'_>, fetched: Fetched) -> Verdict {
        let Fetched { bytes, format, revision } = fetched;
        let delivery =
            Delivery { bytes, format, revision: revision.clone(), authorship: None, provisional: false };
        let verdict = feed.deliver(delivery).await;
        self.seen = revision.filter(|_| verdict == Verdict::Accepted);
        verdict
    }

    /// The revision in service, if the origin names them.
    pub fn seen(&self) -> Option<&str> {
        self.seen.as_deref()
    }

    /// Whoever asks.
    pub fn fetch(&mut self) -> &mut F {
        &mut self.fetch
    }

    /// How long until it is time to ask again.
    pub fn wait(&self, now: SystemTime) -> Duration {
        self.schedule.wait(now)
    }
}

#[async_trait]
impl<F: Fetch> Source for Poll<F> {
    async fn follow(&mut self, feed: &mut Feed<'_>) -> Result<Infallible, SourceError> {
        loop {
            self.ask(feed).await?;
            feed.rest(self.wait(feed.now())).await;
        }
    }
}
