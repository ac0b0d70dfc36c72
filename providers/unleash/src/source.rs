//! The vendor as an origin: polled with its ETag, read by its own rules, told of usage.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use store::{
    Dialect, Feed, Fetch, Fetched, Format, Http, Origin, OriginError, Poll, Reader, Retry, Source,
    SourceError, SourceKind,
};
use tokio::task::JoinSet;

use crate::client::Api;
use crate::ledger::Ledger;
use crate::model::Fold;
use crate::options::SourceOptions;
use crate::reader::{ClientFeatures, Counting};
use crate::report::Reporter;
use crate::rules::{Fixed, Settings};

/// Unleash and GitLab as origins.
pub static KIND: SourceKind = SourceKind { providers: &["unleash"], build };

/// Unleash's documents.
pub static DIALECT: Dialect = Dialect {
    name: "unleash",
    about: "what GET /api/client/features of Unleash, Unleash Edge or GitLab answers",
    reader: |origin| Ok(Arc::new(ClientFeatures::new(settings(&origin.options()?), None))),
};

/// Follows one Unleash.
struct Unleash {
    flags: Flags,
    reader: Arc<ClientFeatures>,
    reporter: Option<Reporter>,
    /// The reporter once it runs, beside the polls: one that fails must not take its counts away. Ends with the source.
    reports: JoinSet<Infallible>,
}

/// How flags are got.
enum Flags {
    Whole(Poll<Http>),
    Changes(Poll<Changes>),
}

pub(crate) fn build(origin: &Origin) -> Result<Box<dyn Source>, OriginError> {
    Ok(Box::new(source(origin)?))
}

fn source(origin: &Origin) -> Result<Unleash, OriginError> {
    let options: SourceOptions = origin.options()?;
    let (api, http, schedule) = Api::open(origin, &options)?;
    let ledger = Arc::new(Ledger::default());
    let counting = options.report_usage.then(|| Arc::clone(&ledger) as Arc<dyn Counting>);
    let interval = Duration::from_secs(options.report_interval.max(1));
    let flags = if options.delta {
        Flags::Changes(Poll::new(Changes { http, fold: Fold::default() }, schedule))
    } else {
        Flags::Whole(Poll::new(http, schedule))
    };
    Ok(Unleash {
        flags,
        reader: Arc::new(ClientFeatures::new(settings(&options), counting)),
        reporter: options.report_usage.then(|| Reporter::new(api, ledger, interval)),
        reports: JoinSet::new(),
    })
}

fn settings(options: &SourceOptions) -> Settings {
    Settings {
        fixed: Fixed { app_name: options.app_name.clone(), environment: options.environment.clone() },
        payload_decides: options.bool_variant,
        flag_set: options.flag_set_id.clone(),
    }
}

#[async_trait]
impl Source for Unleash {
    async fn follow(&mut self, feed: &mut Feed<'_>) -> Result<Infallible, SourceError> {
        if let Some(reporter) = self.reporter.take() {
            self.reports.spawn(reporter.run(feed.now()));
        }
        match &mut self.flags {
            Flags::Whole(poll) => poll.follow(feed).await,
            Flags::Changes(poll) => poll.follow(feed).await,
        }
    }

    fn reader(&self) -> Arc<dyn Reader> {
        Arc::clone(&self.reader) as Arc<dyn Reader>
    }
}

/// Asks for changes and puts the document together that they lead to.
struct Changes {
    http: Http,
    fold: Fold,
}

impl Fetch for Changes {
    async fn fetch(&mut self, seen: Option<&str>, most: usize) -> Result<Option<Fetched>, SourceError> {
        if seen.is_none() {
            self.fold = Fold::default();
        }
        let Some(fetched) = self.http.fetch(seen, most).await? else { return Ok(None) };
        if fetched.bytes.len() > most {
            return Ok(Some(fetched));
        }
        let wrong =
            |what: String| SourceError { what, place: "client/delta".to_owned(), retry: Retry::Backoff };
        let text = String::from_utf8(fetched.bytes).map_err(|error| wrong(error.to_string()))?;
        if let Err(error) = self.fold.apply(&text) {
            // Half of the events may be in: the next request starts over.
            self.fold = Fold::default();
            return Err(wrong(format!("not a list of events: {error}")));
        }
        let document = self.fold.document().map_err(|error| wrong(error.to_string()))?;
        Ok(Some(Fetched { bytes: document.into_bytes(), format: Format::Json, revision: fetched.revision }))
    }
}
