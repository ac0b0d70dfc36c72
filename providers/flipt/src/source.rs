//! The vendor as an origin: a namespace's snapshot, streamed where the server can and else polled; and its files.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use serde::Deserialize;
use store::{
    Delivery, Dialect, Feed, Fetch, Format, Http, Origin, OriginError, Reader, Source, SourceError,
    SourceKind, Verdict,
};

use crate::mapping::{Mapping, Values};
use crate::reader::{Features, NamespaceSnapshot};

/// A Flipt server as an origin.
pub static KIND: SourceKind = SourceKind { providers: &["flipt"], build };
/// Flipt's files as an origin.
pub static FILE_KIND: SourceKind = SourceKind { providers: &["flipt-file"], build: build_file };

/// What servers answer.
pub static DIALECT: Dialect = Dialect {
    name: "flipt",
    about: "what GET /internal/v1/evaluation/snapshot/namespace/{key} of Flipt answers",
    reader: |origin| Ok(Arc::new(NamespaceSnapshot(origin.options::<SourceOptions>()?.mapping()))),
};
/// What is kept in files.
pub static FILE_DIALECT: Dialect = Dialect {
    name: "flipt-file",
    about: "features.yaml of Flipt, versions 1.0 to 1.6",
    reader: |origin| Ok(Arc::new(features(&origin.options()?))),
};

/// Servers of version 1 leave out what a client does not say it understands.
const UNDERSTOOD: HeaderName = HeaderName::from_static("x-flipt-accept-server-version");
const UNDERSTOOD_VERSION: HeaderValue = HeaderValue::from_static("1.47.0");
/// Which environment is meant.
const ENVIRONMENT: HeaderName = HeaderName::from_static("x-flipt-environment");

/// How long a stream may be silent before the server is asked whether that is right.
const SILENCE: Duration = Duration::from_secs(30);
/// After so many failures of the stream in a row the server is polled for a while.
const FAILURES: u32 = 3;
/// How many polls make that while.
const POLLS: u32 = 60;

/// What a sources entry can say of a Flipt, beyond what it can of every server.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SourceOptions {
    /// Which namespace; of files all, if it is not said.
    pub namespace: Option<String>,
    /// Which environment; the server's default, if it is not said.
    pub environment: Option<String>,
    /// What a variant's value is: `key` or `attachment`.
    pub values: Values,
    /// The flag set of all flags, in place of their namespace.
    pub flag_set_id: Option<String>,
    /// Whether to hold a stream open where the server has one.
    pub stream: bool,
}

impl Default for SourceOptions {
    fn default() -> Self {
        Self { namespace: None, environment: None, values: Values::Key, flag_set_id: None, stream: true }
    }
}

impl SourceOptions {
    fn mapping(&self) -> Mapping {
        Mapping {
            values: self.values,
            flag_set: self.flag_set_id.clone(),
            environment: self.environment.clone(),
        }
    }
}

fn features(options: &SourceOptions) -> Features {
    Features { mapping: options.mapping(), namespace: options.namespace.clone() }
}

/// Follows one namespace.
struct Flipt {
    http: Http,
    schedule: store::Schedule,
    stream: Option<Stream>,
    reader: Arc<NamespaceSnapshot>,
    seen: Option<String>,
}

/// The stream of a server of version 2.
struct Stream {
    url: String,
    failures: u32,
}

