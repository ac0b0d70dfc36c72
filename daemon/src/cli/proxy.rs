//! `hoistd proxy`: one follower per origin for many clients, in the place of flagd-proxy (contract 10).

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::sync::watch;
use tower::Layer;

use super::start::{Signals, StartError};
use crate::args::{Environment, ProxyArgs};
use crate::config::ProxyConfig;
use crate::listen::{Address, Bound, Endpoint, Limits};
use crate::serve::{self, Service};
use crate::services::management::{self, Management, Subject};
use crate::services::proxy::{self, Proxy, Targets};
use crate::services::sync;
use crate::telemetry::{Exposition, Kind, Measure, Telemetry};
use crate::{cli, log};

/// Streams that one connection may have open.
const STREAMS: u32 = 10_000;
/// How long open requests may take to end on shutdown.
const GRACE: Duration = Duration::from_secs(5);

/// Serves until a signal ends it.
///
/// # Errors
/// A setting or a port cannot be used, or the proxy was stopped while shutting down.
pub fn run(args: &ProxyArgs, environment: &Environment) -> Result<(), StartError> {
    let config = ProxyConfig::read(args, environment)?;
    log::start(config.log_format, config.debug, log::ALONE);
    tracing::info!("{}", cli::version::line());
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let ended = runtime.block_on(live(&config, environment));
    runtime.shutdown_background();
    ended
}

async fn live(config: &ProxyConfig, environment: &Environment) -> Result<(), StartError> {
    let mut signals = Signals::new()?;
    let limits = Limits { streams: STREAMS, ..Limits::default() };
    let sync = endpoint(config.port, "--port", limits).bind().await?;
    let management = endpoint(config.management_port, "--management-port", Limits::default()).bind().await?;
    let (close, closing) = watch::channel(false);
    let (sync, management) = mount(sync, management, environment, closing.clone());
    for service in [&sync, &management] {
        tracing::info!(address = service.address(), "serving {}", service.name());
    }
    let mut serving = tokio::spawn(serve::serve(vec![sync], management, closing, GRACE));
    signals.asked_to_end(None).await;
    tracing::info!("shutting down");
    close.send_replace(true);
    tokio::select! {
        _ = &mut serving => Ok(()),
        () = signals.asked_to_end(None) => Err(StartError::Impatient),
    }
}

fn endpoint(port: u16, setting: &'static str, limits: Limits) -> Endpoint {
    Endpoint { address: Address::Port(port), setting, tls: None, http2: true, limits }
}

/// Puts both services on their ports.
fn mount(
    sync: Bound,
    management: Bound,
    environment: &Environment,
    closing: watch::Receiver<bool>,
) -> (Service, Service) {
    let (telemetry, targets) = (Telemetry::default(), Targets::open(environment.clone()));
    let measured = |label| Measure::new(Arc::clone(&telemetry.requests), false, label);
    let streams = Arc::clone(&telemetry.streams);
    let routes = proxy::routes(Proxy { targets: Arc::clone(&targets), closing: closing.clone(), streams });
    let sync = Service::new("sync", sync, measured(sync::label).layer(routes));
    let answers = measured(management::label);
    let subject = Arc::new(Running { telemetry: telemetry.clone(), targets });
    let management = Service::new("management", management, answers.layer(Management::of(subject, closing)));
    (sync, management)
}

/// What management speaks of.
#[derive(Debug)]
struct Running {
    telemetry: Telemetry,
    targets: Arc<Targets>,
}

impl Subject for Running {
    /// Clients may come as soon as there is a port: what they ask for is followed then.
    fn ready(&self) -> bool {
        true
    }

    fn report(&self, ready: bool) -> Vec<u8> {
        json!({ "ready": ready, "targets": self.targets.count() }).to_string().into_bytes()
    }

    fn metrics(&self) -> String {
        let mut out = Exposition::default();
        self.telemetry.render(&mut out);
        let help = "Streams that are open, as flagd-proxy counts them.";
        out.family("sync_active_streams", Kind::Gauge, help).sample(&[], self.telemetry.streams.open_now());
        let help = "Origins that are followed for clients.";
        out.family("hoistd_proxy_targets", Kind::Gauge, help).sample(&[], self.targets.count());
        out.finish()
    }
}
