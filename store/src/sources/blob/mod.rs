//! An object in S3, Google Cloud Storage or Azure Blob Storage, asked for again and again (contract 9.5).
//!
//! flagd asks for the object's attributes and then for the object; one conditional request does for both. URIs, their
//! parameters and the variables of each cloud mean what they mean to gocloud.dev, which flagd reads buckets with.
//! Credentials are read when a connection is opened, and opened anew once they are refused: rotation needs no restart.
//!
//! What is not here: environment variables are handed in as the option `environment`.

mod azure;
mod connect;
mod gcs;
mod location;
mod s3;

use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use object_store::path::Path;
use object_store::{GetOptions, ObjectStore, RetryConfig};
use reqwest::StatusCode;
use serde::Deserialize;

use crate::document::Format;
use crate::origin::{Origin, OriginError, redacted};
use crate::schedule::Schedule;
use crate::source::{Fetch, Fetched, Poll, Retry, Source, SourceError, SourceKind};
use crate::sources::http::{LONGEST_REST, client};
use crate::sources::variables::Variables;
use azure::Azure;
use connect::Connector;
use gcs::Gcs;
use s3::S3;

/// How often an object is asked for when nothing else is said (flagd's default).
const INTERVAL: Duration = Duration::from_secs(5);
/// How long asking may take, credentials included, when nothing else is said.
const TIMEOUT: Duration = Duration::from_secs(30);

/// The object sources.
pub(crate) static KIND: SourceKind = SourceKind { providers: &["gcs", "azblob", "s3"], build };

/// What the source understands, under flagd's names (contract 1.5).
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Options {
    interval: Option<u64>,
    interval_seed: Option<String>,
    #[serde(rename = "timeoutS")]
    timeout: Option<u64>,
    cert_path: Option<PathBuf>,
    environment: Variables,
}

/// Whose object it is.
#[derive(Debug)]
enum Cloud {
    S3(S3),
    Gcs(Gcs),
    Azure(Azure),
}

/// An object with all it takes to ask for it.
struct Blob {
    cloud: Arc<Cloud>,
    bucket: String,
    object: Path,
    format: Format,
    shown: String,
    timeout: Duration,
    connector: Connector,
    /// The connection with the credentials found when it was opened.
    store: Option<Box<dyn ObjectStore>>,
}

fn build(origin: &Origin) -> Result<Box<dyn Source>, OriginError> {
    let options: Options = origin.options()?;
    let wrong = |what: String| OriginError(format!("source {origin}: {what}"));
    let (location, mut parameters) = location::parse(origin.name()).map_err(wrong)?;
    let variables = options.environment;
    let (cloud, known) = match origin.provider() {
        "gcs" => (Cloud::Gcs(Gcs::read(&mut parameters, &variables).map_err(wrong)?), gcs::KNOWN),
        "azblob" => (Cloud::Azure(Azure::read(&mut parameters, variables).map_err(wrong)?), azure::KNOWN),
        _ => (Cloud::S3(S3::read(&mut parameters, variables).map_err(wrong)?), s3::KNOWN),
    };
    parameters.finish(known).map_err(wrong)?;
    // Objects come as they are stored: a body unpacked on the way has lost its length, and is of no fixed size.
    let client = client::builder(options.cert_path.as_deref(), true).map_err(wrong)?.no_gzip().build();
    let connector = Connector::new(client.map_err(client::said).map_err(wrong)?);
    let seconds = |seconds: Option<u64>| seconds.filter(|seconds| *seconds > 0).map(Duration::from_secs);
    let interval = seconds(options.interval).unwrap_or(INTERVAL);
    let blob = Blob {
        cloud: Arc::new(cloud),
        format: Format::of_path(location.object.as_ref()).map_err(wrong)?,
        bucket: location.bucket,
        object: location.object,
        shown: redacted(origin.name()).into_owned(),
        timeout: seconds(options.timeout).unwrap_or(TIMEOUT),
        connector,
        store: None,
    };
    Ok(Box::new(Poll::new(blob, Schedule::of(interval, options.interval_seed.as_deref()))))
}

impl Cloud {
    fn open(&self, bucket: &str, connector: Connector) -> Result<Box<dyn ObjectStore>, String> {
        // Trying again is the supervisor's, which says in the meantime how things are.
        let retry = RetryConfig { max_retries: 0, ..RetryConfig::default() };
        match self {
            Self::S3(s3) => s3.open(bucket, connector, retry),
            Self::Gcs(gcs) => gcs.open(bucket, connector, retry),
            Self::Azure(azure) => azure.open(bucket, connector, retry),
        }
    }

