//! The server evaluates: `flagd.evaluation.v2`, one call an evaluation (contract 3), static answers kept.
//!
//! `call` asks, `cache` keeps, `follow` listens to the event stream and forgets what changed, `convert` translates.

mod cache;
mod call;
mod convert;
mod follow;

use std::sync::Arc;

use kit::{Answer, Emitter, Resolver, State, Type};
use open_feature::{EvaluationContext, EvaluationError, EvaluationReason};
use tokio::task::JoinSet;

use crate::link::Link;
use crate::options::{Cache as CacheKind, Options, OptionsError};
use crate::runtime;
use crate::server::Server;
use cache::Cache;
use call::Calls;
use follow::Follow;

/// Resolves flags by asking the server.
#[derive(Debug)]
pub struct Rpc {
    shared: Arc<Shared>,
    calls: Calls,
    /// Ends with the resolver.
    _tasks: JoinSet<()>,
}

/// What evaluations and the event stream share.
#[derive(Debug)]
struct Shared {
    server: Server,
    link: Arc<Link>,
    cache: Cache,
    /// A call succeeded while the event stream waits to be opened again.
    nudge: tokio::sync::Notify,
}

impl Rpc {
    /// Starts to listen to the server's events. Returns at once; must be called in a Tokio runtime.
    ///
    /// # Errors
    /// An option that cannot be used.
    pub fn open(options: &Options) -> Result<Self, OptionsError> {
        runtime()?;
        options.check()?;
        let capacity = match options.cache {
            CacheKind::Lru => options.max_cache_size,
            CacheKind::Disabled => 0,
        };
        let emitter = Emitter::new(crate::NAME);
        let shared = Arc::new(Shared {
            server: Server::new(options)?,
            link: Link::new(emitter, options.deadline, options.retry_grace_period),
            cache: Cache::new(capacity),
            nudge: tokio::sync::Notify::new(),
        });
        let mut tasks = JoinSet::new();
        tasks.spawn(Follow::new(Arc::clone(&shared), options).run());
        let tended = Arc::clone(&shared);
        tasks.spawn(async move { tended.link.tend(|| tended.cache.clear()).await });
        Ok(Self { calls: Calls::new(&shared.server, options), shared, _tasks: tasks })
    }
}

impl Resolver for Rpc {
    const NAME: &'static str = crate::NAME;

    async fn resolve(
        &self,
        key: &str,
        want: Type,
        context: &EvaluationContext,
    ) -> Result<Answer, EvaluationError> {
        let cache = &self.shared.cache;
        if let Some(kept) = cache.get(key, want) {
            return Ok(kept);
        }
        let mark = cache.mark();
        let answer = self.calls.ask(&self.shared.server, key, want, context).await?;
        let ready = self.events().state() == State::Ready;
        if !ready {
            self.shared.nudge.notify_one();
        }
        // Without the event stream nobody would say when the answer is out of date.
        if ready && answer.reason == EvaluationReason::Static {
            cache.keep(mark, key, want, &answer);
        }
        Ok(answer)
    }

    fn events(&self) -> &Emitter {
        self.shared.link.emitter()
    }
}
