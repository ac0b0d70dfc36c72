//! Evaluation here: flags from the server's sync stream (contract 5) or from a file, compiled when they come.
//!
//! The store does what it does in the daemon: it reads documents, keeps the last good definition of each flag, and says
//! what changed. `sync` is the source that brings it the server's flags, `flags` what evaluations look at.

mod flags;
mod sync;

use std::sync::{Arc, Weak};
use std::time::SystemTime;

use kit::{Emitter, Local};
use serde_json::Map;
use store::{File, Origin, Served, Settings, Source, StaleAnswers, State, Store};
use tokio::sync::SetOnce;
use tokio::task::JoinSet;

use crate::link::Link;
use crate::options::{Mode, Options, OptionsError};
use crate::runtime;
use crate::server::Server;
pub use flags::Flags;
use flags::Views;
use sync::Sync;

/// How many documents are kept on disk, if any.
const GENERATIONS: usize = 2;

/// Resolves flags by evaluating them here.
#[derive(Debug)]
pub struct InProcess {
    views: Arc<Views>,
    link: Arc<Link>,
    /// Both end with the resolver.
    _store: Arc<Store>,
    _tasks: JoinSet<()>,
}

/// Leads from a source to the store that it delivers to.
type Home = Arc<SetOnce<Weak<Store>>>;

impl InProcess {
    /// Starts to follow the server, or the file. Returns at once; must be called in a Tokio runtime.
    ///
    /// # Errors
    /// An option that cannot be used.
    pub fn open(options: &Options) -> Result<Self, OptionsError> {
        runtime()?;
        options.check()?;
        let link = Link::new(Emitter::new(crate::NAME), options.deadline, options.retry_grace_period);
        let home = Home::default();
        let (origin, source, views) = match (options.mode(), &options.offline_flag_source_path) {
            (Mode::File, Some(path)) => {
                let origin = Origin::new("file", &path.to_string_lossy(), Map::new());
                let source: Box<dyn Source> = Box::new(File::new(path, options.offline_poll));
                (origin, source, Views::new(options.selector.as_deref().unwrap_or_default(), link.emitter())?)
            }
            _ => {
                let server = Server::new(options)?;
                let origin = Origin::new("grpc", &server.name, view(options));
                // The server has chosen already.
                let views = Views::new("", link.emitter())?;
                let shared = (Arc::clone(&link), Arc::clone(&views), Arc::clone(&home));
                (origin, Box::new(Sync::new(server, shared, options)) as Box<dyn Source>, views)
            }
        };
        let store = Arc::new(Store::open(settings(options), vec![(origin, source)]));
        // Nobody else sets it.
        let _ = home.set(Arc::downgrade(&store));
        let mut tasks = JoinSet::new();
        let tended = Arc::clone(&link);
        tasks.spawn(async move { tended.tend(|| {}).await });
        let by_file = options.mode() == Mode::File;
        tasks.spawn(watch(Arc::clone(&store), Arc::clone(&views), Arc::clone(&link), by_file));
        Ok(Self { views, link, _store: store, _tasks: tasks })
    }
}

/// The server decides what it shows, so nothing that it says is held back or called stale; how the server stands is told
/// by the provider's state.
fn settings(options: &Options) -> Settings {
    Settings {
        engine: engine::Options { bucketing: options.bucketing, ..engine::Options::default() },
        state_dir: options.last_known_good.clone(),
        generations: GENERATIONS,
        stale_answers: StaleAnswers::Plain,
        shrink_hold: None,
        ..Settings::new(SystemTime::now)
    }
}

/// What tells one server's views apart on disk.
fn view(options: &Options) -> Map<String, serde_json::Value> {
    let pairs = [("selector", &options.selector), ("providerID", &options.provider_id)];
    let given = pairs.into_iter().filter_map(|(name, text)| Some((name.to_owned(), text.clone()?.into())));
    given.collect()
}

/// Shows new flags and, for a file, how it stands.
async fn watch(store: Arc<Store>, views: Arc<Views>, link: Arc<Link>, by_file: bool) {
    let (mut generations, mut news) = (store.subscribe(), store.subscribe_status());
    loop {
        generations.mark_unchanged();
        news.mark_unchanged();
        views.refresh(&store, None);
        for status in store.sources() {
            if status.served == Served::Copy {
                let age = status.last_success.map(|seen| seen.since.elapsed()).unwrap_or_default();
                link.bridged(format!(
                    "serving flags that were kept {age:.0?} ago until {} answers",
                    status.origin
                ));
            }
            match (by_file, status.state) {
                (true, State::Ok) => link.up(),
                (
                    true,
                    State::Refused | State::Held | State::RolledBack | State::Unreachable | State::Stopped,
                ) => {
                    link.down(status.error.unwrap_or_else(|| format!("{} cannot be read", status.origin)));
                }
                (true, State::Pending) | (false, _) => {}
            }
        }
        // The senders live in the store.
        tokio::select! {
            _ = generations.changed() => {}
            _ = news.changed() => {}
        }
    }
}

impl Local for InProcess {
    const NAME: &'static str = crate::NAME;

    type View = Flags;

    fn view(&self) -> Arc<Flags> {
        self.views.current()
    }

    #[inline]
    fn read<T>(&self, look: impl FnOnce(&Flags) -> T) -> T {
        self.views.read(look)
    }

    fn events(&self) -> &Emitter {
        self.link.emitter()
    }
}