pub(crate) fn build(origin: &Origin) -> Result<Box<dyn Source>, OriginError> {
    let options: SourceOptions = origin.options()?;
    let wrong = |what: &str| OriginError(format!("source {origin}: {what}"));
    let base = origin.name().trim_end_matches('/');
    let namespace = segment(options.namespace.as_deref().unwrap_or("default"), "namespace")
        .map_err(|what| wrong(&what))?;
    let mut headers = HeaderMap::from_iter([(UNDERSTOOD, UNDERSTOOD_VERSION)]);
    if let Some(environment) = &options.environment {
        let value =
            HeaderValue::from_str(environment).map_err(|_| wrong("environment is no header value"))?;
        headers.insert(ENVIRONMENT, value);
    }
    let url = format!("{base}/internal/v1/evaluation/snapshot/namespace/{namespace}");
    let (http, schedule) = Http::of_vendor(origin, &url, headers)?;
    let environment = segment(options.environment.as_deref().unwrap_or("default"), "environment")
        .map_err(|what| wrong(&what))?;
    let stream = options.stream.then(|| Stream {
        url: format!("{base}/client/v2/environments/{environment}/namespaces/{namespace}/stream"),
        failures: 0,
    });
    let reader = Arc::new(NamespaceSnapshot(options.mapping()));
    Ok(Box::new(Flipt { http, schedule, stream, reader, seen: None }))
}

/// A name that can stand in a path as it is, as Flipt's keys can.
fn segment<'n>(name: &'n str, what: &str) -> Result<&'n str, String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | ',' | '.');
    let sound = !name.is_empty() && name.chars().all(plain) && name.chars().any(|c| c != '.');
    if sound { Ok(name) } else { Err(format!("{what} {name:?} is no key of Flipt's")) }
}

#[async_trait]
impl Source for Flipt {
    async fn follow(&mut self, feed: &mut Feed<'_>) -> Result<Infallible, SourceError> {
        let mut polls = 0;
        loop {
            self.ask(feed).await?;
            let streams = self.stream.as_ref().is_some_and(|stream| stream.failures < FAILURES);
            if !streams {
                tokio::time::sleep(self.schedule.wait(feed.now())).await;
                polls += 1;
                if polls % POLLS == 0
                    && let Some(stream) = &mut self.stream
                {
                    stream.failures = 0;
                }
                continue;
            }
            match self.listen(feed).await {
                Ok(()) => {}
                Err(NoStream::Never) => self.stream = None,
                Err(NoStream::Failed(what)) => {
                    tracing::debug!(what, "Flipt's stream ended");
                    if let Some(stream) = &mut self.stream {
                        stream.failures += 1;
                    }
                    tokio::time::sleep(self.schedule.wait(feed.now())).await;
                }
            }
        }
    }

    fn reader(&self) -> Arc<dyn Reader> {
        Arc::clone(&self.reader) as Arc<dyn Reader>
    }
}

/// Why there is no stream.
enum NoStream {
    /// The server has none.
    Never,
    Failed(String),
}

impl Flipt {
    /// Asks for the snapshot once.
    async fn ask(&mut self, feed: &mut Feed<'_>) -> Result<(), SourceError> {
        match self.http.fetch(self.seen.as_deref(), feed.max_bytes()).await? {
            None => feed.unchanged(),
            Some(fetched) if fetched.bytes.len() > feed.max_bytes() => {
                feed.refuse(format!("the document is larger than {} bytes", feed.max_bytes()));
            }
            Some(fetched) => {
                let revision = fetched.revision.clone();
                let delivery = Delivery {
                    bytes: fetched.bytes,
                    format: Format::Json,
                    revision: fetched.revision,
                    provisional: false,
                };
                self.seen = match feed.deliver(delivery).await {
                    Verdict::Accepted => revision,
                    Verdict::Refused => None,
                };
            }
        }
        Ok(())
    }

