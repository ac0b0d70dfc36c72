//! `hoistd start`: the daemon from its first log line to its exit code.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use store::{Claim, ClaimError, Origin, Source, Store};
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::args::{Environment, StartArgs};
use crate::assemble::{App, AppError, Ports};
use crate::config::{Config, ConfigError};
use crate::listen::{BindError, Certificate};
use crate::sources::{self, SourcesError};
#[cfg(feature = "otel")]
use crate::telemetry::export::Tracing;
use crate::{ask, cli, log, serve};

/// How long the first flags may take before ports answer without them.
const HEAD_START: Duration = Duration::from_millis(250);

/// Part of the time for shutting down that is kept for the steps after the last request.
const RESERVE: f32 = 0.1;

/// How long the last metrics may take to be pushed.
#[cfg(feature = "otel")]
const LAST_PUSH: Duration = Duration::from_secs(1);
/// How long the copies on disk may take at the end.
const LAST_COPY: Duration = Duration::from_secs(1);

/// Why the daemon does not start, or ends before its time.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A setting is wrong.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A source cannot be set up.
    #[error(transparent)]
    Sources(#[from] SourcesError),
    /// The state directory belongs to another daemon.
    #[error(transparent)]
    State(#[from] ClaimError),
    /// A service cannot be built.
    #[error(transparent)]
    App(#[from] AppError),
    /// A port cannot be opened.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// Telemetry cannot be sent as configured.
    #[error("telemetry: {0}")]
    Telemetry(String),
    /// A source is not there at the start.
    #[error("{0}; create it, correct the source's address, or start with --on-missing-source=wait")]
    Absent(String),
    /// The system refuses threads or signal handlers.
    #[error("cannot set up the process: {0}")]
    Process(#[from] io::Error),
    /// A second signal came while the daemon was shutting down.
    #[error("stopped at once by a second signal")]
    Impatient,
}

/// Serves the configured sources until a signal ends it.
///
/// # Errors
/// The daemon could not start, or was stopped while shutting down.
pub fn run(args: &StartArgs, environment: &Environment) -> Result<(), StartError> {
    let config = Config::read(args, environment)?;
    let sources = sources::build(&config.origins)?;
    run_with(config, sources)
}

/// The same for any sources.
///
/// # Errors
/// As [`run`].
pub fn run_with(config: Config, sources: Vec<(Origin, Box<dyn Source>)>) -> Result<(), StartError> {
    let runtime = Builder::new_multi_thread().enable_all().build()?;
    let export = Export::start(&config, &runtime)?;
    greet(&config);
    let ended = runtime.block_on(live(config, sources));
    export.stop();
    leave(runtime);
    ended
}

/// The traces that are sent away while the daemon lives.
struct Export {
    #[cfg(feature = "otel")]
    tracing: Option<Tracing>,
}

impl Export {
    /// Sets up the log, and traces beside it where they are wanted.
    fn start(config: &Config, runtime: &Runtime) -> Result<Self, StartError> {
        #[cfg(feature = "otel")]
        {
            let _within = runtime.enter();
            let tracing = Tracing::start(&config.otel).map_err(StartError::Telemetry)?;
            log::start(config.log_format, config.debug, tracing.as_ref().map(Tracing::layer));
            Ok(Self { tracing })
        }
        #[cfg(not(feature = "otel"))]
        {
            let _ = runtime;
            log::start(config.log_format, config.debug, log::ALONE);
            Ok(Self {})
        }
    }

    /// Sends what has been gathered.
    fn stop(&self) {
        #[cfg(feature = "otel")]
        if let Some(tracing) = &self.tracing {
            tracing.stop();
        }
    }
}

/// Lets go of threads that are busy for longer than it takes to clear up, such as with a file on a network that does not answer.
fn leave(runtime: Runtime) {
    runtime.shutdown_timeout(sources::PARTING);
}

/// What flagd's log begins with, too.
fn greet(config: &Config) {
    tracing::info!("{}", cli::version::line());
    if let Some(file) = &config.file {
        tracing::info!("using config file: {}", file.display());
    }
    for warning in &config.warnings {
        tracing::warn!("{warning}");
    }
    match config.max_request_body {
        Some(bytes) => tracing::info!("request body limit set to {bytes} bytes"),
        None => tracing::warn!("request bodies have no limit"),
    }
    tracing::info!("request header limit set to {} bytes", config.max_request_header);
}

async fn live(config: Config, sources: Vec<(Origin, Box<dyn Source>)>) -> Result<(), StartError> {
    let config = Arc::new(config);
    let mut signals = Signals::new()?;
    let _state = claim(&config)?;
    let ports = Ports::open(&config).await?;
    let certificate = ports.certificate.clone();
    let settings = sources::settings(&config, ask::clock);
    let store = Arc::new(Store::open(settings, sources));
    let (close, closing) = watch::channel(false);
    let app = App::new(Arc::clone(&config), Arc::clone(&store), closing.clone())?;
    #[cfg(feature = "otel")]
    let pushing = app.push_metrics(ask::clock).map_err(StartError::Telemetry)?;
    // Whoever connects meanwhile waits in a port's queue: that a flag does not exist would be a wrong answer.
    let _ = tokio::time::timeout(HEAD_START, store.first_load()).await;
    let (services, management) = app.mount(ports);
    for service in services.iter().chain([&management]) {
        tracing::info!(address = service.address(), "serving {}", service.name());
    }
    let grace = config.shutdown_timeout.mul_f32(1.0 - RESERVE);
    let mut serving = tokio::spawn(serve::serve(services, management, closing, grace));
    let fresh = certificate.clone().map(|certificate| tokio::spawn(certificate.keep_fresh()));
    let ended = tokio::select! {
        absent = first_load(&store, config.resilience.wait_for_sources) => Err(StartError::Absent(absent)),
        () = signals.asked_to_end(certificate.as_deref()) => Ok(()),
    };
    tracing::info!("shutting down");
    close.send_replace(true);
    let down = tokio::select! {
        () = over(&mut serving, &app) => Ok(()),
        () = signals.asked_to_end(None) => Err(StartError::Impatient),
        // Every port has the same grace; this is for whatever else may hang.
        () = tokio::time::sleep(config.shutdown_timeout) => Ok(()),
    };
    if let Some(fresh) = fresh {
        fresh.abort();
    }
    // What was accepted last is worth a moment, a disk that hangs is not.
    let _ = tokio::task::spawn_blocking(move || store.settle(LAST_COPY)).await;
    #[cfg(feature = "otel")]
    if let Some(pushing) = pushing {
        // The last figures are worth a moment, a collector that is away is not.
        let _ = tokio::time::timeout(LAST_PUSH, pushing).await;
    }
    ended.and(down)
}

/// Waits for the last request, and for what is told others at the end.
async fn over(serving: &mut JoinHandle<()>, app: &App) {
    // That a port stopped serving has been said.
    let _ = serving.await;
    app.farewell().await;
}

/// Takes hold of the state directory. One that cannot be used, such as on a disk that is full or read-only, costs what is
/// kept there and not the daemon.
fn claim(config: &Config) -> Result<Option<Claim>, ClaimError> {
    match config.resilience.state_dir.as_deref().map(Claim::take) {
        Some(Err(error @ ClaimError::Unusable { .. })) => {
            tracing::error!(%error, "nothing can be kept");
            Ok(None)
        }
        claimed => claimed.transpose(),
    }
}

/// Says what is missing, if a source is not there at the start and nobody wants to wait for it; otherwise never ends.
async fn first_load(store: &Store, wait: bool) -> String {
    let first = store.first_load().await;
    if let Some(absent) = sources::absent(&first).filter(|_| !wait) {
        return absent;
    }
    if store.loaded() {
        tracing::info!(flags = store.read().flags().len(), "ready");
    } else {
        tracing::warn!("not ready: a source has no flags in service; it is followed until it has");
    }
    std::future::pending().await
}

/// What the operating system asks of the daemon.
pub(super) struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
}

impl Signals {
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    /// Waits for SIGINT or SIGTERM. SIGHUP re-reads the certificate meanwhile; flags are followed in any case.
    pub(super) async fn asked_to_end(&mut self, certificate: Option<&Certificate>) {
        loop {
            tokio::select! {
                _ = self.interrupt.recv() => return,
                _ = self.terminate.recv() => return,
                _ = self.hangup.recv() => reload(certificate),
            }
        }
    }
}

fn reload(certificate: Option<&Certificate>) {
    match certificate.map(Certificate::reload) {
        Some(Ok(true)) => tracing::info!("serving a new certificate"),
        Some(Err(error)) => tracing::error!(%error, "the new certificate is refused, the old one stays"),
        Some(Ok(false)) | None => tracing::info!("nothing to read again: sources are followed all the time"),
    }
}
