//! The vendor as an origin: its environment document polled by date, read by its own rules, and told of usage if that is
//! wanted.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use store::{Dialect, Feed, Http, Origin, OriginError, Poll, Reader, Source, SourceError, SourceKind};
use tokio::task::JoinSet;

use crate::client::Api;
use crate::options::SourceOptions;
use crate::reader::EnvironmentDocument;
use crate::report::Reporter;
use crate::usage::Usage;

/// Flagsmith as an origin.
pub static KIND: SourceKind = SourceKind { providers: &["flagsmith"], build };

/// Flagsmith's documents.
pub static DIALECT: Dialect = Dialect {
    name: "flagsmith",
    about: "what GET /api/v1/environment-document/ of Flagsmith answers to a server-side key",
    reader: |origin| {
        let options: SourceOptions = origin.options()?;
        Ok(Arc::new(EnvironmentDocument::new(options.mapping(), None)))
    },
};

/// Follows one environment.
struct Flagsmith {
    poll: Poll<Http>,
    reader: Arc<EnvironmentDocument>,
    reporter: Option<Reporter>,
    /// The reporter once it runs, beside the polls: one that fails must not take its counts away. Ends with the source.
    reports: JoinSet<Infallible>,
}

pub(crate) fn build(origin: &Origin) -> Result<Box<dyn Source>, OriginError> {
    let options: SourceOptions = origin.options()?;
    let (api, http, schedule) = Api::open(origin)?;
    let usage = options.report_usage.then(|| Arc::new(Usage::default()));
    let interval = Duration::from_secs(options.report_interval.max(1));
    Ok(Box::new(Flagsmith {
        poll: Poll::new(http, schedule),
        reader: Arc::new(EnvironmentDocument::new(options.mapping(), usage.clone())),
        reporter: usage.map(|usage| Reporter::new(api, usage, interval)),
        reports: JoinSet::new(),
    }))
}

#[async_trait]
impl Source for Flagsmith {
    async fn follow(&mut self, feed: &mut Feed<'_>) -> Result<Infallible, SourceError> {
        if let Some(reporter) = self.reporter.take() {
            self.reports.spawn(reporter.run());
        }
        self.poll.follow(feed).await
    }

    fn reader(&self) -> Arc<dyn Reader> {
        Arc::clone(&self.reader) as Arc<dyn Reader>
    }
}
