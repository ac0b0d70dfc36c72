//! One origin's documents as they come, for whoever passes them on or looks at them once: nothing is compiled or merged.

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;
use engine::Malformed;
use tokio::sync::watch;
use tokio::task::AbortHandle;

use crate::document::{Documents, Format, parts, text_of};
use crate::intake::Shared;
use crate::reader::Reader;
use crate::source::{Authorship, Delivery, Feed, Retry, Source, SourceError, Verdict};
use crate::store::Settings;
use crate::supervise::{backoff, contained};

/// Follows an origin for as long as it lives.
#[derive(Debug)]
pub struct Relay {
    news: watch::Receiver<Relayed>,
    task: AbortHandle,
}

/// What an origin has said so far; nothing at all before its first word.
#[derive(Clone, Debug, Default)]
pub struct Relayed {
    /// The last document that could be read. It stays when a later one cannot.
    pub document: Option<RawDocument>,
    /// Why there is no document, or none later than that.
    pub error: Option<String>,
    /// Whether the source gave up for good.
    pub stopped: bool,
}

/// A document as it came. Cheap to clone.
#[derive(Clone, Debug)]
pub struct RawDocument {
    /// The bytes.
    pub bytes: Bytes,
    /// What they are.
    pub format: Format,
    /// The same in JSON, as its reader has it: the bytes themselves, without a byte order mark, if they are JSON; nothing for
    /// a [`Format::Bundle`] whose files are read one by one.
    pub json: Bytes,
    /// What the origin calls this version.
    pub revision: Option<String>,
    /// Who made it.
    pub authorship: Option<Authorship>,
}

/// Where a relayed source delivers to.
#[derive(Debug)]
pub(crate) struct Intake {
    latest: watch::Sender<Relayed>,
    reader: Arc<dyn Reader>,
}

impl Relay {
    /// Follows an origin with `source`. Of `settings` the clock and the limit in bytes count. Must be called in a Tokio
    /// runtime.
    pub fn open(settings: Settings, source: Box<dyn Source>) -> Self {
        let latest = watch::Sender::new(Relayed::default());
        let news = latest.subscribe();
        let shared = Arc::new(Shared::new(settings, Vec::new()));
        let task = tokio::spawn(follow(shared, Arc::new(Intake { latest, reader: source.reader() }), source))
            .abort_handle();
        Self { news, task }
    }

    /// What the origin has said so far, and whatever it says later.
    pub fn subscribe(&self) -> watch::Receiver<Relayed> {
        self.news.clone()
    }

    /// Waits for the origin's first word, a document or why there is none.
    pub async fn first(&self) -> Relayed {
        let mut news = self.subscribe();
        let spoke = |said: &Relayed| said.document.is_some() || said.error.is_some();
        // The sender goes only after it has said why.
        news.wait_for(spoke).await.map(|said| said.clone()).unwrap_or_default()
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn follow(shared: Arc<Shared>, intake: Arc<Intake>, mut source: Box<dyn Source>) {
    let mut failures = 0;
    loop {
        let mut feed = Feed::relayed(&shared, &intake);
        let Err(error) = contained(&mut *source, &mut feed).await;
        failures = if feed.delivered { 0 } else { failures + 1 };
        intake.unreachable(&error);
        match error.retry {
            Retry::Never => return,
            Retry::After(wait) => tokio::time::sleep(wait).await,
            Retry::Backoff => tokio::time::sleep(backoff(failures)).await,
        }
    }
}

impl Intake {
    /// Takes a document if it is one that its source's reader can read at all. Bytes equal to the last ones are silence.
    pub(crate) async fn receive(self: &Arc<Self>, delivery: Delivery, most: usize) -> Verdict {
        let Delivery { bytes, format, revision, authorship, provisional } = delivery;
        let bytes = Bytes::from(bytes);
        if self.latest.borrow().document.as_ref().is_some_and(|document| document.bytes == bytes) {
            self.unchanged();
            return Verdict::Accepted;
        }
        let reader = Arc::clone(&self.reader);
        let read = move || RawDocument::read(bytes, format, most, &*reader);
        let read = tokio::task::spawn_blocking(read).await;
        match read.unwrap_or_else(|error| Err(format!("internal error: {error}"))) {
            Ok(document) => {
                let document = RawDocument { revision, authorship, ..document };
                self.latest.send_replace(Relayed { document: Some(document), error: None, stopped: false });
                Verdict::Accepted
            }
            Err(_) if provisional => Verdict::Refused,
            Err(why) => {
                self.refuse(why);
                Verdict::Refused
            }
        }
    }

    pub(crate) fn refuse(&self, why: String) {
        self.trouble(why, false);
    }

    /// Notes that the origin is well and has what it had.
    pub(crate) fn unchanged(&self) {
        self.latest.send_if_modified(|said| said.document.is_some() && said.error.take().is_some());
    }

    fn unreachable(&self, error: &SourceError) {
        self.trouble(error.to_string(), error.retry == Retry::Never);
    }

    fn trouble(&self, why: String, stopped: bool) {
        self.latest.send_if_modified(|said| {
            let known = said.error.as_ref() == Some(&why) && said.stopped == stopped;
            (said.error, said.stopped) = (Some(why), stopped);
            !known
        });
    }
}

impl RawDocument {
    fn read(bytes: Bytes, format: Format, most: usize, reader: &dyn Reader) -> Result<Self, String> {
        let json = match format {
            Format::Bundle if reader.documents() == Documents::First => {
                for part in parts(&bytes, format).map_err(|error| error.to_string())? {
                    let named = |error| format!("{}: {error}", part.name.as_deref().unwrap_or_default());
                    checked(part.bytes, part.format, most, reader).map_err(named)?;
                }
                Bytes::new()
            }
            Format::Json | Format::Yaml | Format::Bundle => match checked(&bytes, format, most, reader)? {
                Cow::Borrowed(text) => bytes.slice_ref(text.as_bytes()),
                Cow::Owned(text) => Bytes::from(text),
            },
        };
        Ok(Self { bytes, format, json, revision: None, authorship: None })
    }
}

/// The JSON text of a file that is such a document.
fn checked<'b>(
    bytes: &'b [u8],
    format: Format,
    most: usize,
    reader: &dyn Reader,
) -> Result<Cow<'b, str>, String> {
    let text = text_of(bytes, format, reader.documents(), most).map_err(|error| error.to_string())?;
    let check = reader.check(&text).map_err(|error| match text {
        Cow::Borrowed(_) => error.to_string(),
        // Its place is in text that nobody has seen.
        Cow::Owned(_) => Malformed { place: None, ..error }.to_string(),
    });
    check.map(|()| text)
}