    /// Delivers what the stream brings, until it has been silent for a while or cannot be read.
    async fn listen(&mut self, feed: &mut Feed<'_>) -> Result<(), NoStream> {
        let Some(stream) = &self.stream else { return Err(NoStream::Never) };
        let failed = |error: reqwest::Error| NoStream::Failed(error.without_url().to_string());
        let request = self.http.client().get(&stream.url).headers(self.http.headers().clone());
        let sent = tokio::time::timeout(self.http.timeout(), request.send()).await;
        let mut answer = sent.map_err(|_| NoStream::Failed("no answer".to_owned()))?.map_err(failed)?;
        match answer.status() {
            StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED | StatusCode::NOT_IMPLEMENTED => {
                return Err(NoStream::Never);
            }
            status if !status.is_success() => {
                return Err(NoStream::Failed(format!("the server answered {status}")));
            }
            _ => {}
        }
        let mut lines = Lines::default();
        loop {
            match tokio::time::timeout(SILENCE, answer.chunk()).await {
                Ok(Ok(Some(piece))) => lines.push(&piece, feed.max_bytes()).map_err(NoStream::Failed)?,
                Ok(Ok(None)) => return Err(NoStream::Failed("the server closed the stream".to_owned())),
                Ok(Err(error)) => return Err(failed(error)),
                // A dead connection is as silent as a quiet one.
                Err(_) => match self.ask(feed).await {
                    Ok(()) => continue,
                    Err(error) => return Err(NoStream::Failed(error.to_string())),
                },
            }
            while let Some(line) = lines.next() {
                let bytes = result(&line).map_err(NoStream::Failed)?;
                let delivery = Delivery { bytes, format: Format::Json, revision: None, provisional: false };
                if feed.deliver(delivery).await == Verdict::Accepted
                    && let Some(stream) = &mut self.stream
                {
                    stream.failures = 0;
                }
            }
        }
    }
}

/// Lines of a stream, as they get whole.
#[derive(Default)]
struct Lines {
    bytes: Vec<u8>,
}

impl Lines {
    fn push(&mut self, piece: &[u8], most: usize) -> Result<(), String> {
        self.bytes.extend_from_slice(piece);
        // What is around the snapshot is short.
        if self.bytes.len() > most.saturating_add(64 << 10) {
            return Err(format!("a message of the stream is larger than {most} bytes"));
        }
        Ok(())
    }

    fn next(&mut self) -> Option<Vec<u8>> {
        let end = self.bytes.iter().position(|byte| *byte == b'\n')?;
        let rest = self.bytes.split_off(end + 1);
        Some(std::mem::replace(&mut self.bytes, rest))
    }
}

/// The snapshot in a message `{"result": ...}`.
fn result(line: &[u8]) -> Result<Vec<u8>, String> {
    #[derive(Deserialize)]
    struct Message<'m> {
        #[serde(borrow)]
        result: Option<&'m serde_json::value::RawValue>,
    }
    let message: Message<'_> =
        serde_json::from_slice(line).map_err(|error| format!("not a message: {error}"))?;
    let result = message.result.ok_or_else(|| "a message without a result".to_owned())?;
    Ok(result.get().as_bytes().to_vec())
}

/// Follows a file by whatever source can reach it, and reads it as Flipt's.
struct FeaturesFile {
    inner: Box<dyn Source>,
    reader: Arc<Features>,
}

fn build_file(origin: &Origin) -> Result<Box<dyn Source>, OriginError> {
    let options: SourceOptions = origin.options()?;
    let name = origin.name();
    let provider = match name.split_once("://") {
        Some(("http" | "https", _)) => "http",
        Some((scheme, _)) if scheme == "git" || scheme.starts_with("git+") => "git",
        Some((scheme @ ("s3" | "gs" | "azblob"), _)) => {
            if scheme == "gs" {
                "gcs"
            } else {
                scheme
            }
        }
        _ => "file",
    };
    let kind = store::find(store::BUILT_IN, provider);
    let kind =
        kind.ok_or_else(|| OriginError(format!("source {origin}: this build cannot read from {provider}")))?;
    let inner = (kind.build)(&Origin::new(provider, name, origin.options()?))?;
    Ok(Box::new(FeaturesFile { inner, reader: Arc::new(features(&options)) }))
}

#[async_trait]
impl Source for FeaturesFile {
    async fn follow(&mut self, feed: &mut Feed<'_>) -> Result<Infallible, SourceError> {
        self.inner.follow(feed).await
    }

    fn reader(&self) -> Arc<dyn Reader> {
        Arc::clone(&self.reader) as Arc<dyn Reader>
    }
}
