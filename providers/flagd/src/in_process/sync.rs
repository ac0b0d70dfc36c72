//! The server's flags as a source of the store: `flagd.sync.v1`, a stream of whole documents (contract 5).

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use proto::flagd::sync::v1::flag_sync_service_client::FlagSyncServiceClient;
use proto::flagd::sync::v1::{GetMetadataRequest, SyncFlagsRequest, SyncFlagsResponse};
use proto::{Kind, Struct};
use serde_json::{Map, Value};
use store::{Delivery, Feed, Format, Retry, Source, SourceError, Verdict};
use tokio::time::{Instant, timeout};
use tonic::transport::Channel;
use tonic::{Code, Streaming};

use super::Home;
use super::flags::Views;
use crate::backoff::Backoff;
use crate::link::Link;
use crate::options::{ContextEnricher, Options};
use crate::server::{End, Server, due};

/// How long a server may take until its first message: flagd holds calls for up to 5 s while its own sources load.
const OPENING: Duration = Duration::from_secs(10);
/// A stream that does not live longer than this is of no use.
const SOON: Duration = Duration::from_millis(100);
/// Room for the message round a document.
const FRAME: usize = 64 << 10;

/// Follows the server's flags.
pub(super) struct Sync {
    server: Server,
    link: Arc<Link>,
    views: Arc<Views>,
    home: Home,
    backoff: Backoff,
    deadline: Duration,
    patience: Duration,
    provider_id: String,
    selector: String,
    enricher: Option<ContextEnricher>,
    /// Whether the stream of now was of use.
    heard: bool,
}

impl Sync {
    pub(super) fn new(
        server: Server,
        (link, views, home): (Arc<Link>, Arc<Views>, Home),
        options: &Options,
    ) -> Self {
        Self {
            server,
            link,
            views,
            home,
            backoff: Backoff::new(options.retry_backoff, options.retry_backoff_max),
            deadline: options.stream_deadline,
            patience: options.deadline,
            provider_id: options.provider_id.clone().unwrap_or_default(),
            selector: options.selector.clone().unwrap_or_default(),
            enricher: options.context_enricher.clone(),
            heard: false,
        }
    }

    #[allow(deprecated, reason = "flagd-proxy reads the selector from the message, flagd from the header")]
    fn request(&self) -> tonic::Request<SyncFlagsRequest> {
        let (provider_id, selector) = (self.provider_id.clone(), self.selector.clone());
        self.server.request(SyncFlagsRequest { provider_id, selector })
    }

    async fn stream(&mut self, feed: &mut Feed<'_>) -> End {
        let largest = feed.max_bytes() + FRAME;
        let mut client =
            FlagSyncServiceClient::new(self.server.channel.clone()).max_decoding_message_size(largest);
        let opening = async {
            let mut stream = client.sync_flags(self.request()).await?.into_inner();
            let first = stream.message().await?;
            Ok::<_, tonic::Status>((stream, first))
        };
        let (stream, first) = match timeout(OPENING, opening).await {
            Ok(Ok((stream, Some(first)))) => (stream, first),
            Ok(Ok((_, None))) => return End::closed(&self.server),
            Ok(Err(status)) => return End::of(&self.server, &status),
            Err(_) => return End::silent(&self.server, OPENING),
        };
        let deadline = self.deadline;
        tokio::select! {
            end = self.listen(client, stream, first, feed) => end,
            () = due(deadline) => End::Due,
        }
    }

    /// Delivers one document after the other. Those that come while one is taken in make way for the latest.
    async fn listen(
        &mut self,
        client: FlagSyncServiceClient<Channel>,
        mut stream: Streaming<SyncFlagsResponse>,
        first: SyncFlagsResponse,
        feed: &mut Feed<'_>,
    ) -> End {
        let (mut pending, mut end) = (Some(first), None);
        loop {
            let message = match (pending.take(), end) {
                (Some(message), _) => message,
                (None, Some(end)) => return end,
                (None, None) => match self.next(&mut stream).await {
                    Ok(message) => message,
                    Err(end) => return end,
                },
            };
            end = None;
            let over = self.context(&client, message.sync_context).await;
            let bytes = message.flag_configuration.to_vec();
            let delivery = Delivery {
                bytes,
                format: Format::Json,
                revision: None,
                authorship: None,
                provisional: false,
            };
            let taken = {
                let mut delivering = std::pin::pin!(feed.deliver(delivery));
                loop {
                    tokio::select! {
                        biased;
                        verdict = &mut delivering => break verdict,
                        next = self.next(&mut stream), if end.is_none() => match next {
                            Ok(message) => pending = Some(message),
                            Err(over) => end = Some(over),
                        },
                    }
                }
            };
            self.taken(taken, over);
        }
    }