    /// What to look at when the store refuses whoever asks.
    fn credentials(&self) -> &'static str {
        match self {
            Self::S3(_) => {
                "check AWS_ACCESS_KEY_ID, the profile or the role, the region, and s3:GetObject on the object"
            }
            Self::Gcs(_) => {
                "check GOOGLE_APPLICATION_CREDENTIALS or the machine's account, and storage.objects.get on the object"
            }
            Self::Azure(_) => {
                "check AZURE_STORAGE_KEY, AZURE_STORAGE_SAS_TOKEN or the identity, and its role on the container"
            }
        }
    }
}

impl Fetch for Blob {
    async fn fetch(&mut self, seen: Option<&str>, most: usize) -> Result<Option<Fetched>, SourceError> {
        let asked = tokio::time::timeout(self.timeout, self.ask(seen, most)).await;
        let answer =
            asked.unwrap_or_else(|_| Err(self.failed(format!("no answer within {:?}", self.timeout))));
        if answer.is_err() {
            // Credentials may have been renewed since the connection was opened.
            self.store = None;
        }
        answer
    }
}

impl Blob {
    async fn ask(&mut self, seen: Option<&str>, most: usize) -> Result<Option<Fetched>, SourceError> {
        let store = match self.store.take() {
            Some(store) => store,
            None => self.open().await?,
        };
        let options = GetOptions { if_none_match: seen.map(str::to_owned), ..GetOptions::default() };
        let got = match store.get_opts(&self.object, options).await {
            Ok(got) => got,
            Err(object_store::Error::NotModified { .. }) => {
                self.store = Some(store);
                return Ok(None);
            }
            Err(error) => return Err(self.refused(&error)),
        };
        let revision = got.meta.e_tag.clone();
        let mut pieces = got.into_stream();
        let mut bytes = Vec::new();
        while let Some(piece) = pieces.next().await {
            bytes.extend_from_slice(&piece.map_err(|error| self.failed(said(&error)))?);
            if bytes.len() > most {
                break;
            }
        }
        self.store = Some(store);
        Ok(Some(Fetched { bytes, format: self.format, revision }))
    }

    /// Opens a connection; files with credentials may lie on a disk that hangs.
    async fn open(&self) -> Result<Box<dyn ObjectStore>, SourceError> {
        let (cloud, bucket, connector) =
            (Arc::clone(&self.cloud), self.bucket.clone(), self.connector.clone());
        let opened = tokio::task::spawn_blocking(move || cloud.open(&bucket, connector)).await;
        opened.unwrap_or_else(|error| Err(error.to_string())).map_err(|what| self.failed(what))
    }

    fn failed(&self, what: String) -> SourceError {
        SourceError { what, place: self.shown.clone(), retry: Retry::Backoff }
    }

    fn refused(&self, error: &object_store::Error) -> SourceError {
        let last = self.connector.last();
        let retry = last.rest.map_or(Retry::Backoff, |rest| Retry::After(rest.min(LONGEST_REST)));
        let Some(status) = last.status.filter(|status| !status.is_success()) else {
            let asked = if last.host.is_empty() { String::new() } else { format!("{}: ", last.host) };
            return SourceError { retry, ..self.failed(asked + &said(error)) };
        };
        let code = code(error).map(|code| format!(" ({code})")).unwrap_or_default();
        let hint = match status {
            StatusCode::NOT_FOUND => "check the bucket and the name of the object",
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => self.cloud.credentials(),
            status if status.is_redirection() => "check region and endpoint",
            _ => "",
        };
        let hint = if hint.is_empty() { String::new() } else { format!("; {hint}") };
        SourceError { retry, ..self.failed(format!("{} answered {status}{code}{hint}", last.host)) }
    }
}

/// The store's own word for what is wrong, as the XML of all three has it.
fn code(error: &object_store::Error) -> Option<String> {
    let text = error.to_string();
    let code = text.split_once("<Code>")?.1.split_once("</Code>")?.0;
    (code.len() < 100 && code.bytes().all(|byte| byte.is_ascii_alphanumeric())).then(|| code.to_owned())
}

/// What an error says, from the inside: the outer layers repeat the inner ones, and bring addresses along.
fn said(error: &object_store::Error) -> String {
    let mut texts = Vec::new();
    let mut cause: Option<&dyn Error> = Some(error);
    while let Some(inner) = cause {
        texts.push(inner.to_string());
        cause = inner.source();
    }
    let mut said: Vec<&str> = Vec::new();
    for (at, text) in texts.iter().enumerate() {
        if !texts[at + 1..].iter().any(|inner| text.contains(inner.as_str()))
            && !said.contains(&text.as_str())
        {
            said.push(text);
        }
    }
    said.join(": ")
}
