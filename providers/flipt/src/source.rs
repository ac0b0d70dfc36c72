//! The vendor as an origin: asked for its snapshot by ETag, and listened to where it streams.
//!
//! ```text
//! ask for the snapshot  --no stream, or its time has not come--> rest, ask again
//!        ^     |
//!        |     +--the stream opens--> each message is a snapshot
//!        |                            silence: ask whether anything was missed; if so, the stream is dead
//!        +---------------------------- the stream ends, is cut, says what it should not
//! ```
//!
//! Whether the server can be reached is decided by asking alone. A stream only makes changes come sooner.

use std::convert::Infallible;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use serde::Deserialize;
use store::{
    Asked, Dialect, Feed, Fetch, Fetched, Format, Http, Origin, OriginError, Poll, Reader, Source,
    SourceError, SourceKind,
};

use crate::client::Api;
use crate::options::{FileOptions, SourceOptions};
use crate::reader::{Features, Snapshots};
use crate::stream::{Ended, Lines, Prospect};

/// Flipt as an origin.
pub static KIND: SourceKind = SourceKind { providers: &["flipt"], build };

/// What a server answers.
pub static DIALECT: Dialect = Dialect {
    name: "flipt",
    about: "what GET /internal/v1/evaluation/snapshot/namespace/{key} of Flipt answers",
    reader: |origin| Ok(Arc::new(Snapshots::new(origin.options::<SourceOptions>()?.mapping()))),
};

/// Flipt's own files, wherever files can live.
pub static FILES: Dialect = Dialect {
    name: "flipt-file",
    about: "features.yaml of Flipt, by hand or as `flipt export` writes it",
    reader: |origin| Ok(Arc::new(Features::new(origin.options::<FileOptions>()?))),
};

/// Follows a namespace of one Flipt.
struct Flipt {
    api: Api,
    poll: Poll<Asking>,
    reader: Arc<Snapshots>,
    /// When to try to stream; `None` for never.
    prospect: Option<Prospect>,
    watchdog: Duration,
}

/// Asks for the snapshot.
struct Asking(Http);

/// What a snapshot calls itself.
#[derive(Deserialize)]
struct Named {
    #[serde(default)]
    digest: String,
}

pub(crate) fn build(origin: &Origin) -> Result<Box<dyn Source>, OriginError> {
    let options = SourceOptions::of(origin)?;
    let (api, http, schedule) = Api::open(origin, &options)?;
    Ok(Box::new(Flipt {
        api,
        poll: Poll::new(Asking(http), schedule),
        reader: Arc::new(Snapshots::new(options.mapping())),
        prospect: options.streaming.then(Prospect::default),
        watchdog: Duration::from_secs(options.watchdog.max(1)),
    }))
}

#[async_trait]
impl Source for Flipt {
    async fn follow(&mut self, feed: &mut Feed<'_>) -> Result<Infallible, SourceError> {
        loop {
            self.poll.ask(feed).await?;
            let until_asked = self.poll.wait(feed.now());
            match self.prospect.as_ref().map(Prospect::wait) {
                Some(Duration::ZERO) => self.listen(feed).await?,
                Some(until_streamed) => feed.rest(until_asked.min(until_streamed)).await,
                None => feed.rest(until_asked).await,
            }
        }
    }

    fn reader(&self) -> Arc<dyn Reader> {
        Arc::clone(&self.reader) as Arc<dyn Reader>
    }
}

impl Flipt {
    /// Takes what the server streams, for as long as it does.
    async fn listen(&mut self, feed: &mut Feed<'_>) -> Result<(), SourceError> {
        let started = Instant::now();
        let ended = self.streamed(feed).await;
        if let Some(prospect) = &mut self.prospect {
            match &ended {
                Ok(Left::Refused(status)) => prospect.refused(*status),
                _ => prospect.failed(started.elapsed()),
            }
            let (namespace, pause) = (self.api.namespace(), prospect.wait());
            match &ended {
                Ok(left) => tracing::info!(namespace, ?pause, "Flipt is polled, not streamed: {left}"),
                Err(error) => tracing::info!(namespace, ?pause, "Flipt's stream ends: {error}"),
            }
        }
        ended.map(drop)
    }

    async fn streamed(&mut self, feed: &mut Feed<'_>) -> Result<Left, SourceError> {
        let url = self.api.stream();
        let answer = match self.poll.fetch().0.open(url).await {
            Ok(answer) if answer.status().is_success() => answer,
            Ok(answer) => return Ok(Left::Refused(answer.status())),
            Err(error) => return Ok(Left::Ended(Ended::Gone(error.to_string()))),
        };
        let mut lines = Lines::new(answer, feed.max_bytes());
        loop {
            let said = tokio::select! {
                said = lines.next() => Some(said),
                () = feed.rest(self.watchdog) => None,
            };
            match said {
                Some(Ok(snapshot)) => self.take(feed, snapshot).await,
                Some(Err(Ended::TooLarge)) => {
                    feed.refuse(format!("the stream sent a message larger than {} bytes", feed.max_bytes()));
                    return Ok(Left::Ended(Ended::TooLarge));
                }
                Some(Err(ended)) => return Ok(Left::Ended(ended)),
                // A connection may be dead and not know it: whoever is asked knows better.
                None if self.poll.ask(feed).await? != Asked::Unchanged => return Ok(Left::Missed),
                None => {}
            }
        }
    }

    async fn take(&mut self, feed: &mut Feed<'_>, bytes: Vec<u8>) {
        let revision = digest(&bytes);
        if revision.is_some() && revision.as_deref() == self.poll.seen().map(unquoted) {
            feed.unchanged();
            return;
        }
        if bytes.len() > feed.max_bytes() {
            feed.refuse(format!("the document is larger than {} bytes", feed.max_bytes()));
            return;
        }
        self.poll.deliver(feed, Fetched { bytes, format: Format::Json, revision }).await;
    }
}

/// Why it is not listened any longer.
enum Left {
    /// The server does not stream to us.
    Refused(reqwest::StatusCode),
    /// The stream ended.
    Ended(Ended),
    /// The server had something that the stream had not said.
    Missed,
}

impl fmt::Display for Left {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(status) => write!(f, "the server answered {status}"),
            Self::Ended(ended) => write!(f, "{ended}"),
            Self::Missed => f.write_str("the stream did not say what had changed"),
        }
    }
}

impl Fetch for Asking {
    async fn fetch(&mut self, seen: Option<&str>, most: usize) -> Result<Option<Fetched>, SourceError> {
        let Some(fetched) = self.0.fetch(seen, most).await? else { return Ok(None) };
        // A server may have another tag for what it streamed.
        let known = seen.map(unquoted).is_some_and(|seen| digest(&fetched.bytes).as_deref() == Some(seen));
        Ok((!known).then_some(fetched))
    }
}

/// What a snapshot calls itself, if anything.
fn digest(bytes: &[u8]) -> Option<String> {
    serde_json::from_slice::<Named>(bytes).ok().map(|named| named.digest).filter(|digest| !digest.is_empty())
}

/// A tag as the digest that it may be.
fn unquoted(tag: &str) -> &str {
    tag.strip_prefix("W/").unwrap_or(tag).trim_matches('"')
}