    async fn next(&self, stream: &mut Streaming<SyncFlagsResponse>) -> Result<SyncFlagsResponse, End> {
        match stream.message().await {
            Ok(Some(message)) => Ok(message),
            Ok(None) => Err(End::closed(&self.server)),
            Err(status) => Err(End::of(&self.server, &status)),
        }
    }

    fn taken(&mut self, verdict: Verdict, over: Map<String, Value>) {
        match verdict {
            Verdict::Accepted => {
                // Evaluations see the flags before anybody is told of them.
                if let Some(store) = self.home.get().and_then(std::sync::Weak::upgrade) {
                    self.views.refresh(&store, Some(over));
                }
                self.backoff.reset();
                self.heard = true;
                self.link.up();
            }
            Verdict::Refused => self.link.down(format!(
                "{}: its flags cannot be used, those of before stay; the log says why",
                self.server.name
            )),
        }
    }

    /// What the server lays over every context. Servers before flagd 0.12.5 say it only when they are asked.
    async fn context(
        &self,
        client: &FlagSyncServiceClient<Channel>,
        sent: Option<Struct>,
    ) -> Map<String, Value> {
        let context = match sent {
            Some(context) => object(context),
            None => self.ask_context(client.clone()).await,
        };
        match &self.enricher {
            Some(enrich) => enrich(context),
            None => context,
        }
    }

    #[allow(deprecated, reason = "older servers know no other way")]
    async fn ask_context(&self, mut client: FlagSyncServiceClient<Channel>) -> Map<String, Value> {
        let asked = client.get_metadata(self.server.request(GetMetadataRequest {}));
        match timeout(self.patience, asked).await {
            Ok(Ok(answer)) => answer.into_inner().metadata.map(object).unwrap_or_default(),
            Ok(Err(status)) if status.code() == Code::Unimplemented => Map::new(),
            Ok(Err(status)) => {
                tracing::warn!("{}; its context is left out", self.server.says(&status));
                Map::new()
            }
            Err(_) => Map::new(),
        }
    }

    fn stopped(&self, what: String, retry: Retry) -> SourceError {
        SourceError { what, place: self.server.name.clone(), retry }
    }

    /// To be followed again after a while.
    fn lost(&mut self, why: String) -> SourceError {
        self.link.down(why.as_str());
        let wait = self.backoff.next();
        self.stopped(why, Retry::After(wait))
    }
}

#[async_trait::async_trait]
impl Source for Sync {
    async fn follow(&mut self, feed: &mut Feed<'_>) -> Result<Infallible, SourceError> {
        self.home.wait().await;
        loop {
            let opened = Instant::now();
            self.heard = false;
            match self.stream(feed).await {
                End::Due if self.heard && opened.elapsed() > SOON => {}
                End::Due => return Err(self.lost("the server ends streams as soon as they begin".to_owned())),
                End::Lost(why) => return Err(self.lost(why)),
                End::Fatal(why) => {
                    self.link.fatal(why.as_str());
                    return Err(self.stopped(why, Retry::Never));
                }
            }
        }
    }
}

fn object(object: Struct) -> Map<String, Value> {
    object.fields.into_iter().map(|(key, value)| (key, json(value.kind))).collect()
}

fn json(kind: Option<Kind>) -> Value {
    match kind {
        None | Some(Kind::NullValue(_)) => Value::Null,
        Some(Kind::BoolValue(value)) => value.into(),
        Some(Kind::NumberValue(value)) => value.into(),
        Some(Kind::StringValue(text)) => text.into(),
        Some(Kind::ListValue(list)) => list.values.into_iter().map(|item| json(item.kind)).collect(),
        Some(Kind::StructValue(value)) => Value::Object(self::object(value)),
    }
}
