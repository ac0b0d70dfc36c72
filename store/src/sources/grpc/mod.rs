//! A stream of documents from a flagd sync service: flagd, flagd-proxy, another hoistd, or whoever speaks
//! `flagd.sync.v1` (contract 9.3).

pub(crate) mod connect;
mod increments;
pub(crate) mod target;

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::path::PathBuf;

use async_trait::async_trait;
use proto::flagd::sync::v1::SyncFlagsRequest;
use proto::flagd::sync::v1::flag_sync_service_client::FlagSyncServiceClient;
use serde::Deserialize;
use tonic::metadata::{Ascii, MetadataKey, MetadataMap, MetadataValue};
use tonic::{Code, Request, Status};

use crate::document::Format;
use crate::origin::{Origin, OriginError, redacted};
use crate::source::{Delivery, Feed, Retry, Source, SourceError, SourceKind};
use connect::Dial;
use increments::Increments;
use target::Target;

/// The gRPC sync source.
pub(crate) static KIND: SourceKind = SourceKind { providers: &["grpc"], build };

/// What the source understands, under flagd's names (contract 1.5).
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Options {
    tls: bool,
    cert_path: Option<PathBuf>,
    #[serde(rename = "providerID")]
    provider_id: String,
    selector: String,
    headers: BTreeMap<String, String>,
    max_msg_size: usize,
    incremental_updates: bool,
}

/// A sync service with all it takes to follow it.
struct Grpc {
    shown: String,
    dial: Dial,
    provider_id: String,
    selector: String,
    metadata: MetadataMap,
    /// The largest message in bytes, if it is not the largest document.
    largest: Option<usize>,
    increments: Option<Increments>,
}

fn build(origin: &Origin) -> Result<Box<dyn Source>, OriginError> {
    let options: Options = origin.options()?;
    let wrong = |what: String| OriginError(format!("source {origin}: {what}"));
    let target = Target::parse(origin.name()).map_err(wrong)?;
    let mut dial = Dial::new(target);
    if options.tls {
        dial = dial.tls(options.cert_path.as_deref()).map_err(wrong)?;
    }
    Ok(Box::new(Grpc {
        shown: redacted(origin.name()).into_owned(),
        dial,
        metadata: metadata(&options).map_err(wrong)?,
        provider_id: options.provider_id,
        selector: options.selector,
        largest: Some(options.max_msg_size).filter(|bytes| *bytes > 0),
        increments: options.incremental_updates.then(Increments::default),
    }))
}

fn metadata(options: &Options) -> Result<MetadataMap, String> {
    let mut metadata = MetadataMap::new();
    for (name, text) in &options.headers {
        let key: MetadataKey<Ascii> =
            name.to_ascii_lowercase().parse().map_err(|_| format!("{name:?} is no metadata key"))?;
        let mut value: MetadataValue<Ascii> =
            text.parse().map_err(|_| format!("the value of metadata {name} is no header value"))?;
        value.set_sensitive(true);
        metadata.insert(key, value);
    }
    Ok(metadata)
}

#[async_trait]
impl Source for Grpc {
    async fn follow(&mut self, feed: &mut Feed<'_>) -> Result<Infallible, SourceError> {
        // Room for the message round the document.
        let largest = self.largest.unwrap_or(feed.max_bytes() + 1024);
        let channel = self.dial.channel().map_err(|what| self.error(what, Retry::Never))?;
        let mut client = FlagSyncServiceClient::new(channel).max_decoding_message_size(largest);
        let mut stream =
            client.sync_flags(self.request()).await.map_err(|status| self.failed(&status))?.into_inner();
        loop {
            let message = stream.message().await.map_err(|status| self.failed(&status))?;
            let Some(message) = message else {
                return Err(self.error("the server ended the stream".to_owned(), Retry::Backoff));
            };
            let bytes = match &mut self.increments {
                None => message.flag_configuration.to_vec(),
                Some(increments) => match increments.apply(&message.flag_configuration) {
                    Ok(bytes) => bytes,
                    Err(why) => {
                        feed.refuse(why);
                        continue;
                    }
                },
            };
            feed.deliver(Delivery {
                bytes,
                format: Format::Json,
                revision: None,
                authorship: None,
                provisional: false,
            })
            .await;
        }
    }
}

impl Grpc {
    #[allow(deprecated, reason = "servers read the selector from here, as flagd's own client sends it")]
    fn request(&self) -> Request<SyncFlagsRequest> {
        let (provider_id, selector) = (self.provider_id.clone(), self.selector.clone());
        let mut request = Request::new(SyncFlagsRequest { provider_id, selector });
        *request.metadata_mut() = self.metadata.clone();
        request
    }

    fn error(&self, what: String, retry: Retry) -> SourceError {
        SourceError { what, place: self.shown.clone(), retry }
    }

    fn failed(&self, status: &Status) -> SourceError {
        let hint = match status.code() {
            Code::Unimplemented => "; the server does not offer flagd.sync.v1, check host and port",
            Code::Unauthenticated | Code::PermissionDenied => "; check headers of this source",
            Code::InvalidArgument => "; check selector of this source",
            Code::OutOfRange | Code::ResourceExhausted => "; a larger maxMsgSize may help",
            _ => "",
        };
        self.error(format!("{:?}: {}{hint}", status.code(), said(status)), Retry::Backoff)
    }
}

/// The status's message, and what lies behind it: a bare "transport error" helps nobody.
fn said(status: &Status) -> String {
    let mut text = status.message().to_owned();
    let mut cause = std::error::Error::source(status);
    while let Some(inner) = cause {
        let more = inner.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = inner.source();
    }
    text
}
